"""Forecasts of a config: checked before anything runs, which rows they are of, and what names their runs."""

import numpy as np
import pytest

from convscope.family import ConfigError
from convscope.training.forecast import read_forecast


@pytest.fixture
def cfg(compose, tmp_path):
    return lambda *overrides, **more: {**compose("data.days=12", *overrides, preset="traffic", runs=tmp_path), **more}


def test_a_network_is_trained_by_its_own_fit_and_a_baseline_by_none(cfg):
    network = read_forecast(cfg("model=traffic_cnn", seed=3))
    assert network.fit and network.fit.name == "fit" and network.kind == "convnet"
    assert network.title == "generated_traffic days=12 | traffic_cnn | seed 3"
    attention = read_forecast(cfg("model=day_attention"))
    assert attention.fit and attention.fit.arguments["optimizer"] == "adamw"
    assert attention.fit.arguments["validation"] == 0
    baseline = read_forecast(cfg("model=ar50", fit={"name": "of no interest"}))
    assert baseline.fit is None and baseline.kind == "baseline" and baseline.seeded
    assert baseline.title == "generated_traffic days=12 | autoregression | seed 0"  # the seed draws the series
    with pytest.raises(AssertionError, match="no network"):
        baseline.task(baseline.load(cfg()["env"]))


def test_the_presets_fit_is_what_it_was_as_regress(cfg):
    fit = read_forecast({**cfg("model=traffic_cnn"), "fit": {**cfg()["fit"], "iterations": 40000}}).fit
    assert fit is not None
    expected = {"iterations": 40000, "batch_size": 64, "optimizer": "adam", "lr": 1e-3, "momentum": 0.9, "warmup": 0,
                "weight_decay": 0.0, "schedule": "constant", "decay": 1e-3, "validation": 2000, "patience": 30}
    assert {key: fit.arguments[key] for key in expected} == expected


def test_its_run_is_named_by_what_decides_the_forecast(cfg):
    recipe, baseline = read_forecast(cfg("model=traffic_cnn")), read_forecast(cfg("model=ar50"))
    series = recipe.load(cfg()["env"])
    assert set(recipe.identity(series)) == {"data", "model", "fit", "seed", "window", "horizon"}
    assert set(baseline.identity(series)) == {"data", "model", "window", "horizon"}
    task = recipe.task(series, stop=600)
    assert {**recipe.identity(series), "stop": 600} == task.identity() and recipe.task(series).stop == series.train_end


def test_rows_of_test_and_training(cfg):
    recipe = read_forecast(cfg("model=traffic_cnn", horizon=3))
    series = recipe.load(cfg()["env"])
    assert np.array_equal(recipe.test_rows(series), np.arange(series.train_end + 52, series.test_end))
    task = recipe.task(series)
    x, y = task.samples()
    assert x.shape == (series.train_end - 52, 2, 50) and y.shape == x.shape[:1] and task.rows[0] == 52
    assert x[0, 0].numpy() == pytest.approx((series.values[:50] - task.mean) / task.std, rel=1e-5)
    with pytest.raises(ValueError, match="needs 52 rows before the first that it forecasts, the series has 52"):
        recipe.task(series, stop=52).build()


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("model=decision_tree",), "the model decision_tree is for"),
    (("data=digits",), "digits is image data; a forecast needs a series"),
    (("window=3",), "window must be a whole number, at least 4, got 3"), (("horizon=0",), "horizon must be"),
    (("model=traffic_cnn", "fit.warmup=9", "fit.iterations=9"), "warmup must be at least 0 and below iterations (9)"),
    (("model=traffic_cnn", "fit.holdout=0.1"), "take validation, the number of last windows"),
    (("model=traffic_cnn", "fit.n_train=10"), "take validation"),
    (("model=traffic_cnn", "fit.patience=0"), "patience must be a whole number, at least 1 or null, got 0"),
    (("model=day_attention", "fits.day_attention.heads=2"), "fit has no parameter heads")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        read_forecast(compose(*overrides, preset="traffic", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)
