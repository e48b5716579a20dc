"""Diagnose: planted faults are found, sound things are called so, and nothing is claimed that was not measured."""

import re

import numpy as np
import pytest

from convscope import sweep
from convscope.family import ConfigError
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.diagnose.findings import findings
from convscope.studies.study import study

STUDY = study("diagnose")

USERS = '''
import torch
from torch import nn
from torch.nn import functional as F

KIND, KINDS = "convnet", ("image",)

class Net(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.a, self.n, self.r = nn.Conv2d(c, 8, 3), nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU()
        self.b = nn.Linear(8, k)

    def forward(self, x):
        return self.b(F.dropout(self.r(self.n(self.a(x))), 0.5).mean((2, 3)))

def build(*, n_classes, input_shape):
    return Net(input_shape[0], n_classes)
'''


@pytest.fixture(scope="module")
def cell(compose, tmp_path_factory):
    shared = tmp_path_factory.mktemp("store")

    def made(*overrides: str, **parts) -> tuple[Run, dict]:
        cfg = compose(*overrides, preset="diagnose", runs=shared) | parts
        sweep.run_cell(cfg)
        run = sweep.check(cfg).run
        assert run.state() == "done", run.failure()
        return run, cfg

    return made


def levels(run: Run) -> dict[str, str]:
    return {one.about: one.level for one in findings(run.rows())}


def test_a_sound_network(cell):
    run, _ = cell("data.copies=1", "fit.iterations=40")
    found = levels(run)
    assert set(found) == {"data", "class balance", "duplicates", "complexity", "capacity", "learning rate",
                          "evaluation mode", "dead filters", "accuracy", "permuted labels"}
    assert "problem" not in found.values() and found["evaluation mode"] == found["class balance"] == "ok"
    tables = {table.name: table for table in STUDY.tables(run.rows())}
    assert set(tables) == {"findings", "alternatives"} and "0 problems in 10 findings" in tables["findings"].caption
    arrays = STUDY.arrays([run])
    assert set(STUDY.figures(run.rows(), arrays)) == {"classes", "learning_rate", "training"}
    page = STUDY.pages(run.rows(), arrays)["diagnosis"]
    assert page.count("<section") == 10 and page.count("data:image/png;base64,") == 3 and "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)  # one file, which needs no other


def test_planted_faults_are_found(cell, tmp_path, monkeypatch):
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "faulty.py").write_text(USERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = levels(cell("data.copies=1", "permuted=false", model={"name": "my_lab.faulty"})[0])
    assert found["chance at evaluation"] == found["batches at evaluation"] == "problem"
    assert "evaluation mode" not in found and "permuted labels" not in found  # not measured: not claimed


def test_a_users_table(cell, tmp_path):
    rng = np.random.default_rng(0)
    rows = [(*rng.normal(size=2), 1.0, "rare" if i < 12 else "common") for i in range(300)]
    lines = [f"{a},{5000 * b},{c},{kind}" for a, b, c, kind in rows]
    (tmp_path / "mine.csv").write_text("\n".join([*lines, *lines[40:50], lines[60].replace("common", "rare")]) + "\n")
    run, _ = cell("data=table", f"data.path={tmp_path}/mine.csv", "model=mlp", "permuted=false")
    found = levels(run)
    assert found["class balance"] == found["columns"] == found["duplicates"] == "problem"
    told = {one.about: one for one in findings(run.rows())}
    assert "1 constant columns" in told["columns"].measured and told["duplicates"].measured.endswith(
        "1 contents have different labels")
    assert re.search(r"common: \d+, rare: \d+ training samples", told["class balance"].measured)


def test_a_training_that_diverges_is_a_finding(cell):
    run, _ = cell("data=gauss", "data.spread=1e9", "model=mlp", "fit.lr=100", "fit.iterations=30")
    found = {one.about: one for one in findings(run.rows())}
    assert found["learning rate"].level == "problem" and "not finite" in found["learning rate"].measured
    assert "accuracy" not in found and "dead filters" not in found and "permuted labels" not in found


def rows(**values: float) -> list[Row]:
    """A run's rows with these numbers beside two classes of 50 training and 50 test samples each."""
    base = {"study": "diagnose", "run_id": "0" * 12, "data": "d", "model": "m", "method": "diagnose",
            "condition": "none", "seed": 0, "unit": ""}
    made = [Row(**base, split=split, axes={"class": name}, metric="class_samples", value=50, n=100)
            for split in ("train", "test") for name in "ab"]
    made += [Row(**base, split=split, axes={}, metric="samples", value=100, n=100) for split in ("train", "test")]
    for name, value in values.items():
        metric, _, split = name.partition("__")
        made.append(Row(**base, split=split or "train", axes={}, metric=metric, value=value, n=1000))
    return made


@pytest.mark.parametrize(("values", "about", "level"), [
    ({"accuracy__train": 0.99, "accuracy__test": 0.7}, "accuracy", "note"),
    ({"accuracy__train": 0.99, "accuracy__test": 0.98}, "accuracy", "ok"),
    ({"accuracy__train": 0.5, "accuracy__test": 0.5}, "accuracy", "problem"),
    ({"accuracy__train": 1.0, "accuracy__test": 0.5}, "accuracy", "problem"),
    ({"permuted_train_accuracy": 0.97, "permuted_test_accuracy__test": 0.5}, "permuted labels", "note"),
    ({"permuted_train_accuracy": 0.6, "permuted_test_accuracy__test": 0.5}, "permuted labels", "ok"),
    ({"permuted_train_accuracy": 0.6, "permuted_test_accuracy__test": 0.9}, "permuted labels", "problem"),
    ({"complexity_bits": 100, "capacity_bits": 5000, "parameters": 9}, "capacity", "note"),
    ({"complexity_bits": 100, "capacity_bits": 150, "parameters": 9}, "capacity", "ok"),
    ({"complexity_bits": 100, "capacity_bits": 5, "parameters": 9}, "capacity", "note"),
    ({"complexity_bits": 100}, "capacity", "note"),
    ({"lr": 0.1, "lr_steepest": 0.05, "lr_fall": 0.5, "lr_diverged": 1.0}, "learning rate", "ok"),
    ({"lr": 2.0, "lr_steepest": 0.05, "lr_fall": 0.5, "lr_diverged": 1.0}, "learning rate", "problem"),
    ({"lr": 1e-4, "lr_steepest": 0.05, "lr_fall": 0.5}, "learning rate", "note"),
    ({"lr": 0.1, "lr_steepest": 0.05, "lr_fall": 0.01}, "learning rate", "note"),
    ({"leaked__test": 5}, "duplicates", "problem"), ({"equal": 3}, "duplicates", "note"), ({}, "duplicates", "ok"),
    ({"constant_features": 0, "scales": 2.0}, "columns", "ok"), ({"constant_features": 0, "scales": 1e4}, "columns",
                                                                 "problem")])
def test_levels(values, about, level):
    assert {one.about: one.level for one in findings(rows(**values))}[about] == level


def test_overfitting_is_told_beside_an_accuracy_that_beats_nothing():
    found = {train: next(one for one in findings(rows(accuracy__train=train, accuracy__test=0.5))
                         if one.about == "accuracy") for train in (0.52, 1.0)}
    assert "50% better than the rest: it overfits" in found[1.0].meaning and "overfits" not in found[0.52].meaning


def test_two_classes_are_no_pair_of_many():
    pair = Row(**{**vars(rows()[0]), "axes": {"class": "a", "other": "b"}, "metric": "overlap", "value": 0.4})
    told = [next(one for one in findings([*rows(complexity_bits=8, threshold_ratio=0.5), *more])
                 if one.about == "complexity") for more in ([pair], [])]
    assert "a and b overlap by 0.40 of 1" in told[0].meaning and "Of all pairs" not in told[0].meaning
    assert "overlap" not in told[1].meaning and told[1].action == "Nothing to do."  # not measured: not claimed


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("data=documentation", "model=char_cnn_tiny"), "diagnose is for images and tables, documentation is text data"),
    (("model=decision_tree",), "diagnose looks into networks, decision_tree is none"),
    (("permuted=maybe",), "permuted must be true or false, got 'maybe'")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="diagnose", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)
