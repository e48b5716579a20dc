"""Linear autoregression by least squares, with or without the same time on the day and in the week before."""

import numpy as np

from convscope.family import Count, NonNegative

VERSION = 1
AROUND = 3  # rows before and after the same time of day


def forecast(values: np.ndarray, train: np.ndarray, test: np.ndarray, *, horizon: int, per_day: int | None,
             lags: Count = 50, day: bool = False, week: bool = False, ridge: NonNegative = 0.0) -> np.ndarray:
    """[len(test)]: an affine function of the `lags` values before, fitted to the rows of `train` that have them all.

    With `day` and `week` also of the seven values around the same time one day and one week ago (those before the
    target's horizon). `ridge` is the penalty per row on standardised coefficients. A lag that never changes in the rows
    to fit has weight 0. Raises ValueError where rows lack the past that they need, or `per_day` is None.
    """
    back = list(range(horizon, horizon + lags))
    if per_day is None and (day or week):
        raise ValueError("autoregression: its steps do not divide a day, so no row is at the same time of the day "
                         "before; set day and week to false, or resample the series")
    for wanted, period in ((day, per_day or 0), (week, 7 * (per_day or 0))):
        if wanted and period <= horizon + AROUND:
            raise ValueError(f"autoregression: the same time of day needs a step well below a day, got {per_day} rows "
                             "a day; set day and week to false")
        if wanted:
            back += [lag for lag in range(period - AROUND, period + AROUND + 1) if lag not in back]
    usable = train[train >= max(back)]
    if len(usable) <= len(back) + 1 or test.min() < max(back):
        raise ValueError(f"autoregression needs {max(back)} rows before each row and more than {len(back) + 1} rows to "
                         f"fit, got {len(usable)} of them and a first row {test.min()}; take fewer lags")
    lag = np.array(back)
    x, new = values[usable[:, None] - lag], values[test[:, None] - lag]
    mean, std = x.mean(axis=0), x.std(axis=0)
    still = np.ptp(x, axis=0) == 0  # not std == 0: a mean of equal values may be a rounding away from them
    mean[still], std[still] = x[0, still], 1.0
    x, new = (x - mean) / std, (new - mean) / std
    y = values[usable]
    if ridge:
        x = np.vstack([x, np.sqrt(ridge * len(x)) * np.eye(len(back))])
        target = np.concatenate([y - y.mean(), np.zeros(len(back))])
    else:
        target = y - y.mean()
    weights = np.linalg.lstsq(x, target, rcond=None)[0]
    return new @ weights + y.mean()
