"""A time series with its training and test rows; windows that never see their target."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from convscope.data.series_csv import read_csv
from convscope.data.spacing import DAY, check_even

__all__ = ["Series", "read_csv", "series", "two_channels", "windows"]

SPREAD = 1e-100, 1e100  # of the values' deviation: its square must be a number too
FLAT = 1e-10  # of the values' size: what varies less is rounding rather than a series


@dataclass(frozen=True)
class Series:
    """`values` float64 [N] at `times` datetime64[s] [N], `step` seconds apart, or calendar months where `unit` says so.

    Rows [0, train_end) are for training and validation, [train_end, test_end) for the test; rows from test_end on are
    nobody's: kept out of every fit and choice. `fingerprint` (64 hex digits) is of values, times and ends.
    """

    name: str
    times: np.ndarray
    values: np.ndarray
    step: int
    train_end: int
    test_end: int
    fingerprint: str
    kind: str = "series"
    unit: Literal["s", "month"] = "s"

    @property
    def per_day(self) -> int | None:
        """Rows a day; None where steps do not divide a day, so that no row is at the same time of the day before."""
        return DAY // self.step if self.unit == "s" and DAY % self.step == 0 else None


def series(name: str, times: np.ndarray, values: np.ndarray, train_end: int, test_end: int) -> Series:
    """A checked series of evenly spaced values; its arrays are read-only.

    Raises ValueError for values that are not finite, too few training or test rows, training or test rows that never
    change, and values whose squares are no numbers.
    """
    times, values = np.array(times, dtype="datetime64[s]"), np.array(values, dtype=np.float64)
    if times.shape != values.shape or values.ndim != 1 or not 2 <= train_end <= test_end - 2 <= len(values) - 2:
        raise ValueError(f"{name}: expected times and values [N] with at least two rows to train on and two to test, "
                         f"got {list(times.shape)}, {list(values.shape)} and the ends {train_end} and {test_end}")
    if len(wrong := np.flatnonzero(~np.isfinite(values))):
        raise ValueError(f"{name}: every value must be finite, got {values[wrong[0]]} in row {wrong[0]}; fill it")
    _check_varies(name, values[:train_end], "training")
    _check_varies(name, values[train_end:test_end], "test")
    found = check_even(times, lambda k: f"{name}: row {k}")
    digest = hashlib.sha256(repr((train_end, test_end)).encode())
    for array in (times.astype("<i8"), values.astype("<f8")):
        digest.update(array.tobytes())
    times.flags.writeable = values.flags.writeable = False
    return Series(name, times, values, found.step, train_end, test_end, digest.hexdigest(), unit=found.unit)


def windows(values: np.ndarray, targets: np.ndarray, *, length: int, horizon: int = 1) -> np.ndarray:
    """[len(targets), length]: the values of the rows that end `horizon` rows before each target row.

    Raises ValueError for a target with too little past, or beyond the series.
    """
    past = length + horizon - 1
    if len(targets) and (targets.min() < past or targets.max() >= len(values) + horizon):
        raise ValueError(f"a window of {length} rows that ends {horizon} before its target needs targets in {past}.."
                         f"{len(values) + horizon - 1}, got {targets.min()}..{targets.max()}; the series is shorter "
                         "than the window, or give another")
    return values[targets[:, None] - past + np.arange(length)]


def two_channels(window: np.ndarray) -> np.ndarray:
    """[M, 2, T] of windows [M, T]: the values, and their forward differences inside the window.

    The last difference would look at the target, so the mean size of the window's own differences stands there.
    """
    steps = np.diff(window, axis=1)
    return np.stack([window, np.concatenate([steps, np.abs(steps).mean(axis=1, keepdims=True)], axis=1)], axis=1)


def _check_varies(name: str, values: np.ndarray, part: str) -> None:
    low, high = float(values.min()), float(values.max())
    if low == high:
        why = ("a constant series has nothing to forecast" if part == "training" else
               "every forecast of a constant is right; give another data.test_fraction")
        raise ValueError(f"{name}: all {len(values)} {part} values are {low:g}; {why}")
    with np.errstate(over="ignore", under="ignore"):
        spread = float(values.std())
    if not SPREAD[0] < spread < SPREAD[1] or max(-low, high) > SPREAD[1]:
        raise ValueError(f"{name}: the {part} values lie between {low:g} and {high:g}; their squares are no numbers: "
                         "scale them, as to thousands or millions")
    if high - low < FLAT * max(abs(low), abs(high)):
        raise ValueError(f"{name}: the {part} values differ by {high - low:.3g} around {low:g}, which is rounding; "
                         "subtract what they have in common, or take another column")
