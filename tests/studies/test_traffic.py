"""The study traffic: its rows against forecasts made by hand, what it may look at, its tables, ledger and refusals."""

import numpy as np
import pytest

from convscope import sweep
from convscope.family import ConfigError
from convscope.forecasting import autoregression
from convscope.metrics.forecast import errors
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.study import study
from convscope.studies.traffic import method

FAST = ("data.days=12", "fit.iterations=20", "fit.validation=100", "fits.day_attention.iterations=3",
        "fits.day_attention.warmup=0", "fits.day_attention.batch_size=32")
PRESET = "traffic"
STUDY = study(PRESET)
GIVEN = FAST


def numbers(run: Run) -> dict[str, float]:
    return {row.metric: row.value for row in run.rows() if row.split == "test"}


def test_errors_are_those_of_the_rows_whose_window_lies_in_the_test(cell):
    run, cfg = cell("model=persistence")
    series = sweep.check(cfg).dataset
    rows = np.arange(series.train_end + 50, series.test_end)
    actual, scale = series.values[rows], series.values[:series.train_end].std()
    found = numbers(run)
    for metric, value in errors(series.values[rows - 1], actual, scale=float(scale)).items():
        assert found[metric] == value
    assert found["scaled_mse"] == pytest.approx((found["rmse"] / scale) ** 2)
    other = autoregression.forecast(series.values, np.arange(1, series.train_end), rows, horizon=1, per_day=96,
                                    day=True, week=True)
    assert found["rmse_gain"] == pytest.approx(found["rmse"] - errors(other, actual, scale=1.0)["rmse"])
    assert found["rmse_low"] < found["rmse"] < found["rmse_high"] and found["rmse_gain_low"] < found["rmse_gain_high"]
    assert {row.n for row in run.rows()} == {len(rows)} and "parameters" not in found


def test_the_reference_gains_nothing_on_itself(cell):
    found = numbers(cell("model=ar50_seasonal")[0])
    assert found["rmse_gain"] == found["rmse_gain_low"] == found["rmse_gain_high"] == 0


@pytest.mark.parametrize(("model", "parameters"), [("traffic_cnn", 8385), ("day_attention", 112)])
def test_networks_are_trained_once_and_give_the_same_again(cell, compose, tmp_path, model, parameters):
    run, cfg = cell(f"model={model}")
    assert numbers(run)["parameters"] == parameters
    trained = [one for one in (run.root / "train").iterdir() if (one / "weights.safetensors").is_file()]
    cell(f"model={model}", "reference.week=false")  # another cell of the same network
    assert trained == [one for one in (run.root / "train").iterdir() if (one / "weights.safetensors").is_file()]
    cfg["env"] |= {"runs": str(tmp_path)}
    sweep.run_cell(cfg)
    again = sweep.check(cfg).run
    assert again.id == run.id and [row.value for row in again.rows()] == [row.value for row in run.rows()]
    checked = sweep.check(cfg)
    assert checked.curve()[-1]["step"] >= 3 and checked.subject.kind == "convnet"


def test_a_design_is_chosen_without_the_test_rows(cell, monkeypatch):
    scored = []
    forecast = method._forecast
    monkeypatch.setattr(method, "_forecast", lambda cell, stop, rows: scored.append(
        (stop, int(rows.min()), int(rows.max()))) or forecast(cell, stop, rows))
    run, cfg = cell("model=persistence", "test=false", "origins=3", "seed=5")
    train_end = sweep.check(cfg).dataset.train_end
    share = train_end // 7
    assert scored == [(train_end - k * share, train_end - k * share, train_end - (k - 1) * share - 1)
                      for k in (3, 2, 1)]
    assert {row.split for row in run.rows()} == {"rolling"} and sweep.check(cfg).curve() == []
    assert not list(run.folder.glob("*.npz"))
    assert [table.name for table in STUDY.tables(run.rows())] == ["rolling_origin"]


def test_report(cell):
    runs = [cell(f"model={name}", "origins=1")[0] for name in ("persistence", "seasonal_naive", "holt_winters", "ar50")]
    runs += [cell("model=traffic_cnn", "origins=1", f"seed={seed}", "data.name=generated_traffic")[0] for seed in (0,)]
    rows = [row for run in runs for row in run.rows()]
    tables = {table.name: table for table in STUDY.tables(rows)}
    assert set(tables) == {"errors", "rolling_origin"}
    best = tables["errors"].values
    assert list(best["RMSE"]) == sorted(best["RMSE"]) and best.loc["traffic_cnn", "weights"] == 8385
    assert best.loc["persistence", "RMSE"] == numbers(runs[0])["rmse"]
    arrays = STUDY.arrays(runs)
    assert arrays["generated_traffic days=12/persistence"].shape == arrays["generated_traffic days=12/times"].shape
    assert set(STUDY.figures(rows, arrays)) == {"forecasts"} and STUDY.pages(rows, arrays) == {}


def test_ledger_stands_beside_the_authors_weights():
    assert {line.verdict for line in STUDY.ledger({})} == {"not run"}
    rows = [Row(study="traffic", run_id="0" * 12, data="internet_traffic", split="test", model="traffic_cnn",
                method="forecast", condition="none", axes={}, seed=seed, metric=metric, value=value, unit="", n=3950)
            for seed in (0, 1) for metric, value in (("rmse", 77.0), ("mae", 50.0))]
    lines = {line.cell: line for line in STUDY.ledger({"traffic_internet": rows, "traffic_paper": rows[:2]})}
    ours = lines["rmse, traffic_cnn"]
    assert ours.paper_value == 76.74 and ours.ours == 77 and ours.n == 2 and ours.verdict == "reached"
    assert lines["mae, traffic_cnn"].verdict == "below" and "traffic_internet" in ours.command
    assert lines["rmse, day_attention"].verdict == "not run" and len(lines) == 4


def test_a_seed_that_draws_the_series_is_the_seed_of_every_row(cell):
    """Two seeds are two series: their baselines are two measurements, not one twice."""
    runs = [cell("model=persistence", f"seed={seed}")[0] for seed in (0, 1)]
    assert [{row.seed for row in run.rows()} for run in runs] == [{0}, {1}] and runs[0].id != runs[1].id
    (table,) = STUDY.tables([row for run in runs for row in run.rows()])
    assert table.values.loc["persistence", "seeds"] == 2
    expected = np.mean([numbers(run)["rmse"] for run in runs])
    assert table.values.loc["persistence", "RMSE"] == pytest.approx(expected)


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("model=decision_tree",), "the model decision_tree is for"),
    (("data=digits",), "digits is image data; a forecast needs a series"),
    (("reference.lag=3",), "autoregression has no parameter lag"),
    (("test=false",), "set test=true or origins above 0, got test=false and origins=0"),
    (("origins=6",), "origins must be a whole number, at least 0 and at most 5, got 6"),
    (("window=3",), "window must be a whole number, at least 4, got 3"),
    (("window=900",), "are fewer than the window of 900"),
    (("horizon=0",), "horizon must be a whole number, at least 1"),
    (("data.days=5",), "at least 10 days")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="traffic", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_the_reference_is_no_network(compose, tmp_path):
    cfg = compose("model=persistence", preset="traffic", runs=tmp_path) | {"reference": {"name": "traffic_cnn"}}
    with pytest.raises(ConfigError, match="no traffic_cnn in forecasting; there are autoregression, holt_winters"):
        sweep.check(cfg)


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("model=day_attention", "horizon=2"), "day_attention forecasts one row ahead"),
    (("model=traffic_cnn", "fit.validation=5000"), "validation=5000 leaves none of the"),
    (("model=persistence", "reference.lags=900"), "the reference, autoregression lags=900 day=true week=true, cannot")])
def test_a_cell_that_cannot_be_run_says_why(compose, tmp_path, overrides, sentence):
    cfg = compose(*FAST, *overrides, preset="traffic", runs=tmp_path)
    sweep.run_cell(cfg)
    run = sweep.check(cfg).run
    assert run.state() == "failed" and sentence in run.failure()
