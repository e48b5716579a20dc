"""Rows of several seeds to one line per cell: mean, standard error, confidence interval."""

import math
import statistics
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from convscope.rows import Row

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("study", "data", "split", "model", "method", "condition")  # columns before the axes, in this order
STATISTICS = ("mean", "sem", "ci95", "n_seeds", "n")                   # columns after metric and unit


def over_seeds(rows: Iterable[Row]) -> "pd.DataFrame":
    """One line per cell: the columns IDENTITY, axis.*, metric, unit, then STATISTICS (mean, sem, ci95, n_seeds, n).

    Every axis is a column `axis.<name>` (NaN where a row has no such axis; 0 and 0.0 are one value, True and 1 are
    two). sem is the sample standard deviation (ddof 1) over sqrt(n_seeds), ci95 the half-width of Student's interval;
    both are NaN for one seed. n is the number of samples behind one seed's value, the smallest where seeds differ.
    Lines are sorted, and neither they nor their numbers depend on the order of the rows. Raises ValueError where a seed
    measured a cell twice.
    """
    import pandas as pd

    cells: dict[tuple[Any, ...], dict[int, Row]] = {}
    for row in rows:
        seeds = cells.setdefault(_key(row), {})
        if row.seed in seeds:
            raise ValueError(
                f"expected one {row.metric} ({row.split}) of {row.method} with {row.model} per seed, got two for seed "
                f"{row.seed} at axes {dict(row.axes)} (runs {seeds[row.seed].run_id} and {row.run_id}): merge the rows")
        seeds[row.seed] = row
    axes = sorted({axis for seeds in cells.values() for row in seeds.values() for axis in row.axes})
    lines = [_line(list(cells[key].values()), axes) for key in sorted(cells)]
    return pd.DataFrame(lines, columns=[*IDENTITY, *(f"axis.{a}" for a in axes), "metric", "unit", *STATISTICS])


def spread(values: list[float]) -> tuple[float, float, float]:
    """Mean, standard error (ddof 1) and 95 % half-width (Student's t) of values; the spreads of one value are NaN."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan, math.nan
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes a second to import

    sem = statistics.stdev(values) / math.sqrt(len(values))
    return mean, sem, float(stdtrit(len(values) - 1, 0.975)) * sem


def _line(rows: list[Row], axes: list[str]) -> dict[str, Any]:
    first = rows[0]
    mean, sem, ci95 = spread([float(row.value) for row in rows])
    return {
        **{name: getattr(first, name) for name in (*IDENTITY, "metric", "unit")},
        **{f"axis.{a}": first.axes.get(a, math.nan) for a in axes},
        "mean": mean, "sem": sem, "ci95": ci95, "n_seeds": len(rows), "n": min(row.n for row in rows),
    }


def _key(row: Row) -> tuple[Any, ...]:
    """Sortable identity of what a row measures, without its seed: texts, then axes as (name, rank of type, value)."""
    axes = tuple((name, *_rank(row.axes[name])) for name in sorted(row.axes))
    return (*(getattr(row, name) for name in IDENTITY), axes, row.metric, row.unit)


def _rank(value: float | int | str | bool) -> tuple[int, Any]:
    """Numbers compare with numbers only, so that an axis of mixed types still sorts."""
    return (0 if isinstance(value, bool) else 2 if isinstance(value, str) else 1), value
