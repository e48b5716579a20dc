"""The study blindspots: its rows, recomputed from what is stored beside them, and what names a run."""

import copy

import numpy as np
import pandas as pd
import pytest

from convscope import sweep
from convscope.family import ConfigError
from convscope.runs import Run, Store
from convscope.studies import blindspots
from convscope.training.recipe import load_data, read_recipe

METRICS = ["accuracy", "clean_accuracy", "reliance", "wrong_signal_accuracy", "blind_level"]
TREE = ("model=decision_tree", "signal=one_pixel")
NET = ("model=resnet8", "signal=noise", "signal.amplitude=0.1")
NETS_FIT, SHALLOW_FIT = "lr=0.4 schedule=cosine", "lr=0.01 optimizer=adam schedule=cosine weight_decay=0.0"


@pytest.fixture(scope="module")
def cell(compose, tmp_path_factory):
    """The done run of a cell, from a store that this file's tests share, and its config."""
    shared = tmp_path_factory.mktemp("store")

    def made(*overrides: str, runs=shared) -> tuple[Run, dict]:
        cfg = compose(*overrides, runs=runs)
        sweep.run_cell(cfg)
        run = sweep.check(cfg).run
        assert run.state() == "done", run.failure()
        return run, cfg

    return made


def values(run: Run) -> dict[str, float]:
    return {row.metric: row.value for row in run.rows()}


def dataset(cfg: dict):
    return load_data(read_recipe(cfg), cfg["env"])


@pytest.mark.parametrize(("overrides", "model", "axes"), [
    (TREE, "decision_tree", {"amplitude": 0.001, "n_train": 1200}),
    (NET, "resnet depth=8 width=0.5",
     {"amplitude": 0.1, "n_train": 1200, "iterations": 4, "normalise": True, "fit": NETS_FIT}),
    (("model=linear_softmax", "signal=paired_pixels", "baseline_fraction=0.25"), "linear_softmax",
     {"amplitude": 1.0, "decoy": True, "n_train": 300, "iterations": 4, "fit": SHALLOW_FIT}),
    ((*NET, "fit.n_train=200", "normalise=false", "seed=1"), "resnet depth=8 width=0.5",
     {"amplitude": 0.1, "n_train": 200, "iterations": 4, "normalise": False, "fit": NETS_FIT})])
def test_rows(cell, overrides, model, axes):
    run, cfg = cell(*overrides)
    rows = run.rows()
    assert [row.metric for row in rows] == METRICS
    for row in rows:
        assert dict(row.axes) == axes and (row.study, row.run_id, row.split) == ("blindspots", run.id, "test")
        assert (row.data, row.model, row.method) == ("digits copies=1", model, cfg["signal"]["name"])
        assert (row.condition, row.seed, row.unit, row.n) == ("none", cfg["seed"], "fraction", 597)
        assert 0 <= row.value <= 1


@pytest.mark.parametrize("overrides", [TREE, NET])
def test_rows_are_those_of_the_stored_predictions(cell, overrides):
    run, cfg = cell(*overrides)
    found, test = values(run), dataset(cfg).splits["test"]
    stored = pd.read_parquet(run.folder / "instances.parquet")
    assert list(stored["id"]) == list(test.ids) and list(stored["label"]) == test.y.tolist()
    assert not (stored["wrong_label"] == stored["label"]).to_numpy().any()
    assert set(stored["wrong_label"]) == set(range(10))
    assert found["accuracy"] == (stored["pred_encoded"] == stored["label"]).mean()
    assert found["clean_accuracy"] == (stored["pred_clean"] == stored["label"]).mean()
    assert found["reliance"] == (stored["pred_wrong_signal"] == stored["wrong_label"]).mean()
    assert found["wrong_signal_accuracy"] == (stored["pred_wrong_signal"] == stored["label"]).mean()
    assert found["blind_level"] == pytest.approx((1 - found["clean_accuracy"]) / 9)


def test_a_tree_reads_one_pixel_and_follows_it(cell):
    found = values(cell(*TREE)[0])
    assert found["accuracy"] == 1 and found["reliance"] == 1 and found["wrong_signal_accuracy"] == 0
    assert found["clean_accuracy"] < 0.3  # it looks nowhere else


def test_examples_hold_the_signal(cell):
    run, cfg = cell(*TREE)
    with np.load(run.folder / "examples.npz") as stored:
        carrier, encoded = stored["carrier"], stored["encoded"]
    assert carrier.shape == encoded.shape == (blindspots.EXAMPLES, 1, 16, 16) and carrier.dtype == np.float32
    test = dataset(cfg).splits["test"]
    places = [int(np.flatnonzero((test.x() == image).all(axis=(1, 2, 3)))[0]) for image in carrier]
    labels = test.y[places]
    assert len(set(labels)) == blindspots.EXAMPLES
    expected = carrier.copy()
    expected[:, 0, 8, 8] = np.float32(0.001) * labels  # what one_pixel writes
    assert encoded == pytest.approx(expected)


def test_blank_images_hold_nothing_but_the_signal(cell):
    run, _ = cell("model=gaussian_nb", "signal=one_pixel", "condition=blank")
    assert {(row.condition, row.axes["magnitude"]) for row in run.rows()} == {("blank", 1.0)}
    assert values(run)["accuracy"] == 1
    assert len(set(pd.read_parquet(run.folder / "instances.parquet")["pred_clean"])) == 1
    with np.load(run.folder / "examples.npz") as stored:
        assert not stored["carrier"].any() and np.count_nonzero(stored["encoded"]) == blindspots.EXAMPLES


def test_arrays_are_one_pair_per_signal(cell):
    runs = [cell(*TREE)[0], cell(*NET)[0], cell("model=gaussian_nb", "signal=clean")[0],
            cell("model=gaussian_nb", "signal=one_pixel", "seed=1")[0]]
    found = blindspots.arrays(runs)
    assert set(found) == {f"digits copies=1/{signal}/{part}" for signal in ("one_pixel 0.001", "noise 0.1")
                          for part in ("carrier", "encoded")}
    with np.load(runs[0].folder / "examples.npz") as stored:
        assert np.array_equal(found["digits copies=1/one_pixel 0.001/encoded"], stored["encoded"][:1])


@pytest.mark.parametrize("overrides", [("model=extra_trees", "signal=noise"), NET])
def test_the_same_command_gives_the_same_bits_in_another_store(cell, overrides, tmp_path):
    (one, _), (two, _) = cell(*overrides), cell(*overrides, runs=tmp_path)
    assert one.folder != two.folder and one.rows() == two.rows()
    assert (one.folder / "rows.csv").read_bytes() == (two.folder / "rows.csv").read_bytes()
    weights = [(run.root / "train").glob("*/weights.safetensors") for run in (one, two)]
    mine = {file.parent.name: file.read_bytes() for file in weights[0]}
    assert all(mine[file.parent.name] == file.read_bytes() for file in weights[1])


def test_other_seeds_give_other_numbers(cell):
    assert values(cell(*NET)[0]) != values(cell(*NET, "seed=1")[0])


def changed(cfg: dict, key: str, value) -> dict:
    """The config with one value changed, by a dotted key."""
    found = copy.deepcopy(cfg)
    at = found
    *parents, last = key.split(".")
    for parent in parents:
        at = at[parent]
    at[last] = value
    return found


CHANGES = {"seed": 1, "signal.amplitude": 0.2, "model.width": 1.0, "fit.lr": 0.3, "fit.iterations": 5, "fit.n_train": 9,
           "fit.precision": "bf16", "normalise": False, "data.copies": 2, "baseline_fit.lr": 0.3,
           "baseline_fraction": 0.5, "condition.name": "blank"}
OF_A_NETWORK = set(CHANGES) - {"baseline_fit.lr", "baseline_fraction"}
OF_A_SHALLOW_ONE = {"seed", "signal.amplitude", "baseline_fit.lr", "baseline_fraction", "data.copies",
                    "condition.name"}


@pytest.mark.parametrize(("model", "counts"), [
    ("resnet8", OF_A_NETWORK), ("shallow_max", OF_A_SHALLOW_ONE),
    ("decision_tree", OF_A_SHALLOW_ONE - {"baseline_fit.lr"})])
def test_a_run_is_named_by_what_can_change_its_numbers(compose, tmp_path, model, counts):
    cfg = compose(f"model={model}", "signal=noise", runs=tmp_path)
    own = sweep.check(cfg).run.id
    changes = {k: v for k, v in CHANGES.items() if k != "model.width" or model == "resnet8"}
    assert {k for k, v in changes.items() if sweep.check(changed(cfg, k, v)).run.id != own} == counts


def test_env_logger_and_written_out_defaults_do_not_name_a_run(compose, tmp_path):
    cfg = compose(*NET, runs=tmp_path)
    own = sweep.check(cfg).run.id
    same = {"env.device": "cuda", "env.threads": 7, "env.compile": True, "env.checkpoint_seconds": 0, "env.debug": True,
            "env.download": True, "env.runs": str(tmp_path / "other"), "fit.momentum": 0.9, "model.residual": True,
            "logger": {"name": "wandb", "project": "mine"}}
    assert [k for k, v in same.items() if sweep.check(changed(cfg, k, v)).run.id != own] == []


def test_a_trained_network_is_shared_and_its_curve_kept(cell, tmp_path):
    run, cfg = cell(*NET, runs=tmp_path)
    (training,) = Store(tmp_path).runs("train")
    before, marked, seen = run.rows(), (training.folder / "DONE").stat().st_mtime_ns, []
    assert list(blindspots.run(cfg, run, on_epoch=seen.append)) == before and seen == []  # nothing is trained
    run.remove()
    sweep.run_cell(cfg)
    assert run.state() == "done" and run.rows() == before
    assert [one.id for one in Store(tmp_path).runs("train")] == [training.id]
    assert (training.folder / "DONE").stat().st_mtime_ns == marked
    assert [epoch["step"] for epoch in blindspots.curve(cfg, run)] == [4]
    tree, its = cell(*TREE, runs=tmp_path)
    assert blindspots.curve(its, tree) == [] and len(list(Store(tmp_path).runs("train"))) == 1


def test_a_signal_for_other_data_is_refused(compose, tmp_path, monkeypatch):
    (tmp_path / "for_text.py").write_text("KINDS = ('text', 'signal')\n\n\ndef encode(x, y): return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = compose("model=gaussian_nb", "signal=clean", runs=tmp_path)
    own = changed(cfg, "signal.name", "lab.for_text")
    (tmp_path / "lab").mkdir()
    (tmp_path / "for_text.py").rename(tmp_path / "lab" / "for_text.py")
    with pytest.raises(ValueError, match="lab.for_text is for text and signal data; digits is image data"):
        sweep.check(own)
    with pytest.raises(ConfigError, match="no module of this name"):
        sweep.check(changed(cfg, "signal.name", "lab.absent"))


def test_titles_and_kinds(compose, tmp_path):
    cases = {
        TREE: ("one_pixel | decision_tree | seed 0", "classical"),
        (*NET, "normalise=false", "seed=3"):
            ("noise amplitude=0.1 | resnet depth=8 width=0.5 (raw pixels) | seed 3", "convnet"),
        ("model=shallow_max", "signal=clean", "condition=blank"):
            ("clean on blank images | shallow_max | seed 0", "shallow")}
    for overrides, expected in cases.items():
        cfg = compose(*overrides, runs=tmp_path)
        assert (blindspots.title(cfg), blindspots.kind(cfg)) == expected
