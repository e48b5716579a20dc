"""Holt and Winters's exponential smoothing with an additive trend and day, by statsmodels."""

import warnings

import numpy as np

from convscope.family import Count

VERSION = 1


def forecast(values: np.ndarray, train: np.ndarray, test: np.ndarray, *, horizon: int, per_day: int,
             days: Count = 14) -> np.ndarray:
    """[len(test)]: one step ahead; smoothing constants are fitted to the last `days` days of `train`, then kept.

    Level, trend and day go on being updated by every value that lies before the row to forecast. Raises ValueError for
    another horizon than 1, or fewer than two days of training rows.
    """
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    if horizon != 1:
        raise ValueError(f"holt_winters forecasts one row ahead, got a horizon of {horizon}; leave it out")
    if per_day < 2 or len(train) < 2 * per_day:
        raise ValueError(f"holt_winters needs two days of training rows, of two rows at least, got {len(train)} rows "
                         f"and {per_day} a day")
    start = max(int(train.max()) + 1 - days * per_day, int(train.min()))
    kept, stop = slice(start, int(train.max()) + 1), int(test.max()) + 1
    form = {"trend": "add", "seasonal": "add", "seasonal_periods": per_day}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimiser's own remarks: the fit is judged by its forecasts
        fitted = ExponentialSmoothing(values[kept], initialization_method="heuristic", **form).fit().params
        known = ExponentialSmoothing(values[start:stop], initialization_method="known",
                                     initial_level=fitted["initial_level"], initial_trend=fitted["initial_trend"],
                                     initial_seasonal=fitted["initial_seasons"], **form)
        smooth = known.fit(smoothing_level=fitted["smoothing_level"], smoothing_trend=fitted["smoothing_trend"],
                           smoothing_seasonal=fitted["smoothing_seasonal"], optimized=False)
    return np.asarray(smooth.fittedvalues)[test - start]
