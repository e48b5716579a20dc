"""A time series with its training and test rows; reading one from a csv; windows that never see their target."""

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from convscope.data import csv_rows

DAY = 86400


@dataclass(frozen=True)
class Series:
    """`values` float64 [N] at `times` datetime64[s] [N], `step` seconds apart.

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

    @property
    def per_day(self) -> int:
        """Rows a day; 0 where a step is longer than a day."""
        return DAY // self.step


def series(name: str, times: np.ndarray, values: np.ndarray, train_end: int, test_end: int) -> Series:
    """A checked series of evenly spaced values; its arrays are read-only.

    Raises ValueError for values that are not finite, too few training or test rows, or a training part that never
    changes.
    """
    times, values = np.array(times, dtype="datetime64[s]"), np.array(values, dtype=np.float64)
    if times.shape != values.shape or values.ndim != 1 or not 2 <= train_end <= test_end - 2 <= len(values) - 2:
        raise ValueError(f"{name}: expected times and values [N] with at least two rows to train on and two to test, "
                         f"got {list(times.shape)}, {list(values.shape)} and the ends {train_end} and {test_end}")
    if len(wrong := np.flatnonzero(~np.isfinite(values))):
        raise ValueError(f"{name}: every value must be finite, got {values[wrong[0]]} in row {wrong[0]}; fill it")
    if np.ptp(values[:train_end]) == 0:
        raise ValueError(f"{name}: all {train_end} training values are {values[0]:g}; a constant series has nothing to "
                         "forecast")
    steps = np.diff(times).astype(np.int64)
    if steps.min() != steps.max() or steps[0] <= 0:
        row = int(np.flatnonzero((steps != steps[0]) | (steps <= 0))[0]) + 1
        raise ValueError(f"{name}: rows must be evenly spaced and in order, {steps[0]} s apart as the first two, got "
                         f"{steps[row - 1]} s before row {row}; fill the gap or sort the rows")
    digest = hashlib.sha256(repr((train_end, test_end)).encode())
    for array in (times.astype("<i8"), values.astype("<f8")):
        digest.update(array.tobytes())
    times.flags.writeable = values.flags.writeable = False
    return Series(name, times, values, int(steps[0]), train_end, test_end, digest.hexdigest())


def read_csv(file: Path, *, time: str = "", value: str = "") -> tuple[np.ndarray, np.ndarray]:
    """(times datetime64[s], values float64) of a csv or csv.gz with a heading: two columns by name, or the first two.

    Columns are separated by commas, semicolons or tabs; times are whole seconds, as ISO 8601 writes them or as counted
    since 1970. Raises ValueError, with file and line, for what is no number or time, and for rows that are doubled, out
    of order or leave a gap.
    """
    rows = csv_rows.read(file)
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{file} is empty: expected a heading, then one row per time")
    heads = [head.strip() for head in first[1]]
    of_time, of_value = _column(file, heads, time, 0), _column(file, heads, value, 1)
    if of_time == of_value:
        raise ValueError(f"{file.name}: times and values cannot both be of the column {heads[of_time]!r}; name both")
    if not value and math.isfinite(_number(heads[of_value])):
        raise ValueError(f"{file.name} line {first[0]}: expected a heading such as time,value, got a row of values; "
                         "write one above it")
    lines, times, values = [], [], []
    for line, cells in rows:
        where = f"{file.name} line {line}"
        if len(cells) != len(heads):
            raise ValueError(f"{where}: expected {len(heads)} columns as in the heading, got {len(cells)}")
        lines.append(line)
        times.append(_time(where, cells[of_time]))
        values.append(_value(where, heads[of_value], cells[of_value]))
    if len(times) < 4:
        raise ValueError(f"{file.name} has {len(times)} rows; a series needs at least 4")
    _check_steps(file, lines, np.array(times))
    return np.array(times, dtype="datetime64[s]"), np.array(values)


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


def _column(file: Path, heads: list[str], name: str, default: int) -> int:
    if name and heads.count(name) != 1:
        raise ValueError(f"{file.name} must have one column {name!r}, got {heads.count(name)}; there are: "
                         f"{', '.join(heads)[:200]}")
    if not name and default >= len(heads):
        raise ValueError(f"{file.name} must have a column of times and one of values, separated by commas, semicolons "
                         f"or tabs, got only: {heads[0][:200]}")
    return heads.index(name) if name else default


def _time(where: str, text: str) -> int:
    """Seconds since 1970; a time without zone is taken as it stands. Of digits alone, eight are a date."""
    text = text.strip()
    digits = text.removeprefix("-")
    if digits.isdecimal() and 9 <= len(digits) <= 11:  # more would be milliseconds
        return int(text)
    found = None
    if len(text) == 8 or not digits.isdecimal():
        with suppress(ValueError):
            found = datetime.fromisoformat(text)
    if found is None or found.microsecond:
        raise ValueError(f"{where}: expected a time to the second, as 2004-11-19 09:30:00 or as seconds since 1970 in "
                         f"9 to 11 digits, got {text[:40]!r}")
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _value(where: str, head: str, text: str) -> float:
    if math.isnan(value := _number(text)):
        raise ValueError(f"{where}, column {head!r}: expected a finite number such as 1234.5, got "
                         f"{text.strip()[:40]!r}; correct it or fill it")
    return value


def _number(text: str) -> float:
    """The finite number that a cell holds, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _check_steps(file: Path, lines: list[int], times: np.ndarray) -> None:
    steps = np.diff(times)
    sizes, counts = np.unique(steps, return_counts=True)
    usual = sizes[counts.argmax()]
    if not len(wrong := np.flatnonzero((steps != usual) | (steps <= 0))):
        return
    k = int(wrong[0])
    where, now, before = f"{file.name} line {lines[k + 1]}", _spoken(times[k + 1]), _spoken(times[k])
    if steps[k] == 0:
        raise ValueError(f"{where}: the time {now} is there twice; keep one row")
    if steps[k] < 0:
        raise ValueError(f"{where}: {now} comes after {before}; sort the rows by time")
    raise ValueError(f"{where}: {now} is {steps[k]} s after {before}, expected {usual} s as between most rows; "
                     "fill the gap, or resample")


def _spoken(seconds: int) -> str:
    return str(np.datetime64(int(seconds), "s")).replace("T", " ")
