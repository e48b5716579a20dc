"""The study blindspots: its rows, recomputed from what is stored beside them, and what names a run."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from convscope import sweep
from convscope.family import ConfigError
from convscope.runs import Run, Store
from convscope.studies.blindspots import method
from convscope.studies.study import kept, study
from convscope.training.recipe import load_data, read_recipe

STUDY = study("blindspots")
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
    stored = kept(run)
    carrier, encoded = stored["carrier"], stored["encoded"]
    assert carrier.shape == encoded.shape == (method.EXAMPLES, 1, 16, 16) and carrier.dtype == np.float32
    test = dataset(cfg).splits["test"]
    places = [int(np.flatnonzero((test.x() == image).all(axis=(1, 2, 3)))[0]) for image in carrier]
    labels = test.y[places]
    assert len(set(labels)) == method.EXAMPLES
    expected = carrier.copy()
    expected[:, 0, 8, 8] = np.float32(0.001) * labels  # what one_pixel writes
    assert encoded == pytest.approx(expected)


def test_blank_images_hold_nothing_but_the_signal(cell):
    run, _ = cell("model=gaussian_nb", "signal=one_pixel", "condition=blank")
    assert {(row.condition, row.axes["magnitude"]) for row in run.rows()} == {("blank", 1.0)}
    assert values(run)["accuracy"] == 1
    assert len(set(pd.read_parquet(run.folder / "instances.parquet")["pred_clean"])) == 1
    stored = kept(run)
    assert not stored["carrier"].any() and np.count_nonzero(stored["encoded"]) == method.EXAMPLES


def test_arrays_are_one_pair_per_signal(cell):
    runs = [cell(*TREE)[0], cell(*NET)[0], cell("model=gaussian_nb", "signal=clean")[0],
            cell("model=gaussian_nb", "signal=one_pixel", "seed=1")[0]]
    found = STUDY.arrays(runs)
    assert set(found) == {f"digits copies=1/{signal}/{part}" for signal in ("one_pixel 0.001", "noise 0.1")
                          for part in ("carrier", "encoded")}
    stored = kept(runs[0])
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


CHANGES = {"seed": 1, "signal.amplitude": 0.2, "model.width": 1.0, "fit.lr": 0.3, "fit.iterations": 5,
           "fit.n_train": 90, "fit.precision": "bf16", "normalise": False, "data.copies": 2, "baseline_fit.lr": 0.3,
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
    watched = replace(sweep.check(cfg), on_epoch=seen.append)
    assert list(watched.work()) == before and seen == []  # nothing is trained
    run.remove()
    sweep.run_cell(cfg)
    assert run.state() == "done" and run.rows() == before
    assert [one.id for one in Store(tmp_path).runs("train")] == [training.id]
    assert (training.folder / "DONE").stat().st_mtime_ns == marked
    assert [epoch["step"] for epoch in sweep.check(cfg).curve()] == [4]
    _, its = cell(*TREE, runs=tmp_path)
    assert sweep.check(its).curve() == [] and len(list(Store(tmp_path).runs("train"))) == 1


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
        checked = sweep.check(cfg)
        assert (checked.title, checked.subject.kind) == (f"digits copies=1 | {expected[0]}", expected[1])


# Texts take the same path: three classes, told apart by a word.
WORDS = ("apple", "bread", "cheese")
TEXT = {"model": "char_cnn_tiny", "model.features": "6", "model.units": "8"}
LOOKED = {"label", *(f"{part}_{name}" for part in ("carrier", "encoded") for name in ("heat", "pred", "prob", "text"))}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """The folder of a small set in Zhang et al.'s csv."""
    folder, rng = tmp_path_factory.mktemp("reviews"), np.random.default_rng(0)
    for name, count in (("train", 40), ("test", 10)):
        lines = [f'"{k + 1}","I like {WORDS[k]} {" ".join(rng.choice(list("abcdefgh"), 60))}"'
                 for k in range(3) for _ in range(count)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def text_config(compose, reviews):
    """The config of a cell on them."""
    def config(*overrides: str, runs) -> dict:
        given: dict[str, str] = {"data": "reviews", "data.path": str(reviews), "data.length": "130",
                                 **(dict(one.split("=", 1) for one in overrides))}
        if given.get("model", "char_cnn_tiny") == "char_cnn_tiny":
            given = {**TEXT, **given}
        return compose(*(f"{k}={v}" for k, v in given.items()), preset="blindspots_text", runs=runs)

    return config


@pytest.fixture(scope="module")
def text_cell(text_config, tmp_path_factory):
    shared = tmp_path_factory.mktemp("text_store")

    def made(*overrides: str, runs=shared) -> tuple[Run, dict]:
        cfg = text_config(*overrides, runs=runs)
        sweep.run_cell(cfg)
        run = sweep.check(cfg).run
        assert run.state() == "done", run.failure()
        return run, cfg

    return made


def test_a_network_on_texts(text_cell):
    run, cfg = text_cell("signal=mnemonic")
    rows = run.rows()
    assert [row.metric for row in rows] == METRICS and {row.n for row in rows} == {30}
    assert {row.model for row in rows} == {"char_cnn features=6 units=8 dropout=0.1"}
    assert rows[0].data.startswith("reviews reviews")
    assert rows[0].axes["n_train"] == 120 and rows[0].axes["normalise"] is False
    stored = kept(run)
    assert set(stored) == {"carrier", "encoded", *LOOKED}
    written = stored["carrier"] != stored["encoded"]
    assert written[:, 0].all() and not written[:, 1:].any()
    assert [text[0] for text in stored["encoded_text"]] == ["abc"[int(k) - 1] for k in stored["label"]]
    assert stored["carrier_text"][0].rstrip().startswith("i like ") and stored["encoded_heat"].shape == (3, 130)
    assert stored["encoded_heat"].any() and set(stored["encoded_pred"]) <= {"1", "2", "3"}
    found, told = values(run), pd.read_parquet(run.folder / "instances.parquet")
    assert found["accuracy"] == (told["pred_encoded"] == told["label"]).mean()
    assert "raw pixels" not in sweep.check(cfg).title


def test_texts_of_restricted_data_lie_apart_and_others_are_no_figure(text_cell):
    nets = [text_cell("signal=mnemonic")[0], text_cell("signal=clean")[0]]
    tree = text_cell("model=decision_tree", "signal=mnemonic")[0]
    found = STUDY.arrays([*nets, tree])
    data, model = nets[0].rows()[0].data, nets[0].rows()[0].model
    assert set(found) == {f"restricted/characters/{data}/{model}/{signal}/{name}" for signal in ("mnemonic", "clean")
                          for name in LOOKED}
    assert STUDY.arrays([tree]) == {} and values(tree)["accuracy"] == 1


def test_a_partial_signal_has_its_ceiling(text_cell):
    run, cfg = text_cell("model=decision_tree", "signal=pattern_char", "signal.positions=[20,60]")
    ceiling = run.rows()[-1]
    assert (ceiling.metric, ceiling.split, ceiling.n, ceiling.unit) == ("signal_ceiling", "train", 120, "fraction")
    # By hand: label 0 keeps both characters, 1 has a space at the first place, 2 at the second.
    x, y = (getattr(dataset(cfg).splits["train"], name) for name in ("stored", "y"))
    spaces = np.array([[(x[y == k][:, place] == 0).mean() for place in (19, 59)] for k in range(3)])
    spaces[1, 0] = spaces[2, 1] = 1
    expected = sum(max(np.prod([s if o else 1 - s for o, s in zip(outcome, spaces[k], strict=True)]) for k in range(3))
                   for outcome in ((0, 0), (0, 1), (1, 0), (1, 1))) / 3
    assert ceiling.value == pytest.approx(expected)


@pytest.mark.parametrize("model", ["linear_softmax", "shallow_max", "tfidf", "bag_of_words", "lda"])
def test_every_kind_of_model_reads_texts(text_cell, model):
    assert [row.metric for row in text_cell(f"model={model}", "signal=length_control")[0].rows()] == METRICS


@pytest.mark.parametrize(("overrides", "message"), [
    (("signal=one_pixel",), "the signal one_pixel is for image data; reviews is text data"),
    (("model=resnet8",), "the model resnet is for image data; reviews is text data"),
    (("condition=blank",), "the condition blank is for image data; reviews is text data")])
def test_what_is_for_images_is_refused_on_texts(text_config, tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        sweep.check(text_config(*overrides, runs=tmp_path))


def test_what_is_for_texts_is_refused_on_images(compose, tmp_path):
    for overrides, message in ((("model=tfidf",), "the model tfidf is for text data; digits is image data"),
                               (("signal=length",), "the signal length is for text data; digits is image data")):
        with pytest.raises(ValueError, match=message):
            sweep.check(compose(*overrides, runs=tmp_path))


def test_an_alphabet_too_small_for_the_labels_is_said(text_config, tmp_path):
    cfg = text_config("model=decision_tree", "signal=mnemonic", "data.alphabet=' a'", runs=tmp_path)
    sweep.run_cell(cfg)
    assert "wrote the character index 3, the alphabet has 2 characters" in sweep.check(cfg).run.failure()
