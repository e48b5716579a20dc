"""The value is what it was one season ago."""

from typing import Literal

import numpy as np

VERSION = 1


def forecast(values: np.ndarray, train: np.ndarray, test: np.ndarray, *, horizon: int, per_day: int | None,
             season: Literal["day", "week"] = "day") -> np.ndarray:
    """[len(test)]: the value one day, or one week, before each row of `test`.

    Raises ValueError for a series without so many rows, whose step is longer than the season, or does not divide a day.
    """
    if per_day is None:
        raise ValueError("seasonal_naive: its steps do not divide a day, so no row is one day before another; resample "
                         "the series")
    period = per_day * {"day": 1, "week": 7}[season]
    if period < horizon:
        raise ValueError(f"seasonal_naive: a {season} is {period} rows, fewer than the horizon of {horizon}; take a "
                         "series with a shorter step")
    if test.min() < period:
        raise ValueError(f"seasonal_naive: row {test.min()} has no value one {season} ({period} rows) before it")
    return values[test - period]
