"""The numbers that a paper prints, and which line of ours stands beside each: its tables, and the ledger's lines."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convscope.reporting.ledger import LedgerRow, judge
from convscope.reporting.tables import Table, paper_table
from convscope.rows import Row

Frame = Any  # a pandas DataFrame of lines over the seeds
Reports = Mapping[str, tuple[Sequence[Row], Frame]]  # by a report's name: its rows, and lines of them over the seeds


@dataclass(frozen=True)
class Printed:
    """One number of a paper, by the parts of its name in the paper's table; `at` must hold of our line's columns.

    `shorter` names what the paper had of an axis where ours may have less: then the line that has most is taken, and
    the note says how much that is, and by which model where it is not `model`. `missing` says why there may be none.
    """

    names: tuple[str, ...]
    value: float
    at: Mapping[str, Any]
    model: str = ""
    shorter: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    note: str = ""
    missing: str = ""

    def line(self, lines: Frame) -> Any:
        """Our line for this number, or None; raises ValueError where several could be meant."""
        for column, value in self.at.items():
            lines = lines[lines[column] == value] if column in lines else lines.iloc[:0]
        if len(lines) > 1 and not self.shorter:
            raise ValueError(f"expected one result beside the paper's for {' with '.join(self.names)}, got {len(lines)}"
                             f": {', '.join(lines.get('who', lines['model']))}; keep the variants in a report of their "
                             "own")
        return None if lines.empty else max((line for _, line in lines.iterrows()), key=self.rank)

    def rank(self, line: Any) -> tuple[float, ...]:
        """How close a line comes to what the paper had; then by seeds."""
        return (*(_number(line, axis) for axis in self.shorter), float(line["n_seeds"]))

    def less(self, line: Any) -> str:
        """What our line had less of than the paper's number, in words; empty where nothing."""
        words = [f"{_number(line, axis):,.0f} of the paper's {paper:,} {unit}"
                 for axis, (paper, unit) in self.shorter.items() if _number(line, axis) < paper]
        return ", ".join([*words, *([f"network {line['model']}"] if self.shorter and line["model"] != self.model
                                    else [])])


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper: its numbers, our name and caption for it, and the preset that measures it.

    `index` heads the parts of the numbers' names; `tolerance` is in the value's unit; `command` makes the command of a
    number from the report's name, our line (or None) and the report's rows.
    """

    paper: str
    title: str
    name: str
    caption: str
    preset: str
    numbers: Sequence[Printed]
    index: Sequence[str]
    show: Callable[..., str]
    command: Callable[[str, Printed, Any, Sequence[Row]], str]
    tolerance: Callable[[float], float]
    unit: str = "fraction"
    called: str = ""  # what the numbers are of, where a table of the paper has several kinds

    def beside(self, lines: Frame, note: str = "") -> Table | None:
        """Paper, ours and difference; None where nothing is measured. `note` ends the caption."""
        import pandas as pd

        found = [(one, one.line(lines)) for one in self.numbers]
        if all(line is None for _, line in found):
            return None
        nothing = {"mean": math.nan, "sem": math.nan, "n_seeds": 0}
        names = [one.names for one, _ in found]
        return paper_table(
            self.name, self.caption + _shorter(found) + note,
            pd.DataFrame([{"paper": one.value, **{key: (nothing if line is None else line)[key] for key in nothing}}
                          for one, line in found],
                         index=pd.MultiIndex.from_tuples(names, names=self.index) if len(self.index) > 1 else
                         [name for name, *_ in names]),
            index_name=self.index[0] if len(self.index) == 1 else "", show=self.show)

    def ledger(self, reports: Reports) -> list[LedgerRow]:
        """One line per number, from the report that comes closest to what the paper had, then by seeds."""
        return [self._ledger_row(one, reports) for one in self.numbers]

    def _ledger_row(self, one: Printed, reports: Reports) -> LedgerRow:
        found = {name: line for name, (_, lines) in reports.items() if (line := one.line(lines)) is not None}
        name = max(found, key=lambda key: (one.rank(found[key]), key == self.preset), default=self.preset)
        line = found.get(name)
        seeds = 0 if line is None else int(line["n_seeds"])
        ours = None if line is None else float(line["mean"])
        note = one.missing if line is None else ", ".join(filter(None, [one.less(line), one.note]))
        return LedgerRow(
            self.paper, self.title, ", ".join(filter(None, [*one.names, self.called])), one.value, ours,
            None if line is None or seeds < 2 else float(line["sem"]), seeds, self.unit,
            judge(one.value, ours, tolerance=self.tolerance(one.value)),
            self.command(name, one, line, () if line is None else reports[name][0]), note)


def _shorter(lines: Sequence[tuple[Printed, Any]]) -> str:
    """What ours had less of than the paper, for a caption: ` Ours: yelp (ConvNet) 1,000 of the paper's 165,000 ...`."""
    told: dict[tuple[str, str], list[str]] = {}
    for one, line in lines:
        if line is not None and (less := one.less(line)):
            told.setdefault((one.names[0], less), []).append(one.names[-1])
    said = [f"{first} ({', '.join(dict.fromkeys(models))}) {less}" for (first, less), models in told.items()]
    return f" Ours: {'; '.join(said)}." if said else ""


def _number(line: Any, axis: str) -> float:
    """A line's value on an axis, -1 where it has none."""
    value = line.get(axis, math.nan)
    return -1.0 if math.isnan(value) else float(value)
