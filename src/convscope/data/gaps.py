"""What a series of uneven or missing rows can be made into, where its user says so: local times, means, filled gaps."""

import re
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from convscope.data.spacing import DAY, MONTHS, UNITS, at_places, spacing, spoken

RULES = "5min, 1h, day, week, month, quarter, year"
_PANDAS = {"s": "s", "min": "min", "h": "h", "day": "D", "week": "W-MON", "month": "MS", "quarter": "QS", "year": "YS"}


def in_utc(times: np.ndarray, zone: str, where: Callable[[int], str]) -> np.ndarray:
    """Local times of a zone such as Europe/Berlin in UTC; the hour that comes twice is told apart by the rows' order.

    Rows that are whole days or months apart stay as they are: in UTC they would not be even.
    Raises ValueError for a zone that is none, and where an hour does not exist there or stands there once.
    """
    import pandas as pd

    try:
        found = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"data.zone must be a time zone's name such as Europe/Berlin or America/New_York, got {zone!r}"
                         ) from None
    if spacing(times).whole_days:
        return times
    index = pd.DatetimeIndex(times)
    missing = np.flatnonzero(np.asarray(index.tz_localize(found, ambiguous=True, nonexistent="NaT").isna()))
    if len(missing):
        k = int(missing[0])
        raise ValueError(f"{where(k)}: {spoken(times[k])} does not exist in {zone}, where clocks were put forward; "
                         "give another data.zone, or leave it out and set data.fill=linear")
    try:
        local = index.tz_localize(found, ambiguous="infer")
    except ValueError:  # pandas' own are of this kind
        first = np.asarray(index.tz_localize(found, ambiguous=True).tz_convert(None), dtype="datetime64[s]")
        second = np.asarray(index.tz_localize(found, ambiguous=False).tz_convert(None), dtype="datetime64[s]")
        k = int(np.flatnonzero(first != second)[0])
        raise ValueError(f"{where(k)}: {spoken(times[k])} comes twice in {zone}, where clocks were put back, and the "
                         "rows do not show both; leave data.zone out and set data.fill=linear, or data.resample=day"
                         ) from None
    return np.asarray(local.tz_convert(None), dtype="datetime64[s]")


def resampled(times: np.ndarray, values: np.ndarray, rule: str,
              where: Callable[[int], str]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the values in each step of `rule`, at its begin, NaN where a step has none.

    Weeks begin on Monday. A first or last step that the rows only cover in part is left out. Raises ValueError for a
    rule that is none, rows that are not in order, and steps far shorter than the rows'.
    """
    import pandas as pd

    alias, size = _parsed(rule)
    if len(wrong := np.flatnonzero(np.diff(times).astype(np.int64) < -3600)):  # an hour: clocks were put back
        k = int(wrong[0])
        raise ValueError(f"{where(k + 1)}: {spoken(times[k + 1])} comes after {spoken(times[k])}; sort the rows by "
                         "time")
    order = np.argsort(times, kind="stable")
    order = order[~np.isnan(values[order])]
    if not len(order):
        raise ValueError(f"{where(0)}: no row has a value to take a mean of")
    if int((times[order[-1]] - times[order[0]]).astype(np.int64)) // size > 2 * len(order) + 2:
        raise ValueError(f"{where(0)}: data.resample={rule} makes more than twice as many steps as there are rows "
                         f"({len(order)}); give a longer step")
    rows = pd.Series(values[order], pd.DatetimeIndex(times[order]))
    means = rows.resample(alias, closed="left", label="left").mean()
    begin, end = (np.asarray(index, dtype="datetime64[s]") for index in (means.index, means.index.shift(1)))
    usual = np.timedelta64(int(np.median(np.diff(times[order]).astype(np.int64))) if len(order) > 1 else 0, "s")
    first = int(times[order[0]] - begin[0] >= usual > np.timedelta64(0))
    last = len(begin) - int(end[-1] - times[order[-1]] > usual)
    return begin[first:last], means.to_numpy()[first:last]


def _parsed(rule: str) -> tuple[str, int]:
    """What pandas calls a rule, and about how many seconds it is long."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})?\s*(s|min|h|day|week|month|quarter|year)s?", rule.strip())
    if match is None or (match[2] in ("week", *MONTHS) and match[1] not in (None, "1")):
        raise ValueError(f"data.resample must be one of {RULES}, or another number of s, min, h or days, got {rule!r}")
    size = UNITS.get(match[2], 30 * DAY * MONTHS.get(match[2], 1))
    return f"{match[1] or ''}{_PANDAS[match[2]]}", int(match[1] or 1) * size


def filled(times: np.ndarray, values: np.ndarray, how: str,
           where: Callable[[int], str]) -> tuple[np.ndarray, np.ndarray]:
    """The rows with every step between the first and the last value, those without a value filled.

    By 'linear', a line between the values before and after (which a forecast there could not know), by the 'previous'
    value or by 'zero'. Missing values before the first and after the last are left out. Raises ValueError for rows
    that are not whole steps apart, and where more than half of the rows would be filled.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise ValueError(f"{where(0)}: there is no value at all to fill from")
    found = spacing(times)
    places = found.places - found.places[0]
    if found.step < 1 or (np.diff(places) <= 0).any() or (places % found.step).any():
        return times, values  # the check of even steps says it better
    rows = places // found.step
    first, last = int(rows[known[0]]), int(rows[known[-1]])
    n = last - first + 1
    if 2 * len(known) < n:
        raise ValueError(f"{where(0)}: data.fill would fill {n - len(known)} of {n} steps of {found.spoken()}; "
                         "resample to longer steps (data.resample=...), or cut the gaps")
    at, given = np.arange(first, last + 1), rows[known]
    if how == "linear":
        new = np.interp(at, given, values[known])
    elif how == "previous":
        new = values[known][np.searchsorted(given, at, side="right") - 1]
    else:
        new = np.zeros(n)
        new[given - first] = values[known]
    return at_places(times, found.places[0] + at * found.step, found.unit), new
