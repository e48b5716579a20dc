"""What separates the cells of a csv: whatever cuts all of its rows into equally many."""

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from convscope.data import numbers

NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}
WORDS = {mark: word for word, mark in NAMED.items()}


def find(name: str, lines: Sequence[str], delimiter: str = "auto", decimal: str = "auto") -> str:
    """The separator of the file `name`, of which `lines` are the first: as `delimiter` says, or by the rows.

    Where several separators cut all rows into equally many cells, it is the one whose cells hold no other, but for the
    comma of a decimal: "1,5;0" is 1.5 and 0. Raises ValueError where none is such.
    """
    if delimiter != "auto":
        return NAMED.get(delimiter, delimiter)
    rows = {mark: _cut(lines, mark) for mark in "\t;|,"}
    even = {mark: cut for mark, cut in rows.items() if _evenness(cut) > 0.5}
    spaced = _cut(lines, " ")
    if _evenness(spaced) == 1 and len(spaced[0]) == _width(spaced) and not _foreign(spaced, set(even)) \
            and all(_foreign(cut, {" "}) for cut in even.values()):
        if even and not all(numbers.number(cell, ",") is not None for row in spaced[1:] for cell in row):
            raise ValueError(f"{name} can be cut at every space or {WORDS[next(iter(even))]}; say which: "
                             "data.delimiter=space")
        return " "
    if not even:
        return max(",;\t|", key=lambda mark: len(rows[mark][0]) if rows[mark] else 0)
    headed = [mark for mark, cut in even.items() if len(cut[0]) == _width(cut)] or list(even)
    if len(headed) > 1 and decimal in (",", "comma"):
        headed = [mark for mark in headed if mark != ","]
    alone = [mark for mark in headed if not _foreign(even[mark], set(headed) - {mark})]
    if len(headed) > 1 and len(alone) != 1:
        words = [WORDS[mark] for mark in headed]
        raise ValueError(f"{name} can be cut at every {' or '.join(words)}; say which: data.delimiter={words[0]}")
    return alone[0] if len(headed) > 1 else headed[0]


def _cut(lines: Sequence[str], mark: str) -> list[list[str]]:
    rows: list[list[str]] = []
    lines = [line.strip() + "\n" for line in lines] if mark == " " else lines
    with suppress(csv.Error):  # what is wrong in them is told with its line when they are read
        rows.extend(row for row in csv.reader(lines, delimiter=mark, skipinitialspace=True) if any(map(str.strip, row)))
    return rows


def _width(rows: Sequence[Sequence[str]]) -> int:
    """How many cells most rows have; a heading does not count."""
    return Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]


def _evenness(rows: Sequence[Sequence[str]]) -> float:
    """The share of the rows that are as long as most; 0 where those have one cell."""
    if not rows or (width := _width(rows)) < 2:
        return 0
    return sum(len(row) == width for row in rows[1:] or rows) / len(rows[1:] or rows)


def _foreign(rows: Sequence[Sequence[str]], marks: set[str]) -> bool:
    """Whether cells hold other separators, but for the comma of a number."""
    cells = (cell for row in rows for cell in row if any(mark in cell for mark in marks))
    return any(numbers.number(cell, ",") is None and numbers.number(cell, ".") is None for cell in cells)
