"""Baselines against naive second versions; none of them sees the row that it forecasts."""

import numpy as np
import pytest

from convscope import family
from convscope.forecasting import autoregression, holt_winters, persistence, seasonal_naive
from convscope.models import day_attention

PER_DAY = 24
TRAIN, TEST = np.arange(1, 480), np.arange(500, 560)


def traffic(n: int = 600) -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(n)
    return 10 + 3 * np.sin(2 * np.pi * t / PER_DAY) + np.cumsum(rng.normal(0, 0.1, n)) + rng.normal(0, 0.3, n)


def bound(name: str, **settings):
    one = family.bind("forecasting", {"name": name, **settings})
    return lambda values, horizon=1: one.call(values=values, train=TRAIN, test=TEST, horizon=horizon, per_day=PER_DAY)


ALL = [bound("persistence"), bound("seasonal_naive"), bound("seasonal_naive", season="week"),
       bound("autoregression", lags=5), bound("autoregression", lags=5, day=True, week=True),
       bound("autoregression", lags=5, ridge=0.1), bound("holt_winters", days=5)]


@pytest.mark.parametrize("forecast", ALL)
def test_no_forecast_sees_its_own_row_or_a_later_one(forecast) -> None:
    values = traffic()
    before = forecast(values)
    for k in (0, 30, 59):
        changed = values.copy()
        changed[TEST[k]:] += 5
        np.testing.assert_allclose(forecast(changed)[:k + 1], before[:k + 1], rtol=1e-9)
    changed = values.copy()
    changed[:TEST[0]] += 5
    assert np.abs(forecast(changed) - before).max() > 0.1


@pytest.mark.parametrize("forecast", ALL[:-1])
def test_farther_ahead_less_is_seen(forecast) -> None:
    values = traffic()
    before = forecast(values, horizon=4)
    changed = values.copy()
    changed[TEST[10] - 3:] += 5  # the last three rows before the eleventh
    np.testing.assert_allclose(forecast(changed, horizon=4)[:11], before[:11], rtol=1e-9)


def test_persistence_and_season() -> None:
    values = traffic()
    assert persistence.forecast(values, TRAIN, TEST, horizon=3).tolist() == [values[t - 3] for t in TEST]
    day = seasonal_naive.forecast(values, TRAIN, TEST, horizon=1, per_day=PER_DAY)
    assert day.tolist() == [values[t - PER_DAY] for t in TEST]
    week = seasonal_naive.forecast(values, TRAIN, TEST, horizon=1, per_day=PER_DAY, season="week")
    assert week.tolist() == [values[t - 7 * PER_DAY] for t in TEST]


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_autoregression_is_scikit_learns_on_the_same_lags(ridge) -> None:
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    values, lags = traffic(), [*range(1, 7), *range(21, 28), *range(165, 172)]
    rows = [t for t in TRAIN if t >= max(lags)]
    x, new = (np.array([[values[t - lag] for lag in lags] for t in which]) for which in (rows, TEST))
    scaler = StandardScaler().fit(x)
    model = Ridge(alpha=ridge * len(rows)) if ridge else LinearRegression()
    expected = model.fit(scaler.transform(x), values[rows]).predict(scaler.transform(new))
    found = autoregression.forecast(values, TRAIN, TEST, horizon=1, per_day=PER_DAY, lags=6, day=True, week=True,
                                    ridge=ridge)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_autoregression_finds_the_process() -> None:
    rng, values = np.random.default_rng(1), np.zeros(600)
    for t in range(2, 600):
        values[t] = 2 + 0.5 * values[t - 1] - 0.3 * values[t - 2] + rng.normal(0, 1e-6)
    found = autoregression.forecast(values, TRAIN, TEST, horizon=1, per_day=PER_DAY, lags=2)
    np.testing.assert_allclose(found, values[TEST], atol=1e-5)


def test_holt_winters_by_its_recursion() -> None:
    """One step ahead by the textbook's recursion, with the constants that statsmodels fits."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    values, days = traffic(), 6
    start = 480 - days * PER_DAY
    fitted = ExponentialSmoothing(values[start:480], trend="add", seasonal="add", seasonal_periods=PER_DAY,
                                  initialization_method="heuristic").fit().params
    a, b, g = (fitted[f"smoothing_{name}"] for name in ("level", "trend", "seasonal"))
    level, trend, season = fitted["initial_level"], fitted["initial_trend"], list(fitted["initial_seasons"])
    expected = {}
    for t in range(start, 560):
        s = season[(t - start) % PER_DAY]
        expected[t] = level + trend + s
        new = a * (values[t] - s) + (1 - a) * (level + trend)
        season[(t - start) % PER_DAY] = g * (values[t] - level - trend) + (1 - g) * s
        trend, level = b * (new - level) + (1 - b) * trend, new
    found = holt_winters.forecast(values, TRAIN, TEST, horizon=1, per_day=PER_DAY, days=days)
    np.testing.assert_allclose(found, [expected[t] for t in TEST], rtol=1e-6)


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda: holt_winters.forecast(traffic(), TRAIN, TEST, horizon=2, per_day=24), "one row ahead, got a horizon of 2"),
    (lambda: holt_winters.forecast(traffic(), TRAIN[:40], TEST, horizon=1, per_day=24), "48 rows to fit .* got 40"),
    (lambda: holt_winters.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=24, days=1), "48 rows .* days=1;"),
    (lambda: holt_winters.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=2, days=4), "needs 12 rows .* days=4;"),
    (lambda: holt_winters.forecast(traffic(), TRAIN[:9], TEST, horizon=1, per_day=3), "needs 12 rows .* got 9 "),
    (lambda: holt_winters.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=1), "two a day at least, got 1 a day"),
    (lambda: holt_winters.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=None), "got other steps; resample"),
    (lambda: holt_winters.forecast(traffic(), TRAIN, TRAIN, horizon=1, per_day=24), "row 1 lies before the rows"),
    (lambda: seasonal_naive.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=None), "do not divide a day"),
    (lambda: autoregression.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=None, week=True), "not divide a day"),
    (lambda: day_attention.needs(horizon=1, per_day=None), "steps that do not divide a day; take another model"),
    (lambda: persistence.forecast(traffic(), TRAIN, TRAIN, horizon=3), "row 1 has no value 3 rows before it"),
    (lambda: seasonal_naive.forecast(traffic(), TRAIN, TRAIN, horizon=1, per_day=24), "row 1 has no value one day"),
    (lambda: seasonal_naive.forecast(traffic(), TRAIN, TEST, horizon=30, per_day=24), "fewer than the horizon of 30"),
    (lambda: autoregression.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=24, lags=490), "take fewer lags"),
    (lambda: autoregression.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=2, day=True), "step well below a day"),
])
def test_one_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6 + 0.1])  # the mean of many 0.1 is not 0.1
@pytest.mark.parametrize("settings", [{"lags": 20}, {"lags": 3, "ridge": 0.1}, {"lags": 3, "day": True, "week": True}])
def test_a_start_without_variation_is_forecast_as_it_is(level: float, settings: dict) -> None:
    """A meter that is not yet connected: nothing to learn but its level, whatever comes later."""
    values = traffic()
    values[:480] = level
    found = autoregression.forecast(values, TRAIN, TEST, horizon=1, per_day=PER_DAY, **settings)
    np.testing.assert_allclose(found, level, rtol=1e-9, atol=1e-12)


def test_a_lag_without_variation_has_no_weight() -> None:
    """Of rows 200 to 299, those 150 rows before are all 0.1 where the first 150 are: the others decide alone."""
    values = traffic()
    values[:150] = 0.1
    train, test = np.arange(200, 300), np.arange(450, 460)
    with np.errstate(all="raise"):
        found = autoregression.forecast(values, train, test, horizon=150, per_day=PER_DAY, lags=1)
    np.testing.assert_allclose(found, values[train].mean(), rtol=1e-12)


@pytest.mark.parametrize("forecast", ALL)
def test_a_constant_start_gives_finite_forecasts(forecast) -> None:
    values = traffic()
    values[:480] = 0.1
    assert np.isfinite(forecast(values)).all()


def test_holt_winters_takes_the_rows_that_it_says() -> None:
    for per_day, days in ((2, 6), (3, 4), (4, 4), (5, 3), (8, 3), (9, 2), (10, 2), (24, 2)):
        assert np.isfinite(holt_winters.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=per_day, days=days)).all()
