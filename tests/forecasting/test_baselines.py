"""Baselines against naive second versions; none of them sees the row that it forecasts."""

import numpy as np
import pytest

from convscope import family
from convscope.forecasting import autoregression, holt_winters, persistence, seasonal_naive

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
    (lambda: holt_winters.forecast(traffic(), TRAIN[:40], TEST, horizon=1, per_day=24), "two days of training rows"),
    (lambda: seasonal_naive.forecast(traffic(), TRAIN, TRAIN, horizon=1, per_day=24), "row 1 has no value one day"),
    (lambda: seasonal_naive.forecast(traffic(), TRAIN, TEST, horizon=30, per_day=24), "fewer than the horizon of 30"),
    (lambda: autoregression.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=24, lags=490), "take fewer lags"),
    (lambda: autoregression.forecast(traffic(), TRAIN, TEST, horizon=1, per_day=2, day=True), "step well below a day"),
])
def test_one_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
