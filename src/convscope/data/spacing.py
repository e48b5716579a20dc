"""How far apart the rows of a series are: in seconds, or in calendar months, which seconds do not divide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

DAY = 86400
UNITS = {"s": 1, "min": 60, "h": 3600, "day": DAY, "week": 7 * DAY}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
ROUND = {"1s": 1, "5s": 5, "10s": 10, "30s": 30, "1min": 60, "5min": 300, "10min": 600, "15min": 900, "30min": 1800,
         "1h": 3600, "3h": 10800, "6h": 21600, "day": DAY, "week": 7 * DAY, "month": 31 * DAY, "quarter": 92 * DAY}


@dataclass(frozen=True)
class Spacing:
    """`step`, in seconds or months (`unit`), lies between most rows; `places` int64 [N] are the rows' places in them.

    A month's place is its number since 1970: of rows at the same day of each month, or at the end of each.
    """

    unit: Literal["s", "month"]
    step: int
    places: np.ndarray

    @property
    def even(self) -> bool:
        """Whether every row is one step after the one before."""
        return self.step > 0 and bool((np.diff(self.places) == self.step).all())

    @property
    def whole_days(self) -> bool:
        """Whether rows are even and at one time of the day."""
        return self.even and (self.unit == "month" or self.step % DAY == 0)

    def spoken(self, steps: int | None = None) -> str:
        """A number of seconds or months in words, of `step` where none is given: '5 min', '2 days', '1 month'."""
        steps = self.step if steps is None else steps
        sizes = UNITS if self.unit == "s" else {"month": 1, "year": 12}
        size = next(name for name, of in reversed(sizes.items()) if steps % of == 0)
        count = steps // sizes[size]
        return f"{count} {size}{'s' if count != 1 and size not in ('s', 'min', 'h') else ''}"

    @property
    def rule(self) -> str:
        """A round step of about this size or above, as `data.resample=` says it."""
        size = self.step if self.unit == "s" else self.step * 30 * DAY
        return next((name for name, of in ROUND.items() if size <= 1.05 * of), "year")


def spacing(times: np.ndarray) -> Spacing:
    """The spacing of times datetime64[s] [N]; in months where all rows are at the same place in their months."""
    months = month_places(times)
    if months is not None and (step := _usual(months)):
        return Spacing("month", step, months)
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return Spacing("s", _usual(seconds), seconds)


def month_places(times: np.ndarray) -> np.ndarray | None:
    """int64 [N], each row's month by number, where all have one time and day of the month, or the last before it."""
    months = times.astype("datetime64[M]")
    day, clock = np.divmod((times - months.astype("datetime64[s]")).astype(np.int64), DAY)
    last = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) - 1
    if not len(times) or np.ptp(clock) or (day != np.minimum(day.max(), last)).any():
        return None
    return months.astype(np.int64)


def at_places(times: np.ndarray, places: np.ndarray, unit: str) -> np.ndarray:
    """The datetime64[s] of places as `spacing` of `times` numbers them."""
    if unit == "s":
        return places.astype("datetime64[s]")
    months = times.astype("datetime64[M]").astype("datetime64[s]")
    within = int((times - months).astype(np.int64).max())  # the longest month shows the day that is meant
    begin = places.astype("datetime64[M]")
    last = ((begin + 1).astype("datetime64[D]") - begin.astype("datetime64[D]")).astype(np.int64) - 1
    day = np.minimum(within // DAY, last)
    return begin.astype("datetime64[s]") + (day * DAY + within % DAY).astype("timedelta64[s]")


def check_even(times: np.ndarray, where: Callable[[int], str], *, local: bool = False) -> Spacing:
    """The spacing of rows that are even; raises ValueError, with `where` of the first row that is not.

    `local` says that the times have no zone: a step that is an hour off may be a clock change.
    """
    found = spacing(times)
    steps = np.diff(found.places)
    if not len(wrong := np.flatnonzero((steps != found.step) | (steps <= 0))):
        return found
    k = int(wrong[0])
    now, before, off = spoken(times[k + 1]), spoken(times[k]), int(steps[k]) - found.step
    at, clock = where(k + 1), _clock_change(found, off, times[k]) if local else ""
    if steps[k] == 0:
        raise ValueError(f"{at}: the time {now} is there twice; keep one row{clock}")
    if steps[k] < 0:
        raise ValueError(f"{at}: {now} comes after {before}; sort the rows by time{clock}")
    if stray := _stray_month(times, found):
        k, day = stray
        raise ValueError(f"{where(k)}: {spoken(times[k])} is not on {day} of its month as most rows are; correct "
                         "it, or set data.resample=month")
    remedy = (f"take means of even steps (data.resample={found.rule})" if steps[k] % found.step else
              "fill the gap (data.fill=linear, previous or zero), or resample to longer steps (data.resample=...)")
    raise ValueError(f"{at}: {now} is {found.spoken(int(steps[k]))} after {before}, expected {found.spoken()} as "
                     f"between most rows; {remedy}{clock}")


def spoken(time: np.datetime64) -> str:
    return str(time.astype("datetime64[s]")).replace("T", " ")


def _usual(places: np.ndarray) -> int:
    """The most common positive step, the smallest of several; 0 where there is none."""
    steps = np.diff(places)
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(sizes[counts.argmax()]) if len(sizes) else 0


def _clock_change(found: Spacing, off: int, before: np.datetime64) -> str:
    """A hint where a step is an hour off at night (on Lord Howe half an hour)."""
    at_night = (int(before.astype("datetime64[s]").astype(np.int64)) + 3600) % DAY < 6 * 3600
    if found.unit != "s" or found.step > 3600 or abs(off) not in (1800, 3600) or not at_night:
        return ""
    return "; if clocks changed here, name the zone of these local times: data.zone=Europe/Berlin, or yours"


def _stray_month(times: np.ndarray, found: Spacing) -> tuple[int, str] | None:
    """Row and usual day of the month, where rows are a month apart but for some that are on another day."""
    if found.unit != "s" or found.step < 28 * DAY:
        return None
    months = times.astype("datetime64[M]")
    day = (times.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    left = ((months + 1).astype("datetime64[D]") - times.astype("datetime64[D]")).astype(np.int64) - 1
    usual = int(np.bincount(day).argmax())
    wrong, name = min((np.flatnonzero(day != usual), f"day {usual + 1}"), (np.flatnonzero(left), "the last day"),
                      key=lambda one: len(one[0]))
    return (int(wrong[0]), name) if 0 < len(wrong) < 0.2 * len(times) else None
