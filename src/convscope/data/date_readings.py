"""The ways of writing a date that are tried on a column, each with what `strptime` calls it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise

from convscope.data.spacing import DAY

YEARS = range(1500, 2201)  # what digits alone may mean as a year
FAR = range(-62_135_596_800, 253_402_300_800)  # seconds since 1970 of the years 1 to 9999
WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "M": 2, "S": 2}  # digits of what strptime calls %Y, ...
_SEPARATORS = re.compile(r"[\s,./-]+")
_WEEKDAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*[\s,.]+", re.I)
_EPOCH = datetime(1970, 1, 1)
_COMPACT = ("Ym ymd dmy mdy Yj Ymd dmY mdY ymdH dmyH mdyH YjH YmdH dmYH mdYH ymdHM dmyHM mdyHM YjHM YmdHM dmYHM mdYHM "
            "ymdHMS dmyHMS mdyHMS YjHMS YmdHMS dmYHMS mdYHMS")


@dataclass(frozen=True)
class Reading:
    """`read` gives the seconds since 1970 that a text of the shape `fits` means, or None where it means no date.

    `format` is for data.format=. With `alone` there can be no clock beside it. Where the year has two digits its
    century is a guess.
    """

    format: str
    fits: re.Pattern[str]
    read: Callable[[str], int | None]
    alone: bool = False

    @property
    def two_digits(self) -> bool:
        return "%y" in self.format

    def seconds(self, text: str) -> int | None:
        return self.read(text) if self.fits.fullmatch(text) else None


def by_strptime(format: str) -> Callable[[str], int | None]:
    """A function from a text to the seconds since 1970 that it means by this format, or None.

    Of digits alone each part has its width: strptime would read 2024111 as %Y%m%d in one of two ways.
    """
    if re.fullmatch("(%[YymdjHMS])+", format):
        return _by_width(format)

    def read(text: str) -> int | None:
        try:
            found = datetime.strptime(text, format)
        except (ValueError, re.error, OverflowError):
            return None
        if found.microsecond:
            return None
        shift = found.utcoffset()
        return int((found.replace(tzinfo=None) - _EPOCH - (shift or timedelta())).total_seconds())
    return read


def in_words(text: str) -> str:
    """A date with a month's name: without the day of the week, single spaces between day, month and year."""
    return _SEPARATORS.sub(" ", _WEEKDAY.sub("", text, count=1))


def as_written(reading: Reading, text: str) -> str:
    """The reading's format with the text's own separators."""
    parts, between = reading.format.split(" "), _SEPARATORS.findall(text)
    if "%b" not in reading.format or len(between) != len(parts) - 1:
        return reading.format
    return "".join(part + gap for part, gap in zip(parts, [*between, ""], strict=True))


def _by_width(format: str) -> Callable[[str], int | None]:
    parts = format[1::2]
    width = sum(WIDTHS[part] for part in parts)
    spaced = " ".join(f"%{part}" for part in parts)

    def read(text: str) -> int | None:
        if width >= 8 and len(text) == width - 1:  # a number has no leading zero, and some hours have none
            text = "0" + text if parts[0] != "Y" else text[:-1] + "0" + text[-1] if parts == "YmdH" else text
        if len(text) != width or not (text.isascii() and text.isdecimal()):
            return None
        ends = list(accumulate(WIDTHS[part] for part in parts))
        try:
            found = datetime.strptime(" ".join(text[a:b] for a, b in pairwise([0, *ends])), spaced)
        except ValueError:
            return None
        return int((found - _EPOCH).total_seconds())
    return read


def _midnight(of: date) -> int:
    return (of.toordinal() - _EPOCH.toordinal()) * DAY


def _separated() -> Iterator[Reading]:
    for mark in "-/. ":
        gap, year, two = re.escape(mark), "[0-9]{4}", "[0-9]{1,2}"
        for order in ("Ymd", "dmY", "mdY", "dmy", "mdy", "ymd"):
            shape = gap.join(year if part == "Y" else "[0-9]{2}" if part == "y" else two for part in order)
            format = mark.join(f"%{part}" for part in order)
            yield Reading(format, re.compile(shape), by_strptime(format))
        month = "[0-9]{2}" if mark == "." else two  # 2000.1 may have been 2000.10
        for order, shape in (("Ym", year + gap + month), ("mY", two + gap + year)):
            format = mark.join(f"%{part}" for part in order)
            yield Reading(format, re.compile(shape), by_strptime(format), alone=True)


def _compact() -> Iterator[Reading]:
    for order in _COMPACT.split():
        format = "".join(f"%{part}" for part in order)
        yield Reading(format, re.compile("[0-9]{6,14}"), _plausible(by_strptime(format)),
                      alone=order not in ("Ymd", "dmY", "mdY"))


def _plausible(read: Callable[[str], int | None]) -> Callable[[str], int | None]:
    first, last = (_midnight(date(year, 1, 1)) for year in (YEARS.start, YEARS.stop))

    def within(text: str) -> int | None:
        found = read(text)
        return found if found is not None and first <= found < last else None
    return within


def _named() -> Iterator[Reading]:
    shape = re.compile(r".*[a-z]{3}.*", re.I)
    for order in ("b d Y", "d b Y", "Y b d", "b Y", "Y b", "d b y", "b d y", "y b d", "b y"):
        short = " ".join(f"%{part}" for part in order.split())
        long = by_strptime(short.replace("%b", "%B"))
        either = by_strptime(short)

        def read(text: str, either: Callable = either, long: Callable = long) -> int | None:
            text = in_words(text)
            return found if (found := either(text)) is not None else long(text)
        yield Reading(short, shape, read, alone="d" not in order)


def _counted(text: str) -> int | None:
    found = int(text.partition(".")[0])
    return found if found in FAR else None


def _milliseconds(text: str) -> int | None:
    found, rest = divmod(int(text.partition(".")[0]), 1000)
    return found if not rest and found in FAR else None


def _years(text: str) -> int | None:
    """Whole months of a year and its decimals: 1958, 1958.25, 1958.083; two decimals are rounded months."""
    whole, _, decimals = text.partition(".")
    months = 12 * float(f"0.{decimals or 0}")
    month = round(months)
    if abs(months - month) > (0.061 if len(decimals) == 2 else 0.01):
        return None
    year = int(whole) + month // 12
    return _midnight(date(year, month % 12 + 1, 1)) if year in YEARS else None


def _part_of_year(text: str) -> int | None:
    """1958Q2, 1958-Q2, Q2 1958, 1958M04: the quarter's or month's first day."""
    match = re.fullmatch(r"(?P<y>[0-9]{4})[- ]?(?P<kind>[QM])(?P<n>[0-9]{1,2})", text, re.I) or re.fullmatch(
        r"(?P<kind>[QM])(?P<n>[0-9]{1,2})[-/ ]?(?P<y>[0-9]{4})", text, re.I)
    if match is None:
        return None
    size = 3 if match["kind"].upper() == "Q" else 1
    month = (int(match["n"]) - 1) * size + 1
    return _midnight(date(int(match["y"]), month, 1)) if 1 <= month <= 12 and int(match["y"]) else None


def _week(text: str) -> int | None:
    try:
        return _midnight(date.fromisoformat(text.upper()))
    except ValueError:
        return None


COUNTS = {
    "seconds": Reading("seconds", re.compile(r"-?[0-9]{1,12}(\.0*)?"), _counted, alone=True),
    "milliseconds": Reading("milliseconds", re.compile(r"-?[0-9]{1,15}(\.0*)?"), _milliseconds, alone=True),
    "years": Reading("years", re.compile(r"[0-9]{4}(\.[0-9]{1,20})?"), _years, alone=True)}
READINGS = (*_separated(), *_compact(), *_named(), COUNTS["years"],
            replace(COUNTS["seconds"], fits=re.compile(r"-?[0-9]{9,10}(\.0*)?")),  # of 1653 to 2286
            replace(COUNTS["milliseconds"], fits=re.compile(r"-?[0-9]{13}(\.0*)?")),
            Reading("%YQ", re.compile(r".*[QM].*", re.I), _part_of_year, alone=True),
            Reading("%G-W%V-%u", re.compile(r"[0-9]{4}-?W[0-9]{2}(-?[1-7])?", re.I), _week))
