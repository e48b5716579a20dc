"""Errors of forecasts, and intervals that know that the errors of one day go together."""

from collections.abc import Mapping

import numpy as np

LARGE = 1e150  # squares of larger numbers, or of smaller ones than its inverse, are none


def errors(forecast: np.ndarray, actual: np.ndarray, *, scale: float) -> dict[str, float]:
    """rmse and mae in the series' unit, smape in [0, 2] (0.02: 2 %), scaled_mse in units of scale squared.

    smape is the mean of |f - a| / ((|f| + |a|) / 2), 0 where both are 0. Raises ValueError for vectors of different
    lengths, without a value or with one that is not finite, and for a scale whose square is no positive number.
    """
    if forecast.shape != actual.shape or forecast.ndim != 1 or not len(actual):
        raise ValueError(f"expected two vectors of one length, got {list(forecast.shape)} and {list(actual.shape)}")
    for what, one in (("forecast", forecast), ("value", actual)):
        if len(wrong := np.flatnonzero(~(np.abs(one) < LARGE))):
            raise ValueError(f"the {what} number {wrong[0]} is {one[wrong[0]]:g}; its square is no number")
    if not 1 / LARGE < scale < LARGE:
        raise ValueError(f"expected a scale above 0 whose square is a number, got {scale:g}; the training rows do not "
                         "vary, or are to be scaled")
    wrong = np.abs(forecast - actual)
    size = (np.abs(forecast) + np.abs(actual)) / 2
    mse = float(np.mean(wrong**2))
    return {"rmse": mse**0.5, "mae": float(wrong.mean()), "scaled_mse": mse / scale**2,
            "smape": float(np.mean(np.divide(wrong, size, out=np.zeros_like(wrong), where=size > 0)))}


def rmse_draws(squares: Mapping[str, np.ndarray], *, block: int, rng: np.random.Generator,
               draws: int = 2000) -> dict[str, np.ndarray]:
    """[draws]: root mean squares of each forecast's squared errors [N] over the same resampled blocks of rows.

    Circular blocks of `block` rows (Politis and Romano 1992), as many as N holds, drawn with replacement: what a day
    does to one forecast it does to all, so that differences of two can be judged. Raises ValueError for a block that N
    does not hold twice.
    """
    lengths = {len(one) for one in squares.values()}
    if len(lengths) != 1 or block < 1 or 2 * block > (n := lengths.pop()):
        raise ValueError("an interval needs rows that hold a block of at least one row twice, got blocks of "
                         f"{block} and {sorted(len(one) for one in squares.values())} rows; test on more rows")
    starts = rng.integers(n, size=(draws, n // block))
    found = {}
    for name, one in squares.items():
        total = np.concatenate([[0.0], np.cumsum(np.concatenate([one, one[:block]]))])
        found[name] = np.sqrt((total[starts + block] - total[starts]).mean(axis=1) / block)
    return found


def interval(draws: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The percentiles between which this share of the draws lies."""
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
