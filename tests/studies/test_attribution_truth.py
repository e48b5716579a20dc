"""The study attribution_truth: the evidence is where the signal is, and its report ranks by what was measured."""

import numpy as np
import pytest

from convscope import sweep
from convscope.family import ConfigError, names
from convscope.reporting.tables import markdown
from convscope.runs import Run
from convscope.studies.study import study

STUDY = study("attribution_truth")
LINEAR = ("model=linear_softmax", "baseline_fit.iterations=400", "images=20", "~methods.guided_backprop",
          "~methods.guided_grad_cam", "~methods.deconvnet", "~methods.grad_cam")


@pytest.fixture(scope="module")
def cell(compose, tmp_path_factory):
    shared = tmp_path_factory.mktemp("store")

    def made(*overrides: str) -> tuple[Run, dict]:
        removed = [one.removeprefix("~methods.") for one in overrides if one.startswith("~")]
        cfg = compose(*(one for one in overrides if not one.startswith("~")), preset="attribution_truth", runs=shared)
        cfg["methods"] = {name: given for name, given in cfg["methods"].items() if name not in removed}
        sweep.run_cell(cfg)
        run = sweep.check(cfg).run
        assert run.state() == "done", run.failure()
        return run, cfg

    return made


def values(run: Run, metric: str) -> dict[str, float]:
    return {row.method: row.value for row in run.rows() if row.metric == metric}


def test_a_linear_model_that_reads_four_pixels(cell):
    """Its gradient is its weights, the largest of which are those of the pixels: nothing else says anything."""
    run, _ = cell(*LINEAR, "signal=pattern_pixels")
    found = values(run, "rank_accuracy")
    assert values(run, "explained")["none"] > 0.5 and values(run, "evidence")["none"] == pytest.approx(4 / 256)
    assert found["gradient"] == found["smoothgrad"] > 0.9 and found["chance"] < 0.2
    assert values(run, "pointing_game")["gradient"] == 1
    assert 4 / 256 < values(run, "mass_accuracy")["gradient"] < 1
    assert values(run, "deletion")["gradient"] < values(run, "deletion")["chance"]
    assert values(run, "insertion")["gradient"] > values(run, "insertion")["chance"]
    assert abs(values(run, "left_with_random_weights")["gradient"]) < 0.3
    assert not {"edges", "chance"} & set(values(run, "left_with_random_weights"))
    with np.load(run.folder / "arrays.npz") as saved:
        assert np.argwhere(saved["mask"]).tolist() == [[0, 0], [0, 15], [15, 0], [15, 15]]
        for metric in ("deletion", "insertion"):
            for method, area in values(run, metric).items():
                assert saved[f"{metric}/{method}"].shape == (33,)
                assert np.trapezoid(saved[f"{metric}/{method}"]) / 32 == pytest.approx(area, rel=1e-5)
        assert saved["image"].shape == (1, 16, 16) and saved["mask"].flat[saved["heat/gradient"].argmax()]


def test_a_network_that_does_not_read_the_signal_is_told_of_and_not_judged(cell):
    run, _ = cell("signal=one_pixel", "signal.amplitude=0.001", "images=3")
    assert {row.metric for row in run.rows()} == {"accuracy", "reliance", "explained"}
    assert values(run, "explained")["none"] < 0.5 and not (run.folder / "arrays.npz").exists()
    assert [table.name for table in STUDY.tables(run.rows())] == ["networks"], "there is nothing to rank"
    assert STUDY.figures(run.rows(), STUDY.arrays([run])) == {}


def test_a_signal_everywhere_is_no_evidence_anywhere(compose, tmp_path):
    cfg = compose(
        "signal=mean", "model=linear_softmax", preset="attribution_truth", runs=tmp_path)
    sweep.run_cell(cfg)
    assert "lies on 100% of the pixels, nowhere in particular" in sweep.check(cfg).run.failure()


def test_report(cell):
    runs = [cell(*LINEAR, "signal=pattern_pixels", f"seed={seed}")[0] for seed in (0, 1)]
    rows = [row for run in runs for row in run.rows()]
    ranking, by_signal, by_model, networks = STUDY.tables(rows)
    assert ranking.name == "ranking" and list(ranking.values.index)[-2:] in (["edges", "chance"], ["chance", "edges"])
    means = ranking.values["rank accuracy"].tolist()[:-2]
    assert means == sorted(means, reverse=True) and "over 2 networks" in markdown(ranking)
    one = [values(run, "mass_accuracy")["gradient"] for run in runs]
    assert ranking.values.loc["gradient", "mass accuracy"] == pytest.approx(np.mean(one))
    assert list(by_signal.values) == ["pattern_pixels amplitude=1"] and list(by_model.values) == ["linear_softmax"]
    assert networks.values.loc["linear_softmax, pattern_pixels amplitude=1", "accuracy"] > 0.5
    arrays = STUDY.arrays(runs)
    drawn = STUDY.figures(rows, arrays)
    assert set(drawn) == {"by_signal", "curves", "examples_linear_softmax"}
    order = list(ranking.values.index)
    assert [text.get_text() for text in drawn["curves"].legends[0].get_texts()] == [m.replace("_", " ") for m in order]
    for axes, metric in zip(drawn["curves"].axes, ("deletion", "insertion"), strict=True):
        areas = [np.trapezoid(np.asarray(line.get_ydata())) / 32 for line in axes.get_lines()]
        assert areas == pytest.approx(ranking.values.loc[order, metric].tolist(), rel=1e-5)
    del arrays[f"curves/{runs[0].id}"]  # as a run from before curves were kept
    assert set(STUDY.figures(rows, arrays)) == {"by_signal", "examples_linear_softmax"}
    blind, _ = cell("signal=one_pixel", "signal.amplitude=0.001", "images=3")
    told = markdown(STUDY.tables([*rows, *blind.rows()])[0])
    assert "over 2 networks" in told and "1 more do not read by their signal and are not judged" in told
    assert STUDY.pages(rows, {}) == {} and STUDY.ledger({"attribution_truth": rows}) == []


def test_every_attribution_of_images_is_in_the_preset(compose, tmp_path):
    cfg = compose(preset="attribution_truth", runs=tmp_path)
    assert set(cfg["methods"]) == set(names("attribution")) - {"character_gradient"}


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("model=decision_tree",), "attribution_truth looks into networks, decision_tree is none"),
    (("images=0",), "images must be a whole number, at least 1 and at most 10000, got 0"),
    (("methods.grad_cham={}",), "no grad_cham in attribution"),
    (("methods.occlusion.window=0",), "occlusion: window must be a whole number, at least 1, got 0"),
    (("methods=null",), "methods must be a mapping of names of attribution to their settings, got None")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="attribution_truth", runs=tmp_path))
    assert sentence in str(error.value)
