"""The study complexity: its rows against the measures themselves, its paper's table, its figures."""

import numpy as np
import pytest

from convscope import sweep
from convscope.complexity import csg, thresholds
from convscope.data.loading import load_bound
from convscope.family import ConfigError, bind
from convscope.reporting.aggregate import over_seeds
from convscope.rng import numpy_rng
from convscope.studies.complexity.paper import TABLE1
from convscope.studies.study import study

STUDY = study("complexity")
SMALL = "sizes=[60,200]"
PRESET = "complexity"
GIVEN = (SMALL,)


def test_rows_are_what_the_measures_give(cell):
    run, cfg = cell("data=xor", "seed=2")
    split = load_bound(bind("data", cfg["data"]), cfg["env"], seed=2).splits["train"]
    order = numpy_rng(2, "subset").permutation(500)
    found = {(row.metric, row.axes["n_samples"]): row for row in run.rows()}
    assert {n for _, n in found} == {60, 100, 200, 500}
    for n in (60, 100, 200, 500):
        index = np.sort(order[:n])
        told = thresholds.measure(split.x(index), split.y[index])
        assert found["thresholds", n].value == told.thresholds and found["ratio", n].value == told.ratio
        assert found["complexity_bits", n].value == told.complexity_bits
        overlap = csg.measure(split.x(index), split.y[index], rng=numpy_rng(2, "csg", n))
        assert found["csg", n].value == overlap.csg
        assert found["thresholds", n].axes["headline"] == (n == 100) and found["csg", n].axes["headline"] == (n == 500)
    row = found["csg", 500]
    assert (row.data, row.model, row.method, row.split, row.n) == ("xor", "raw", "csg", "train", 500)
    assert row.axes["n_features"] == 2 and row.axes["n_classes"] == 2


def test_images_are_measured_on_their_stored_whole_numbers(cell):
    run, cfg = cell("data=digits", "data.copies=1")
    split = load_bound(bind("data", cfg["data"]), cfg["env"], seed=0).splits["train"]
    index = np.sort(numpy_rng(0, "subset").permutation(len(split))[:200])
    value = next(r.value for r in run.rows() if r.metric == "thresholds" and r.axes["n_samples"] == 200)
    sums = split.stored[index].reshape(200, -1).astype(int).sum(1)
    labels = split.y[index][np.lexsort((split.y[index], sums))]
    assert value == np.count_nonzero(np.diff(labels)) and len(set(sums)) < 200  # with ties among them


@pytest.mark.parametrize("embedding", ["pca", "tsne", "autoencoder", "penultimate"])
def test_embeddings_give_csg_only(cell, embedding):
    more = {"autoencoder": ["embedding.epochs=1"], "tsne": ["embedding.perplexity=5"]}.get(embedding, [])
    run, _ = cell("data=digits", "data.copies=1", f"embedding={embedding}", "samples.csg=150", *more)
    rows = run.rows()
    assert [row.metric for row in rows] == ["csg"] and rows[0].n == 150 and rows[0].model.startswith(embedding)
    assert 0 <= rows[0].value <= 9


@pytest.mark.parametrize("preset", ["complexity", "complexity_table1", "complexity_embeddings"])
def test_settings_of_the_measures_stand_in_the_preset(compose, tmp_path, preset):
    """A command overrides only what stands there: csg.k=5. At their defaults they name no other run."""
    cfg = compose(preset=preset, runs=tmp_path)
    for method in ("thresholds", "csg"):
        bound = bind("complexity", {"name": method, **cfg[method]})
        assert set(cfg[method]) == set(bound.method.defaults) - {"max_samples"} - bound.method.runtime
        assert not bound.given


def test_what_names_a_run(cell, compose, tmp_path):
    def name(*overrides: str) -> str:
        return sweep.check(compose(SMALL, *overrides, preset="complexity", runs=tmp_path)).run.id

    base = name("data=xor")
    assert base == name("data=xor", "env.threads=2", "model=resnet20")  # no model is used
    others = [name("data=xor", one) for one in ("seed=1", "csg.k=5", "thresholds.key=l1", "samples.csg=50",
                                                "embedding=pca", "data.noise=0.1")]
    assert len({base, *others}) == 7
    digits = [name("data=digits", "embedding=penultimate", one) for one in ("model=resnet8", "model=resnet20")]
    assert len(set(digits)) == 2
    made = sweep.check(compose(SMALL, "data=digits", "embedding=penultimate", preset="complexity", runs=tmp_path))
    assert (made.title, made.subject.kind, made.curve()) == ("digits | penultimate | seed 0", "measure", [])


def test_report(cell):
    rows, runs = [], []
    for one in ("xor", "circle"):
        for seed in (0, 1):
            runs.append(cell(f"data={one}", f"seed={seed}")[0])
            rows += runs[-1].rows()
    runs += [cell("data=digits", "data.copies=1")[0], cell("data=digits", "data.copies=1", "embedding=pca")[0]]
    rows += [row for run in runs[-2:] for row in run.rows()]
    tables = {table.name: table for table in STUDY.tables(rows)}
    assert set(tables) == {"paper_table1_csg", "paper_table1_bits", "complexity", "csg_by_embedding"}
    bits = tables["paper_table1_bits"].values
    assert bits.loc["xor", "n_seeds"] == 2 and bits.loc["mnist", "n_seeds"] == 0 and bits.loc["gauss", "paper"] == 2
    everything = tables["complexity"].values
    assert list(everything.index) == ["xor", "circle", "digits copies=1"]  # the paper's order first
    lines = over_seeds(rows)
    chosen = lines[(lines["data"] == "circle") & (lines["metric"] == "csg") & lines["axis.headline"]]
    assert everything.loc["circle", "csg"] == list(chosen["mean"])[0] and everything.loc["circle", "samples"] == 100
    arrays = STUDY.arrays(runs)
    assert arrays["xor/raw/x"].shape == (500, 2) and arrays["digits copies=1/pca/w"].shape == (10, 10)
    figures = STUDY.figures(rows, arrays)
    assert set(figures) == {"toys", "bits_against_n", "csg_against_n", "overlap", "eigenvalues", "class_maps"}


def test_ledger_has_every_cell_of_the_papers_table(cell):
    rows = cell("data=xor")[0].rows()
    lines = STUDY.ledger({"complexity": rows, "complexity_table1": rows})
    assert len(lines) == 2 * len(TABLE1) == 16
    by_cell = {line.cell: line for line in lines}
    assert by_cell["xor, CSG"].ours is not None and by_cell["xor, CSG"].verdict == "reached"
    assert by_cell["mnist, CSG"].verdict == "not run" and by_cell["cifar10, expected complexity"].paper_value == 30720


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("data=xor", "seed=-1"), "seed must be a whole number, at least 0, got -1"),
    (("data=xor", "samples.csg=1"), "samples.csg must be a whole number, at least 2 and at most 10000000 or a mapping"),
    (("data=xor", "sizes=5"), "sizes must be a list of whole numbers, at least 2 and at most 10000000, got 5"),
    (("data=xor", "sizes=[1]"), "sizes must be a list of whole numbers, at least 2 and at most 10000000, got [1]"),
    (("data=xor", "samples=300"), "samples must be a mapping, got 300"),
    (("data=xor", "+signal=noise"), "complexity has no parameter signal"),
    (("data=xor", "csg.neighbours=5"), "csg has no parameter neighbours"),
    (("data=xor", "thresholds.max_samples=5"), "max_samples is set at run time"),
    (("data=xor", "embedding=autoencoder"), "the embedding autoencoder is for image data; xor is table data"),
    (("data=documentation",), "the embedding raw is for image and table data; documentation is text data")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="complexity", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)
