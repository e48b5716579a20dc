"""The ledger: every number of a paper that convscope reproduces, ours beside it, with a verdict and the command."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convscope import printable
from convscope.reporting.tables import NOT_RUN, number, percent, pipes
from convscope.runs import write_text

Verdict = Literal["reached", "above", "below", "not run"]
COLUMNS = {"cell": "left", "paper": "right", "ours": "right", "n": "right", "difference": "right", "verdict": "left",
           "command": "left", "note": "left"}

GUIDE = """# Ledger

Every value of a paper that convscope reproduces, beside our own. *ours* is the mean ± standard error over *n* seeds.
The verdict is *reached* where ours lies within the tolerance that the study states, else *above* or *below* the paper's
value; *not run* cells have no result yet. The command remakes a line.
"""


@dataclass(frozen=True)
class LedgerRow:
    """One cell of a paper's table: values in `unit` ("fraction" is shown in percent), `n` seeds."""

    paper: str
    table: str
    cell: str
    paper_value: float
    ours: float | None
    sem: float | None
    n: int
    unit: str
    verdict: Verdict
    command: str
    note: str = ""


def judge(paper_value: float, ours: float | None, *, tolerance: float) -> Verdict:
    """ "reached" within the tolerance (its end included), else "above" or "below"; "not run" for None."""
    if tolerance < 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}")
    if ours is None:
        return "not run"
    difference = round(ours - paper_value, 12)  # .86 - .85 is a bit more than .01 in binary
    if abs(difference) <= tolerance:
        return "reached"
    return "above" if difference > 0 else "below"


def markdown(rows: Iterable[LedgerRow]) -> str:
    """The whole ledger: a reading guide, then one table per paper and table, sorted; equal rows give equal text.

    Raises ValueError where a cell appears twice.
    """
    import pandas as pd

    ordered = sorted(rows, key=lambda r: (r.paper, r.table, r.cell))
    for a, b in itertools.pairwise(ordered):
        if (a.paper, a.table, a.cell) == (b.paper, b.table, b.cell):
            raise ValueError(f"expected one line per cell, got two for {a.cell} of {a.table} in {a.paper}: drop one")
    parts = [GUIDE]
    for (paper, table), lines in itertools.groupby(ordered, key=lambda r: (r.paper, r.table)):
        frame = pd.DataFrame(map(_cells, lines), columns=list(COLUMNS), dtype=object)
        parts.append(f"## {_plain(paper)}: {_plain(table)}\n\n{pipes(frame, list(COLUMNS.values()))}\n")
    return "\n".join(parts)


def write(rows: Iterable[LedgerRow], path: Path) -> Path:
    """Writes the markdown, usually to results/ledger.md."""
    write_text(path, markdown(rows))
    return path


def _cells(row: LedgerRow) -> list[str]:
    difference = "" if row.ours is None else _text(row.ours - row.paper_value, row.unit)
    plus = "+" if difference and float(difference.split()[0]) > 0 else ""
    return [_plain(row.cell), _text(row.paper_value, row.unit), _text(row.ours, row.unit, row.sem, row.n), str(row.n),
            plus + difference, row.verdict, f"`{_code(row.command)}`" if row.command else "", _plain(row.note)]


def _text(value: float | None, unit: str, sem: float | None = None, n: int | None = None) -> str:
    if value is None:
        return NOT_RUN
    if unit == "fraction":
        return percent(value, sem, n) + " %"
    if unit == "%":
        return number(value, sem, n, digits=1) + " %"
    return f"{number(value, sem, n)} {unit}".rstrip()


def _code(text: str) -> str:
    return printable.line(text).replace("|", "\\|").replace("`", "'")


def _plain(text: str) -> str:
    text = printable.line(text)
    return text.translate(str.maketrans({c: f"\\{c}" for c in "|<[]"}))
