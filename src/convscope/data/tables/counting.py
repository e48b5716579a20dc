"""Columns that number or name the rows: no measurement, and in a sorted file the class."""

import re

import numpy as np

MANY = 20  # rows of which no two have the same whole number by chance
UNNAMED = re.compile(r"|unnamed:.*|\.\.\.\d+", re.IGNORECASE)  # pandas; readr
NUMBERING = re.compile(r"(index|idx|level_0|rows?|row[ _.-]?(names?|id|index|no|nr|num(ber)?)|obs(ervation)?|no\.?"
                       r"|nr\.?|#|num(ber)?|counter|lfd\.?([ _-]?nr\.?)?|id|.*[ _.-](id|no|nr)|identifier"
                       r"|sample[ _-]?number)", re.IGNORECASE)
CAMEL = re.compile(r".*[a-z]I[Dd]")  # PassengerId


def steps(values: np.ndarray) -> bool:
    """Whether these are whole numbers, each one more than the last."""
    return len(values) > 2 and float(values[0]).is_integer() and bool((np.diff(values) == 1).all())


def restarts(values: np.ndarray) -> bool:
    """As `steps`, beginning again at times: files that were put together."""
    apart = np.diff(values)
    return len(values) > 2 and float(values[0]).is_integer() and bool(
        ((apart == 1) | (values[1:] == values[0])).all() and (apart == 1).mean() > 0.8)


def distinct(values: np.ndarray) -> bool:
    """Whether these are whole numbers, no two the same: an index of shuffled or chosen rows."""
    return bool((values == np.round(values)).all()) and len(np.unique(values)) == len(values)


def even(values: np.ndarray) -> bool:
    """Whether each of these is as much more than the last as everywhere."""
    apart = np.diff(values)
    return len(values) > 2 and apart[0] != 0 and bool(np.allclose(apart, apart[0], rtol=1e-6, atol=0))


def unnamed(name: str) -> bool:
    return UNNAMED.fullmatch(name) is not None


def numbering(name: str) -> bool:
    """Whether a name says that the column only tells rows apart."""
    return NUMBERING.fullmatch(name) is not None or CAMEL.fullmatch(name) is not None


def numbers_rows(values: np.ndarray, name: str | None, first: bool) -> bool:
    """Whether a column float64 [N] in the file's order only numbers the rows, so that it is to be left out.

    Without a name: where it counts, also in tenths, restarts or has no whole number twice. Named as an index or id:
    where it counts, or no number of MANY is there twice. In a file without a heading: where it is the first one and
    holds 0 to N - 1 or 1 to N, of less than MANY rows in order.
    """
    if np.isnan(values).any():
        return False
    if name is None:
        whole = len(values) >= MANY and distinct(values) and np.ptp(values) == len(values) - 1
        return first and values.min() in (0, 1) and (whole or steps(values))
    if unnamed(name):
        return distinct(values) or restarts(values) or even(values)
    return numbering(name) and (steps(values) or (len(values) >= MANY and distinct(values)))
