"""Holt and Winters's exponential smoothing with an additive trend and day, by statsmodels."""

import warnings

import numpy as np

from convscope.family import Count

VERSION = 1


def forecast(values: np.ndarray, train: np.ndarray, test: np.ndarray, *, horizon: int, per_day: int | None,
             days: Count = 14) -> np.ndarray:
    """[len(test)]: one step ahead; smoothing constants are fitted to the last `days` days of `train`, then kept.

    Level, trend and day go on being updated by every value that lies before the row to forecast. Raises ValueError for
    another horizon than 1, steps that do not divide a day, and for too few rows to fit.
    """
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    if horizon != 1:
        raise ValueError(f"holt_winters forecasts one row ahead, got a horizon of {horizon}; leave it out")
    if per_day is None or per_day < 2:
        raise ValueError("holt_winters needs rows whose steps divide a day, two a day at least, got "
                         f"{'other steps' if per_day is None else f'{per_day} a day'}; resample the series")
    least = max(2 * per_day, 10 + 2 * (per_day // 2))  # statsmodels begins by ten means of a day
    if min(len(train), days * per_day) < least:
        raise ValueError(f"holt_winters needs {least} rows to fit where a day has {per_day}, got {len(train)} training "
                         f"rows and days={days}; raise days, or take a longer series")
    start = max(int(train.max()) + 1 - days * per_day, int(train.min()))
    if test.min() < start:
        raise ValueError(f"holt_winters: row {test.min()} lies before the rows that it is fitted to, from {start} on")
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
    found = np.asarray(smooth.fittedvalues)[test - start]
    if not np.isfinite(found).all():
        raise ValueError(f"holt_winters found no smoothing for the {len(values[kept])} rows that it was fitted to; "
                         "change days, or take another forecast")
    return found
