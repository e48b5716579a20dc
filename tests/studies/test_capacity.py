"""The study capacity: its rows against the counts themselves, and its report."""

import pytest

from convscope import sweep
from convscope.capacity.bits import capacity_bits
from convscope.complexity import thresholds
from convscope.data.loading import load_bound
from convscope.family import ConfigError, bind
from convscope.studies.study import study

STUDY = study("capacity")
PRESET = "capacity"


def test_rows_are_what_the_measures_give(cell):
    run, cfg = cell("model=resnet8", "data.copies=1", "max_samples=300")
    dataset = load_bound(bind("data", cfg["data"]), cfg["env"], seed=0)
    network = bind("models", cfg["model"]).call(n_classes=10, input_shape=dataset.input_shape)
    found = {(r.method, r.metric, r.axes.get("target")): r for r in run.rows()}
    assert found["rules", "capacity_bits", None].value == capacity_bits(network, (1, 16, 16)).total
    assert found["literal", "capacity_bits", None].value == capacity_bits(
        network, (1, 16, 16), mode="algorithm1", output_bits="sum").total
    split = dataset.splits["train"]
    assert found["needs", "complexity_bits", "all"].value == thresholds.measure(split.stored, split.y).complexity_bits
    assert found["needs", "complexity_bits", "sample"].n == 300
    sized = bind("models", {**cfg["model"], "width": found["match", "width", "all"].value}).call(
        n_classes=10, input_shape=dataset.input_shape)
    matched = found["match", "matched_bits", "all"].value
    assert capacity_bits(sized, (1, 16, 16)).total == matched
    assert matched == pytest.approx(found["match", "complexity_bits", "all"].value, rel=0.06)


def test_networks_without_data_and_without_width(cell):
    run, cfg = cell("model=imagenet_alexnet", preset="capacity_imagenet")
    assert {r.data for r in run.rows()} == {"3x224x224, 1000 classes"} and {r.metric for r in run.rows()} == {
        "parameters", "capacity_bits"}
    made = sweep.check(cfg)
    assert (made.title, made.subject.kind) == ("3x224x224, 1000 classes | imagenet arch=alexnet | seed 0", "measure")
    assert made.run.config()["data"]["fingerprint"] == "no data are read" and made.curve() == []
    assert next(r.value for r in run.rows() if r.method == "rules" and r.metric == "capacity_bits") == 184_704
    rows = cell("model=vit_tiny", "data.copies=1")[0].rows()
    assert {r.method for r in rows} == {"rules", "algorithm1", "literal", "needs"}


def test_report(cell):
    runs = [cell(f"model={one}", "data.copies=1", "max_samples=300")[0] for one in ("alexnet", "lenet", "vit_tiny")]
    rows = [row for run in runs for row in run.rows()]
    tables = {table.name: table for table in STUDY.tables(rows)}
    assert set(tables) == {"networks", "warehouse"}
    assert list(tables["networks"].values.columns) == ["parameters", "four rules", "Algorithm 1",
                                                       "Algorithm 1 as printed"]
    families = {key[2] for key in tables["warehouse"].values.index}
    assert families == {"alexnet", "lenet"} and len(tables["warehouse"].values) == 4  # two numbers of samples each
    arrays = STUDY.arrays(runs)
    assert arrays["digits copies=1/alexnet/capacity"].sum() == tables["networks"].values.loc[
        ("digits copies=1", "alexnet"), "four rules"]
    assert set(STUDY.figures(rows, arrays)) == {"match_digits-copies=1", "layers_digits-copies=1-alexnet"}
    assert STUDY.ledger({"capacity": rows}) == [] and STUDY.pages(rows, arrays) == {}


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("model=decision_tree",), "decision_tree is no network: capacity counts layers"),
    (("input_shape=[3,32,32]",), "input_shape and n_classes come together"),
    (("input_shape=[3,-2]", "n_classes=4"), "each of input_shape must be a whole number, at least 1, got -2"),
    (("input_shape=5", "n_classes=4"), "input_shape must be a list of whole numbers, such as [3,224,224], got 5"),
    (("input_shape=[3,32,32]", "n_classes=0"), "n_classes must be a whole number, at least 2, got 0"),
    (("data=xor",), "the model alexnet is for image data; xor is table data"),
    (("max_samples=1",), "max_samples must be a whole number, at least 2, got 1")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="capacity", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)
