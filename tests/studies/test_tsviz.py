"""The study tsviz: its rows against the features themselves, on forecasters, classifiers, texts and given weights."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from convscope import sweep
from convscope.family import ConfigError
from convscope.features import influence, pruning
from convscope.models import traffic_cnn
from convscope.rng import seeded
from convscope.runs import Run
from convscope.studies.study import study
from convscope.studies.tsviz.method import Analysis
from convscope.training.forecast import Forecast, ForecastRecipe

PRESET = "tsviz"
STUDY = study(PRESET)

SERIES = ("data.days=12", "fit.iterations=40", "fit.validation=100", "inputs=10", "finetune=5")
FIGURES = {"level1_overview", "level2_most_important", "level2_least_important", "percentile", "level3_grid",
           "level4_clusters", "time_profiles", "input_saliency", "highlight", "made_windows",
           "pruning_untuned", "pruning_tuned"}


def network(run: Run, cfg: dict) -> tuple[nn.Module, torch.Tensor, Forecast]:
    """The forecaster that a cell looked into, and its test windows."""
    cell = sweep.check(cfg)
    recipe: ForecastRecipe = cell.subject
    task = recipe.task(cell.dataset)
    return cell.network(), task.inputs(recipe.test_rows(cell.dataset)), task


def test_every_analysis_of_a_forecaster_leaves_its_numbers(cell):
    run, cfg = cell(*SERIES)
    rows = run.rows()
    assert {row.method for row in rows} == {"none", *get_args(Analysis)}
    assert all(0 <= row.value <= 1 for row in rows if row.unit == "fraction" and row.metric != "inverse_missed")
    model, x, _ = network(run, cfg)
    found = influence.filter_influence(model, x[:10])
    told = {(row.metric, row.axes["layer"], row.axes.get("filter")): row.value for row in rows
            if row.method == "importance"}
    for name, layer in found.items():
        assert told["useless", name, None] == pytest.approx(float((layer.raw == 0).float().mean()))
        assert told["influence", name, 3] == pytest.approx(float(layer.raw[:, 3].mean()))
    assert told["filters", "conv1", None] == 64


def test_observation_3_is_the_share_of_the_first_channel(cell):
    run, cfg = cell(*SERIES)
    model, x, task = network(run, cfg)
    gradient = influence.input_saliency(model, x[:10]).sum(dim=2).double()
    spread = task.inputs(np.arange(task.needs, task.stop)).double().transpose(0, 1).flatten(1).std(dim=1)
    for by, weight in (("raw", torch.ones(2, dtype=torch.float64)), ("times spread", spread)):
        expected = (gradient[:, 0] * weight[0] / (gradient * weight).sum(dim=1)).mean()
        (value,) = [row.value for row in run.rows() if row.metric == "on_signal" and row.axes == {
            "of": "output", "by": by}]
        assert value == pytest.approx(float(expected), abs=1e-5)


def test_pruned_networks_are_judged_on_the_test_rows(cell):
    run, cfg = cell(*SERIES)
    model, x, task = network(run, cfg)
    actual = task.series.values[-len(x):]
    rows = np.linspace(task.needs, task.stop - 1, 10).round().astype(int)
    found = influence.filter_influence(model, task.inputs(rows))
    small = pruning.remove(model, x[:1], {name: pruning.least_important(layer.raw.mean(dim=0), 0.5)
                                          for name, layer in found.items()})
    with torch.no_grad():
        forecast = small(x)[:, 0].double().numpy() * task.std + task.mean
    told = {row.metric: row.value for row in run.rows() if row.method == "removal" and row.axes == {
        "way": "least influence", "share": 0.5, "tuned": 0}}
    assert told["parameters"] == sum(p.numel() for p in small.parameters()) == 2273
    assert told["rmse"] == pytest.approx(np.sqrt(np.mean((forecast - actual) ** 2)), rel=1e-5)


def test_report(cell):
    run, cfg = cell(*SERIES)
    rows, arrays = run.rows(), STUDY.arrays([run])
    tables = {table.name: table for table in STUDY.tables(rows)}
    assert set(tables) == {"observations", "layers", "saliency", "filters", "pruning", "adversarial"}
    assert len(tables["layers"].values) == 3 and len(tables["pruning"].values) == 9
    assert set(STUDY.figures(rows, arrays)) == FIGURES and not set(tables) & FIGURES
    assert STUDY.pages(rows, arrays) == {} and STUDY.ledger({"tsviz": rows}) == []
    checked = sweep.check(cfg)
    assert checked.curve()[-1]["step"] == 40 and checked.subject.kind == "convnet"
    assert checked.title == "generated_traffic days=12 | traffic_cnn | seed 0"


def test_the_same_cell_gives_the_same_numbers(cell, compose, tmp_path):
    given = (*SERIES, "analyses=[redundancy,example,removal]")
    first, cfg = cell(*given)
    cfg["env"] |= {"runs": str(tmp_path)}
    sweep.run_cell(cfg)
    again = sweep.check(cfg).run
    assert again.id == first.id and [row.value for row in again.rows()] == [row.value for row in first.rows()]


def test_someone_elses_network(cell, tmp_path):
    """Keras's layout, time first: kernels [3, C, F], the dense one [T * F, 1]."""
    with seeded(1, "init"):
        model = traffic_cnn.build()
    arrays = [(w.detach().numpy().T if w.ndim > 1 else w.detach().numpy()) for w in model.parameters()]
    np.savez(tmp_path / "w.npz", *arrays)
    run, cfg = cell(*SERIES, "analyses=[importance]", f"weights={tmp_path / 'w.npz'}")
    checked = sweep.check(cfg)
    series, rows = checked.dataset, checked.subject.test_rows(checked.dataset)
    expected = np.sqrt(np.mean((checked.subject.task(series).forecast(model, rows) - series.values[rows]) ** 2))
    assert next(row.value for row in run.rows() if row.metric == "rmse") == pytest.approx(expected, rel=1e-6)
    assert checked.curve() == [] and "given weights" in checked.title


def test_a_classifier_of_windows(cell):
    run, _ = cell("data.n=60", "inputs=10", "finetune=2", preset="tsviz_anomalies")
    rows = run.rows()
    assert {row.axes["layer"] for row in rows if row.metric == "filters"} == {"conv1", "conv2", "conv3"}
    assert {row.metric for row in rows if row.method == "none"} == {"accuracy"}
    tables = {table.name for table in STUDY.tables(rows)}
    assert tables == {"observations", "layers", "filters", "pruning"}  # one channel, and no forecast to attack
    assert set(STUDY.figures(rows, STUDY.arrays([run]))) == FIGURES - {"made_windows"}


def test_the_text_network(cell):
    run, _ = cell("model.features=6", "model.units=8", "inputs=10", "shares=[0.5]",
                  preset="tsviz_text")
    rows = run.rows()
    assert {row.axes["layer"] for row in rows if row.metric == "filters"} == {f"conv{k}" for k in range(1, 7)}
    small = {row.axes["way"]: row.value for row in rows if row.metric == "parameters"}
    assert small["at random"] == small["least influence"] < small["nothing"]
    assert {"level1_overview", "level4_clusters"} <= set(STUDY.figures(rows, STUDY.arrays([run])))


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("percentile=101",), "percentile must be a number between 0 and 100, got 101"),
    (("shares=[1]",), "shares must be a list of numbers, at least 0 and below 1, got [1]"),
    (("weights=nothing.npz",), "expected an npz file of Keras's model.get_weights(), found none at nothing.npz"),
    (("weights=w.npz", "model=day_attention"), "day_attention has none"), (("model=ar50",), "autoregression is none"),
    (("clusters=ward",), "clusters must be one of kmeans, silhouette, dtw, got 'ward'"),
    (("analyses=[influence]",), "analyses must be a list of some of importance"),
    (("inputs=3",), "inputs must be a whole number, at least 10"), (("window=2",), "at least 4, got 2")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="tsviz", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_images_are_for_another_study(compose, tmp_path):
    with pytest.raises(ConfigError, match="digits is image data; for images take under_the_hood"):
        sweep.check(compose("data=digits", "model=resnet8", preset="tsviz_anomalies", runs=tmp_path))


def test_an_example_that_there_is_not(compose, tmp_path):
    cfg = compose(*SERIES, "analyses=[example]", "example=999", preset="tsviz", runs=tmp_path)
    with pytest.raises(ConfigError, match=r"example must be one of the 142 test inputs, 0\.\.141, got 999"):
        sweep.check(cfg)  # before anything is trained
