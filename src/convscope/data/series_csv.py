"""A user's csv as times and values of a series: read where that is certain, else refused with what would decide it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convscope.data.gaps import filled, in_utc, resampled
from convscope.data.series_columns import Sheet, kept, read_sheet, several_rows, time_columns, value_column
from convscope.data.spacing import check_even, spoken
from convscope.data.written_numbers import is_number, read_numbers
from convscope.data.written_times import read_times, reads_as_times


def read_csv(file: Path, *, time: str = "", column: str = "", where: Sequence[str] = (), format: str = "",
             decimal: str = "", zone: str = "", fill: str = "", resample: str = "",
             **written: Any) -> tuple[np.ndarray, np.ndarray]:
    """(times datetime64[s], values float64) of the evenly spaced rows of a csv or csv.gz with a heading.

    `time` and `column` are names or places, from 1 on; empty: the only column of times, and of numbers. `time` may join
    two: date+clock. `where` keeps the rows with a value in a column: symbol:MSFT. `format` and `decimal` say how times
    and numbers are written where that leaves a doubt, `zone` whose local times they are (the result is in UTC), `fill`
    and `resample` what is done with gaps; `written` is how the file is, as `csv_rows.read` takes it. Raises ValueError,
    with file and line, for what cannot be read with certainty, and for rows that are doubled, out of order or not
    evenly spaced.
    """
    sheet = kept(read_sheet(file, decimal=decimal or "auto", **written), where)
    if len(sheet.rows) < 4:
        raise ValueError(f"{file.name} has {len(sheet.rows)} rows{' of ' if where else ''}{', '.join(where)}; a series "
                         "needs at least 4")
    of_time = time_columns(sheet, time)
    of_value = value_column(sheet, column, of_time)
    _check_heading(sheet, of_time, of_value, chosen=bool(column))
    cells = [" ".join(parts) for parts in zip(*(sheet.column(at) for at in of_time), strict=True)]
    times, zoned = read_times(cells, sheet.where, format=format)
    values = _values(sheet, of_value, decimal, gaps=bool(fill or resample))
    if zone and zoned:
        raise ValueError(f"{sheet.where(0)}: {cells[0]!r} is in UTC or says its zone itself, got data.zone={zone}; "
                         "leave it out")
    if zone:
        times = in_utc(times, zone, sheet.where)
    return _evenly(sheet, times, values, fill, resample, local=not (zone or zoned),
                   hint=several_rows(sheet, of_time, of_value))


def _evenly(sheet: Sheet, times: np.ndarray, values: np.ndarray, fill: str, resample: str, *, local: bool,
            hint: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows as means of longer steps, or with gaps filled; raises ValueError where they are not even then."""
    at: Callable[[int], str] = sheet.where
    if resample:
        times, values = resampled(times, values, resample, at)
        at = partial(_step, sheet.file, times)
    if fill:
        times, values = filled(times, values, fill, at)
    elif len(empty := np.flatnonzero(np.isnan(values))):
        raise ValueError(f"{at(int(empty[0]))}: no row has a value; set data.fill=linear, previous or zero, or "
                         "resample to longer steps")
    try:
        check_even(times, at, local=local and not resample)
    except ValueError as error:
        doubled = any(word in str(error) for word in ("there twice", "comes after"))
        raise ValueError(f"{error}{hint if doubled else ''}") from None
    if len(times) < 4:
        raise ValueError(f"{sheet.file.name}: {len(times)} steps are left; a series needs at least 4")
    return times, values


def _values(sheet: Sheet, at: int, decimal: str, *, gaps: bool) -> np.ndarray:
    cells = sheet.column(at)

    def where(k: int) -> str:
        return f"{sheet.where(k)}, column {sheet.heads[at]!r}"

    values = read_numbers(cells, where, decimal=decimal, commas_separate=sheet.commas)
    if not gaps and len(missing := np.flatnonzero(np.isnan(values))):
        k = int(missing[0])
        raise ValueError(f"{where(k)}: expected a finite number such as 1234.5, got {cells[k][:40]!r}; set "
                         "data.fill=linear (between its neighbours), previous or zero, or correct it")
    return values


def _check_heading(sheet: Sheet, of_time: Sequence[int], of_value: int, *, chosen: bool) -> None:
    """Raises ValueError where the first row is one of values; a column that was chosen may be called 2024."""
    if reads_as_times([" ".join(sheet.heads[at] for at in of_time)]) or (
            not chosen and is_number(sheet.heads[of_value])):
        raise ValueError(f"{sheet.file.name} line {sheet.heading}: expected a heading such as time,value, got a row of "
                         "values; write one above it")


def _step(file: Path, times: np.ndarray, k: int) -> str:
    return f"{file.name}, the step from {spoken(times[k])}"
