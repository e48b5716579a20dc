"""Columns as float32: different values stay different, and no square overflows."""

from typing import NamedTuple

import numpy as np

LARGE = 1e15     # values up to it, and down to its inverse, can be squared and summed in float32
FAR = 4096       # times further from zero than apart: a third of float32's digits are lost
MOVED = 1e-5     # of the spread: the most that a value may be moved to stay apart from the next


class Stored(NamedTuple):
    """float32 [N] = (values - offset) / unit, but for rounding; NaN stays NaN."""

    values: np.ndarray
    offset: float
    unit: float


def stored(values: np.ndarray) -> Stored | None:
    """A column float64 [N], |v| < 3.4e38, as float32; None where its values cannot be kept apart.

    Values far from zero, as seconds since 1970, lose a value of the column (its lower median) where float32 would merge
    them, large and tiny ones are in units of a power of two: both are exact. What is still rounded to one number (1.0
    and 1.00000001) is moved to the next float32s, in order, if that is less than MOVED of the spread.
    """
    whole = np.unique(values[~np.isnan(values)])
    if not len(whole):
        return Stored(values.astype(np.float32), 0.0, 1.0)
    near = 0.0 if whole[0] <= 0 <= whole[-1] else float(np.abs(whole[[0, -1]]).min())
    spread, offset = float(whole[-1] - whole[0]), 0.0
    if near > spread > 0 and (near > FAR * spread or _merged(whole.astype(np.float32))):
        offset = float(whole[(len(whole) - 1) // 2])
    moved = whole - offset
    size = float(np.abs(moved).max())
    unit = 1.0 if size == 0 or 1 / LARGE <= size <= LARGE else 2.0 ** np.frexp(size)[1]
    moved /= unit
    kept = moved.astype(np.float32)
    if not _merged(kept):
        return Stored(((values - offset) / unit).astype(np.float32), offset, unit)
    kept = _apart(kept)
    if np.abs(kept - moved).max() > MOVED * (moved[-1] - moved[0]):
        return None
    found = np.full(len(values), np.nan, dtype=np.float32)
    given = ~np.isnan(values)
    found[given] = kept[np.searchsorted(whole, values[given])]
    return Stored(found, offset, unit)


def _merged(rising: np.ndarray) -> bool:
    return bool((np.diff(rising) == 0).any())


def _apart(rising: np.ndarray) -> np.ndarray:
    """Rising float32s, each at least the next one after the last: floats in order are whole numbers in order."""
    bits = (rising + np.float32(0)).view(np.int32).astype(np.int64)
    place = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    step = np.arange(len(place))
    place = np.maximum.accumulate(place - step) + step
    return np.where(place < 0, -place | 0x80000000, place).astype(np.uint32).view(np.float32)
