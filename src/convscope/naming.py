"""What the cells of one sweep are called: two that a report could not tell apart get longer names, or are refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convscope.data.loading import labels_apart
from convscope.family import ConfigError
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.study import Cell


@dataclass(frozen=True)
class Called(Run):
    """A run whose rows name their data as one sweep does; what is stored is the same for every sweep."""

    data: str = ""

    def rows(self) -> list[Row]:
        return [replace(row, data=self.data) for row in super().rows()]


def called(cell: Cell) -> Run:
    """The cell's run, with the data's label of this sweep in its rows."""
    run = cell.run
    if cell.data_label == cell.subject.data_label:
        return run
    return Called(run.root, run.study, run.id, run.identity, cell.data_label)


def told_apart(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of a sweep, those of two data sets of one label (site_a/x.csv, site_b/x.csv) with longer ones.

    Raises ConfigError for two files of weights in one sweep: no row names them.
    """
    named = [i for i, cell in enumerate(cells) if cell.subject.data is not None]
    found = list(cells)
    for i, label in zip(named, labels_apart([cells[i].subject.data for i in named]), strict=True):
        if label != cells[i].subject.data_label:
            found[i] = replace(cells[i], cfg={**cells[i].cfg, "env": {**cells[i].env, "called": label}})
    by_title: dict[str, set[str]] = {}
    for cell in found:
        if cell.cfg.get("weights") is not None:
            by_title.setdefault(cell.title, set()).add(str(cell.cfg["weights"]))
    for files in by_title.values():
        if len(files) > 1:
            raise ConfigError(f"weights: a report would not tell {' and '.join(sorted(files)[:2])} apart; give a "
                              "command for each")
    return found
