"""Which rows and columns of a csv are a series: by name or place, or because there is only one that can be."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convscope.data import csv_rows
from convscope.data.written_numbers import is_missing, is_number
from convscope.data.written_times import reads_as_times

LOOKED_AT = 200  # cells that tell what a column holds
PARTS_OF_TIMES = ("month", "mon", "day", "hour", "time", "clock")
INDICES = ("", "rownames", "index", "unnamed: 0", "row", "id", "no", "nr", "#")  # as pandas and R call a row's number
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?( ?[AP]M)?", re.I)


@dataclass(frozen=True)
class Sheet:
    """Rows of a csv below its heading, with the line in which each begins; `commas` separate its cells, or do not."""

    file: Path
    heading: int  # its line
    heads: list[str]
    lines: list[int]
    rows: list[list[str]]
    commas: bool

    def column(self, at: int) -> list[str]:
        return [row[at].strip() for row in self.rows]

    def where(self, k: int) -> str:
        return f"{self.file.name} line {self.lines[k]}"

    def some(self, at: int) -> list[str]:
        """Cells from all over a column that are not missing."""
        cells = [row[at].strip() for row in self.rows if not is_missing(row[at])]
        return cells[::-(-len(cells) // LOOKED_AT) or 1]

    def named(self, places: Sequence[int]) -> str:
        return ", ".join(self.heads[at] or f"(number {at + 1})" for at in places)[:200]


def read_sheet(file: Path, **written: Any) -> Sheet:
    """The rows of a csv or csv.gz; raises ValueError where it is empty, or its rows differ in length.

    `written` is how the file is: what `csv_rows.read` takes.
    """
    rows = csv_rows.read(file, **written)
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{file} is empty: expected a heading, then one row per time")
    heads = [head.strip() for head in first[1]]
    if len(heads) < 2:
        raise ValueError(f"{file.name} must have a column of times and one of values, separated by commas, semicolons "
                         f"or tabs, got only: {heads[0][:200]}")
    sheet = Sheet(file, first[0], heads, [], [], csv_rows.separator(file, **written) == ",")
    for line, cells in rows:
        if len(cells) != len(heads):
            raise ValueError(f"{file.name} line {line}: expected {len(heads)} columns as in the heading, got "
                             f"{len(cells)}; quote a cell that holds what separates them")
        sheet.lines.append(line)
        sheet.rows.append(cells)
    return sheet


def kept(sheet: Sheet, conditions: Sequence[str]) -> Sheet:
    """The rows of one series in a long table: `column:value` each, or `column=value`."""
    for told in conditions:
        cuts = [cut for cut, mark in enumerate(told) if mark in ":=" and told[:cut].strip() in sheet.heads]
        if not cuts:
            raise ValueError(f"{sheet.file.name}: data.where must be column:value with one of its columns, "
                             f"{sheet.named(range(len(sheet.heads)))}, got {told!r}")
        at, wanted = sheet.heads.index(told[:cuts[0]].strip()), told[cuts[0] + 1:].strip()
        found = sheet.column(at)
        if wanted not in found:
            there = ", ".join(list(dict.fromkeys(found))[:12])[:200]
            raise ValueError(f"{sheet.file.name}: no row has {wanted!r} in the column {sheet.heads[at]!r}; there are: "
                             f"{there}")
        keep = [k for k, cell in enumerate(found) if cell == wanted]
        sheet = replace(sheet, lines=[sheet.lines[k] for k in keep], rows=[sheet.rows[k] for k in keep])
    return sheet


def place(sheet: Sheet, name: str) -> int:
    """A column by its name, or by its number from 1 on where none is called so."""
    if sheet.heads.count(name) == 1:
        return sheet.heads.index(name)
    if name not in sheet.heads and name.isdecimal() and name.isascii() and 1 <= int(name[:9]) <= len(sheet.heads):
        return int(name[:9]) - 1
    raise ValueError(f"{sheet.file.name} must have one column {name!r}, got {sheet.heads.count(name)}; there are: "
                     f"{sheet.named(range(len(sheet.heads)))}")


def time_columns(sheet: Sheet, name: str) -> list[int]:
    """The columns whose cells, joined, are the times: those of `name` (date+clock), or the only one that reads so.

    Written dates go before digits alone, of which times are those that ascend; of several, the one that is called so.
    Without any it is the first: its cells are then refused one by one.
    """
    if name:
        parts = [name] if name in sheet.heads or "+" not in name else name.split("+")
        return [place(sheet, part.strip()) for part in parts]
    reads = [at for at in range(len(sheet.heads)) if _mostly(sheet.some(at), lambda cell: reads_as_times([cell]))]
    written = [at for at in reads if not _mostly(sheet.some(at), is_number)]
    found = written or [at for at in reads if sheet.heads[at]] or reads
    if not written and len(found) > 1:
        found = [at for at in found if _ascends(sheet.column(at))] or found
    if len(found) > 1:
        called = [at for at in found if any(word in sheet.heads[at].lower() for word in ("time", "date", "year"))]
        found = called if len(called) == 1 else found
    if len(found) > 1:
        raise ValueError(f"{sheet.file.name} has several columns of times: {sheet.named(found)}; choose one, as "
                         f"data.time={sheet.named(found[:1])}")
    return found or [0]


def value_column(sheet: Sheet, name: str, of_time: Sequence[int]) -> int:
    """The column of `name`, or the only one of numbers beside the times; of several, not one that numbers the rows."""
    if name:
        at = place(sheet, name)
        if at in of_time:
            raise ValueError(f"{sheet.file.name}: times and values cannot both be of the column {sheet.heads[at]!r}; "
                             "name both")
        return at
    others = [at for at in range(len(sheet.heads)) if at not in of_time]
    found = [at for at in others if _mostly(sheet.some(at), is_number)]
    if len(found) > 1:
        found = [at for at in found if sheet.heads[at].lower() not in PARTS_OF_TIMES] or found
        found = [at for at in found if not _numbers_rows(sheet, at)] or found
    if not found and len(others) == 1:
        return others[0]
    if len(found) != 1:
        several = f"has {len(found)} columns of numbers: {sheet.named(found)}" if found else (
            f"has no column of numbers beside {sheet.named(of_time)}; its columns are {sheet.named(others)}")
        raise ValueError(f"{sheet.file.name} {several}; choose one, as data.column="
                         f"{sheet.named(found[:1]) or sheet.named(others[:1])}")
    return found[0]


def several_rows(sheet: Sheet, of_time: Sequence[int], of_value: int) -> str:
    """What may be meant where a time is there more than once: one series of several, or a time in two columns."""
    others = [at for at in range(len(sheet.heads)) if at not in (*of_time, of_value)]
    for at in others:
        clocks = _mostly(sheet.some(at), lambda cell: bool(_CLOCK.fullmatch(cell)))
        if clocks or sheet.heads[at].lower() in PARTS_OF_TIMES:
            return f"; or join the columns of the time: data.time={'+'.join(sheet.heads[k] for k in [*of_time, at])}"
    for at in others:
        cells = sheet.some(at)
        if not _mostly(cells, is_number) and 1 < len(set(cells)) <= len(cells) / 2:
            return f"; or keep one of several series: data.where={sheet.heads[at]}:{cells[0][:40]}"
    return ""


def _mostly(cells: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return bool(cells) and sum(map(holds, cells)) >= len(cells) / 2


def _ascends(cells: Sequence[str]) -> bool:
    numbers = [float(cell) if is_number(cell) and "," not in cell else None for cell in cells]
    return all(a is not None and b is not None and a < b for a, b in zip(numbers, numbers[1:], strict=False))


def _numbers_rows(sheet: Sheet, at: int) -> bool:
    """Whether a column is 0, 1, 2, ... or 1, 2, 3, ... and called by none of a value's names."""
    cells = sheet.column(at)
    return sheet.heads[at].lower() in INDICES and cells[0] in ("0", "1") and all(
        cell == str(k) for k, cell in enumerate(cells, int(cells[0])))
