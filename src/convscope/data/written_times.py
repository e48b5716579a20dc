"""Times as people write them: a whole column has one reading, or is refused by the setting that would decide.

Every way of writing that fits all rows is a candidate; of several, only one may make the rows evenly spaced. Neither a
century nor the order of day and month is guessed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from convscope.data.date_readings import COUNTS, READINGS, Reading, as_written, by_strptime
from convscope.data.spacing import spacing, spoken

EXAMPLES = "2004-11-19 09:30:00, Nov 19 2004, 2004-11, 2004, or seconds since 1970 in 9 or 10 digits"
_ZONE = r"(?:\s*(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_CLOCK = re.compile(r"(?P<date>.*?[\w.]),?(?:\s+|T)(?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})"
                    r"(?:[.,](?P<part>[0-9]+))?)?(?:\s*(?P<half>[AP])\.?M\.?)?" + _ZONE, re.I)
_SHORT = re.compile(r"(?P<date>[0-9]{4}(?P<gap>[-/ ]?)[0-9]{2}(?P=gap)[0-9]{2}|[0-9]{4} [0-9]{1,2} [0-9]{1,2})"
                    r"[T ](?P<h>[0-9]{2}|[0-9](?![0-9]))(?P<m>[0-9]{2})?(?P<s>[0-9]{2})?(?P<part>)(?P<half>)" + _ZONE,
                    re.I)


@dataclass(frozen=True)
class _Cell:
    date: str
    clock: int | None  # seconds of the day
    shift: int | None  # seconds of its zone east of UTC


def read_times(cells: Sequence[str], where: Callable[[int], str], *, format: str = "") -> tuple[np.ndarray, bool]:
    """(times datetime64[s] [N], whether they say their zone) of a column's cells; what says its zone is in UTC.

    Seconds since 1970 are UTC, and say so. Days and months that begin at the same local time stay local, where their
    zone's clocks change: in UTC they would not be even.

    `format` is 'seconds' or 'milliseconds' since 1970, 'years' (1958.25), or as strptime takes it, for the whole cell
    or for the date before a clock. Raises ValueError, with `where` of the cell, for what is no time, for a column that
    may be read in two ways, and for zones in some rows only.
    """
    texts = [cell.strip() for cell in cells]
    if re.search(r"%[HIMSpcXTfzZ]", format):
        return _by_format(texts, where, format), "%z" in format
    parts = [_split(text, lambda k=k: where(k)) for k, text in enumerate(texts)]
    zoned = parts[0].shift is not None
    mixed = next((k for k, one in enumerate(parts) if (one.shift is not None) != zoned), None)
    if mixed is not None:
        raise ValueError(f"{where(mixed)}: of {texts[mixed][:40]!r} and {texts[0][:40]!r} only one says its zone; "
                         "write it in every row, or in none")
    dates = [one.date for one in parts]
    clocks = np.array([one.clock or 0 for one in parts], dtype=np.int64)
    timed = any(one.clock is not None for one in parts)
    found, counted = ((_by_format(dates, where, format), format) if format else _chosen(dates, clocks, timed, where))
    local = found + clocks.astype("timedelta64[s]")
    times = local - np.array([one.shift or 0 for one in parts]).astype("timedelta64[s]")
    if zoned and not spacing(times).even and spacing(local).whole_days:
        times = local
    return times, zoned or counted in ("seconds", "milliseconds")


def reads_as_times(cells: Sequence[str]) -> bool:
    """Whether there is a way to read all these cells as times."""
    try:
        parts = [_split(cell.strip(), lambda: "") for cell in cells]
    except ValueError:
        return False
    return bool(_candidates([one.date for one in parts], any(one.clock is not None for one in parts)))


def _split(text: str, where: Callable[[], str]) -> _Cell:
    """A cell's date and its clock; raises ValueError for a clock that is none."""
    match = (_CLOCK.fullmatch(text) or _SHORT.fullmatch(text)) if len(text) < 80 else None
    if match is None:
        return _Cell(text, None, None)
    hour, minute, second = (int(match[name] or 0) for name in "hms")
    half = (match["half"] or "").upper()
    if int(match["part"] or 0):
        raise ValueError(f"{where()}: expected a time to the second, got {text[:40]!r}; round it")
    hours = 1 <= hour <= 12 if half else hour < 24 or (hour, minute, second) == (24, 0, 0)
    if minute > 59 or second > 59 or not hours:
        raise ValueError(f"{where()}: expected a clock from 00:00 to 24:00, or to 12:59 before AM and PM, got "
                         f"{text[:40]!r}")
    if half:
        hour = hour % 12 + 12 * (half == "P")
    return _Cell(match["date"], hour * 3600 + minute * 60 + second, _shift(match["zone"]))


def _shift(zone: str | None) -> int | None:
    if not zone or zone[0] not in "+-":
        return 0 if zone else None
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (1 if zone[0] == "+" else -1)


def _chosen(dates: Sequence[str], clocks: np.ndarray, timed: bool,
            where: Callable[[int], str]) -> tuple[np.ndarray, str]:
    """Times and format of the only reading of the dates, or the only one that makes the rows evenly spaced."""
    found = _candidates(dates, timed)
    if not found:
        raise _unread(dates, timed, where)
    even = [one for one in found if spacing((one[1] + clocks).astype("datetime64[s]")).even]
    (reading, seconds), *others = even or found
    for other, differs in others:
        if len(unlike := np.flatnonzero(seconds != differs)):
            k = int(unlike[0])
            told = " or ".join(f"{spoken(one[k].astype('datetime64[s]'))} (data.format={as_written(way, dates[k])})"
                               for way, one in ((reading, seconds), (other, differs)))
            raise ValueError(f"{where(k)}: {dates[k][:40]!r} may be {told.replace(' 00:00:00', '')}; set the one it is")
    if reading.two_digits:
        raise ValueError(f"{where(0)}: {dates[0][:40]!r} has a year of two digits; say how it is written: data.format="
                         f"{as_written(reading, dates[0])} (69 to 99 are then of the last century)")
    return seconds.astype("datetime64[s]"), reading.format


def _candidates(dates: Sequence[str], timed: bool) -> list[tuple[Reading, np.ndarray]]:
    """(reading, seconds int64 [N]) of every way to read all dates; `timed`: with a clock beside some."""
    different, found = list(dict.fromkeys(dates)), []
    for reading in READINGS:
        if timed and reading.alone:
            continue
        known: dict[str, int] = {}
        for text in different:
            if len(text) > 60 or (seconds := reading.seconds(text)) is None:
                break
            known[text] = seconds
        else:
            found.append((reading, np.array([known[text] for text in dates], dtype=np.int64)))
    return found


def _unread(dates: Sequence[str], timed: bool, where: Callable[[int], str]) -> ValueError:
    """The first cell that is not read by the way that reads most."""
    unread = [[k for k, text in enumerate(dates) if len(text) > 60 or one.seconds(text) is None]
              for one in READINGS if not (timed and one.alone)]
    k = min(unread, key=len)[0]
    hint = "correct it" if min(map(len, unread)) < len(dates) / 2 else "name how it is written: data.format=%d.%m.%Y"
    return ValueError(f"{where(k)}: expected a time such as {EXAMPLES}, got {dates[k][:40]!r}; {hint}")


def _by_format(texts: Sequence[str], where: Callable[[int], str], format: str) -> np.ndarray:
    if "%Z" in format:
        raise ValueError(f"data.format cannot read a zone's name, got {format!r}; leave it out and set data.zone, or "
                         "write zones as +01:00 (%z)")
    if format not in COUNTS and not re.search("%[YyGc]", format):
        raise ValueError(f"data.format must be {', '.join(COUNTS)} or as strptime takes it, with a year, such as "
                         f"%d.%m.%Y or %Y%m%d%H, got {format!r}")
    read = COUNTS[format].seconds if format in COUNTS else by_strptime(format)
    found = {text: read(text) for text in dict.fromkeys(texts)}
    if None in found.values():
        k = next(k for k, text in enumerate(texts) if found[text] is None)
        raise ValueError(f"{where(k)}: {texts[k][:40]!r} is no time as data.format={format} says; correct one of them")
    return np.array([found[text] for text in texts], dtype=np.int64).astype("datetime64[s]")
