"""The tables of a study that draws none of its own: every metric, what was varied against methods."""

import json
from collections.abc import Sequence
from typing import Any

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.tables import Table, grid, number, percent
from convscope.reporting.words import capital, seeds, short
from convscope.rows import Row


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table for every metric and split: a line for each data set, model and point of the axes; columns: methods."""
    lines: Any = over_seeds(rows)
    axes = [c for c in lines if str(c).startswith("axis.") and lines[c].map(_text).nunique() > 1]
    single = lines["data"].nunique() == 1
    for column in ("model", "method", "condition"):
        lines[column] = short(lines[column])
    lines["who"] = [", ".join([*([] if single else [line["data"]]), line["model"], *(
        f"{axis.removeprefix('axis.')} {_text(line[axis])}" for axis in axes if line[axis] == line[axis])])
        for _, line in lines.iterrows()]
    lines["what"] = [line["method"] if line["condition"] == "none" else f"{line['method']}, {line['condition']}"
                     for _, line in lines.iterrows()]
    found = []
    for (metric, split), own in lines.groupby(["metric", "split"], sort=False):
        fraction = set(own["unit"]) == {"fraction"}
        unit = "%" if fraction else ", ".join(sorted(filter(None, set(own["unit"]))))
        what = f"{capital(str(metric)).replace('_', ' ')}{f' ({unit})' if unit else ''}"
        found.append(grid(
            own, name=metric if lines.loc[lines["metric"] == metric, "split"].nunique() == 1 else f"{metric}_{split}",
            rows="who", columns="what", best=False, show=percent if fraction else number, index_name="model",
            caption=f"{what} on the {split} split of {', '.join(sorted(set(own['data'])))}, {seeds(own)}."))
    return found


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value) if isinstance(value, bool) else str(value)
