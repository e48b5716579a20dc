"""Tables from records: one mapping of cells for each line, shown column by column."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convscope.reporting.tables import NOT_RUN, Table

Show = Callable[..., str]


def table(name: str, caption: str, records: Mapping[Any, Mapping[str, Any]], *, index: Sequence[str],
          show: Show | Mapping[str, Show], absent: str = NOT_RUN, unseen: Sequence[str] = (),
          bold: Callable[[Any, str], bool] | None = None) -> Table | None:
    """A table with a line for each record, by its name (a tuple: one part for each heading of `index`).

    A cell is a number, or (mean, standard error, number of seeds); `show` makes its text of these, by column or one for
    all. A cell that a record lacks, or NaN, reads `absent`. Columns stand in the order in which they first come, those
    of `unseen` in the csv alone; `bold(line, column)` says which cells stand out. None where there is no record.
    """
    import pandas as pd

    if not records:
        return None
    columns = list(dict.fromkeys(column for line in records.values() for column in line))
    lines = (pd.Index(list(records), name=index[0], dtype=object) if len(index) == 1
             else pd.MultiIndex.from_tuples(list(records), names=list(index)))
    cells = [[_cell(line.get(column)) for column in columns] for line in records.values()]
    shown = [column for column in columns if column not in unseen]
    text = [[absent if math.isnan(cell[0]) else (show[column] if isinstance(show, Mapping) else show)(*cell)
             for column, cell in zip(columns, line, strict=True) if column in shown] for line in cells]
    strong = None if bold is None else pd.DataFrame(
        [[bold(key, column) for column in shown] for key in records], lines, shown, dtype=bool)
    values = pd.DataFrame([[cell[0] for cell in line] for line in cells], lines, columns)
    return Table(name, caption, values, pd.DataFrame(text, lines, shown, dtype=object), strong,
                 index[0] if len(index) == 1 else "")


def _cell(cell: Any) -> tuple[Any, ...]:
    return (math.nan,) if cell is None else cell if isinstance(cell, tuple) else (cell,)
