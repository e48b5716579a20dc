"""Numbers as people and programs write them, and what cells say of their decimal mark."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal

MARKS = {"point": ".", "comma": ",", ".": ".", ",": ",", "auto": ""}
FORMS = {  # a group of three digits is the thousands' where the other mark is the decimal's
    ".": re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(,\d{3})+)?(\.\d*)?([eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)?(,\d*)?([eE][+-]?\d+)?", re.ASCII),
}
DIGIT = re.compile(r"^[+-]?[.,]?[0-9]")
GROUPED = re.compile(r"(?<=\d)[ '\u2019\u00a0\u202f\u2009](?=\d{3}(?!\d))")  # 1 234 567, 1'234'567


def number(text: str, mark: str) -> float | None:
    """The finite number that a cell holds, its decimal mark being `mark`; or None.

    An empty mark is one that nothing has settled: then a point is a decimal's, and a comma none of a number's. Digits
    are 0 to 9; `_`, inf and nan are none of a number's, though Python's own `float` takes them.
    """
    plain = _plain(text, mark)
    return None if plain is None or not math.isfinite(value := float(plain)) else value


def exact(text: str, mark: str) -> Decimal | None:
    """As `number`, without rounding: ids of 20 digits differ."""
    plain = _plain(text, mark)
    return None if plain is None else Decimal(plain)


def _plain(text: str, mark: str) -> str | None:
    """As Python writes it."""
    text = tidy(text)
    if (not mark and "," in text) or not FORMS[mark or "."].fullmatch(text) or not DIGIT.search(text):
        return None
    return text.replace(".", "").replace(",", ".") if mark == "," else text.replace(",", "")


def tidy(text: str) -> str:
    """Without what only groups digits, and with the minus of typesetting as a minus."""
    text = text.strip()
    if text.isascii() and " " not in text and "'" not in text:
        return text
    return GROUPED.sub("", text.replace("\u2212", "-"))


def decimal_mark(cells: Iterable[tuple[str, str]], commas_separate: bool) -> str:
    """The decimal mark of (place, cell) pairs of numbers: a point, a comma, or empty where no cell has either.

    "1,5" can only be a decimal's comma, "1,234.5" and "1,234,567" only a thousands'; "1,234" may be both, and so may
    "1.234" where commas do not separate cells. Raises ValueError where cells tell both, or only such are there.
    """
    seen: dict[str, tuple[str, str]] = {}
    either = None
    for where, text in cells:
        if "," not in text and ("." not in text or "." in seen):
            continue
        fits = [mark for mark in ".," if number(text, mark) is not None]
        if len(fits) == 1:
            seen.setdefault(fits[0], (where, text.strip()))
        elif fits and ("," in text or not commas_separate):
            either = either or (where, text.strip())
    if len(seen) == 2:
        (point, with_point), (comma, with_comma) = seen["."], seen[","]
        raise ValueError(f"{point} writes {with_point!r} and {comma} {with_comma!r}: write all numbers with one "
                         "decimal mark, and say which: data.decimal=point or data.decimal=comma")
    if either and not seen:
        raise ValueError(f"{either[0]}: {either[1]!r} may be {number(either[1], '.'):.10g} or "
                         f"{number(either[1], ','):.10g}; say data.decimal=point or data.decimal=comma")
    return next(iter(seen), "")
