"""Opening a csv: how many columns it has, and whether its first line names them, as its rows say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NamedTuple

from convscope.data import csv_rows
from convscope.data.numbers import number
from convscope.data.tables.meaning import tidy
from convscope.data.tables.settings import Settings

SAMPLE = 1000            # rows that decide,
SAMPLE_CELLS = 200_000   # or fewer of a wide table
Row = tuple[int, list[str]]


class Opened(NamedTuple):
    """A file whose rows are still to be read: `names` of its columns, or None without a heading; rows of one width."""

    file: Path
    names: tuple[str, ...] | None
    width: int
    sample: list[Row]
    rows: Iterator[Row]

    def called(self, place: int) -> str:
        """A column in words: by its number from 1, and by its name where it has one."""
        name = self.names[place] if self.names else ""
        return f"column {place + 1}" + (f" ({name[:40]!r})" if name else "")


def opened(file: Path, settings: Settings) -> Opened:
    """Raises ValueError for a file without rows, of one column, or whose first line fits neither rows nor names."""
    rows = csv_rows.read(file, **settings.reading)
    sample = list(islice(rows, 1))
    if not sample:
        raise ValueError(f"{file} has no rows: expected one line per sample, features and its class")
    sample += islice(rows, min(SAMPLE, max(2, SAMPLE_CELLS // len(sample[0][1]))))
    width = _width(file, sample)
    head, names = None, None
    if heads(file, sample, width, settings):
        head = sample.pop(0)[1]
        names = _names(file, head, width, sample)
    blank = _blank(names, width, sample)
    if not sample:
        raise ValueError(f"{file} has no rows below its heading: expected one line per sample, features and its class")
    if width - blank < 2:
        raise ValueError(f"{file.name} line {sample[0][0]}: expected at least 2 columns, got {width - blank}: features "
                         "and the class, separated by commas, semicolons or tabs")
    names = names[:width - blank] if names else None
    return Opened(file, names, width - blank, sample, _even(file, chain(sample, rows), width, blank, head))


def heads(file: Path, sample: Sequence[Row], width: int, settings: Settings) -> bool:
    """Whether the first of these rows names the columns: it does where it has texts above columns of numbers.

    A number above numbers, or texts that their own columns have again, speak for a row. Raises ValueError where both
    are to be seen, or where only texts that occur once speak against a row: that would be a class of one.
    """
    if settings.heading is not None:
        return settings.heading
    (line, first), rest = sample[0], [cells for _, cells in sample[1:]]
    if len(first) != width:
        return True
    if not rest:
        return any(_text(cell, settings) for cell in first[:-1])
    said = Counter(_speaks(cell, [cells[j] for cells in rest if len(cells) > j], settings)
                   for j, cell in enumerate(first))
    if said["names"] > said["again"] and not said["number"]:  # a class may be called as its column
        return True
    if not said["names"] and (said["again"] or not said["once"]):
        return False
    if not said["names"] and not said["number"]:
        return True  # texts alone, each of them new to its column
    raise ValueError(f"{file.name} line {line} may be a heading or a row: {', '.join(first)[:100]!r} has "
                     f"{said['number']} numbers above numbers and {said['names'] + said['once']} texts that their "
                     f"columns lack; say data.heading=true or data.heading=false, or pass over it: data.skip={line}")


def _speaks(first: str, rest: Sequence[str], settings: Settings) -> str:
    """What a column says of its first cell: names, number, again, once, or nothing."""
    told = [cell for cell in rest if not settings.nothing(cell)]
    if settings.nothing(first) or not told:
        return "nothing"
    numeric = 2 * sum(not _text(cell, settings) for cell in told) >= len(told)
    if not _text(first, settings):
        return "number"
    if numeric:
        return "names"
    kinds = {tidy(cell).casefold() for cell in told}
    if tidy(first).casefold() in kinds:
        return "again"
    return "once" if len(kinds) < len(told) else "nothing"


def _text(cell: str, settings: Settings) -> bool:
    return not settings.nothing(cell) and number(cell, ".") is None and number(cell, ",") is None


def _width(file: Path, sample: Sequence[Row]) -> int:
    """The cells of a row: as in the first one, unless the rows below agree on one more, which has no name then.

    Raises ValueError for lines above the table.
    """
    first, rest = len(sample[0][1]), Counter(len(cells) for _, cells in sample[1:])
    width, count = max(rest.items(), key=lambda item: item[1], default=(first, 0))
    if count < 2 or 2 * count <= len(sample) or width == first or (width == first + 1 and len(rest) == 1):
        return width if len(rest) == 1 and count > 1 else first
    start = next(line for line, cells in sample if len(cells) == width)
    raise ValueError(f"{file.name} line {sample[0][0]} has {first} columns, most rows below it have {width}; if the "
                     f"table begins at line {start}, pass over what is above: data.skip={start - 1}")


def _names(file: Path, cells: Sequence[str], width: int, sample: Sequence[Row]) -> tuple[str, ...]:
    """Names without quotes; where one is short, rows end with a separator, or begin with a name of theirs (R).

    Raises ValueError where the first cells of rows are no names: commas may be decimals' without quotes.
    """
    names = tuple(name.strip("'\"").strip() if name[:1] in ("'", '"') else name for name in map(tidy, cells))
    if len(names) >= width:
        return names
    if not any(row[-1].strip() for _, row in sample):
        return (*names, "")
    values = [number(row[0], ".") for _, row in sample]
    counted = None not in values and all(b == a + 1 for a, b in pairwise(v for v in values if v is not None))
    if not counted and any(value is not None for value in values):
        raise ValueError(f"{file.name} has {len(names)} names for {width} columns: name the first column too, or quote "
                         "numbers with a comma inside")
    return ("", *names)


def _blank(names: Sequence[str] | None, width: int, sample: Sequence[Row]) -> int:
    """How many columns at the end are empty and have no name: a separator ends every line."""
    for count in range(width if sample else 0):
        place = width - count - 1
        if (names and names[place]) or any(cells[place].strip() for _, cells in sample if len(cells) == width):
            return count
    return 0


def _even(file: Path, rows: Iterator[Row], width: int, blank: int, head: list[str] | None) -> Iterator[Row]:
    for line, cells in rows:
        if cells == head:
            raise ValueError(f"{file.name} line {line} is the heading again; remove it")
        if len(cells) != width or (blank and any(map(str.strip, cells[width - blank:]))):
            raise ValueError(f"{file.name} line {line}: expected {width - blank} columns, got {len(cells)}, as many as "
                             "in the first line; a cell with a separator inside needs quotes")
        yield line, cells
