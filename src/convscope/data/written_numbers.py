"""Numbers as people write them: a whole column has one reading, or is refused by the setting that would decide."""

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "."))
MARKS = {"point": ".", "comma": ","}  # in the words of data.decimal: a bare comma is Hydra's own
_PLAIN = {mark: re.compile(rf"[+-]?([0-9]+([{mark}][0-9]*)?|[{mark}][0-9]+)([eE][+-]?[0-9]+)?") for mark in ".,"}
_GROUPED = {mark: re.compile(rf"[+-]?[1-9][0-9]{{0,2}}((?P<group>[{other}'’ \u00a0\u202f])[0-9]{{3}})"
                             rf"((?P=group)[0-9]{{3}})*([{mark}][0-9]+)?") for mark, other in (".,", ",.")}


def read_numbers(cells: Sequence[str], where: Callable[[int], str], *, decimal: str = "",
                 commas_separate: bool = False) -> np.ndarray:
    """float64 [N] of a column's cells, NaN where one is missing (empty, NA, nan, ?, ...).

    1234.5, 1,234.5, 1.234,5 and 1 234,5 are read where all cells agree on the decimal mark. Where cells are separated
    by commas, a column without a comma has decimal points; elsewhere 1.234 alone may be either. Raises ValueError, with
    `where` of the cell, for what is no finite number and for what could be two.
    """
    texts = [cell.strip().replace("−", "-") for cell in cells]
    if not decimal and commas_separate and not any("," in text for text in texts):
        decimal = "point"
    marks = MARKS[decimal] if decimal else ".,"
    found = {mark: [_number(text, mark) for text in texts] for mark in marks}
    whole = {mark: np.array(values, dtype=np.float64) for mark, values in found.items() if None not in values}
    if not whole:
        raise ValueError(_refusal(texts, found, where))
    first, *others = whole
    for other in others:
        same = (whole[first] == whole[other]) | np.isnan(whole[first])
        if not same.all():
            k = int(np.flatnonzero(~same)[0])
            raise ValueError(f"{where(k)}: {cells[k].strip()[:40]!r} may be {whole['.'][k]:.10g} or "
                             f"{whole[','][k]:.10g}; say which by data.decimal=point or data.decimal=comma")
    return whole[first]


def is_number(text: str) -> bool:
    """Whether a cell is a finite number with either decimal mark."""
    text = text.strip().replace("−", "-")
    return any(_number(text, mark) is not None for mark in ".,") and not is_missing(text)


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.strip().lower() in MISSING


def _number(text: str, mark: str) -> float | None:
    """NaN where a value is missing, None where the text is no finite number with this decimal mark."""
    if _PLAIN[mark].fullmatch(text):
        value = float(text.replace(mark, "."))
    elif match := _GROUPED[mark].fullmatch(text):
        value = float(text.replace(match["group"], "").replace(mark, "."))
    else:
        return math.nan if is_missing(text) else None
    return value if math.isfinite(value) else None


def _refusal(texts: Sequence[str], found: dict[str, list[float | None]], where: Callable[[int], str]) -> str:
    """Of the mark that reads most cells, the first that it does not."""
    mark = min(found, key=lambda mark: found[mark].count(None))
    k = found[mark].index(None)
    other = next((one for one in found if found[one][k] is not None), "")
    example = "1234.5" if mark == "." else "1234,5"
    hint = f"other rows have a decimal {'point' if mark == '.' else 'comma'}" if other else "correct it"
    return f"{where(k)}: expected a finite number such as {example}, got {texts[k][:40]!r}; {hint}"
