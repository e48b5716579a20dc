"""Tables and figures of the study capacity, from its rows and arrays alone."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Any  # a pandas DataFrame

COLUMNS = {"rules": "four rules", "algorithm1": "Algorithm 1", "literal": "Algorithm 1 as printed"}
LAYERS = ("name", "kind", "parameters", "bits_in", "capacity", "bits_out")
DRAWN = 30  # layers with parameters that a picture of one network can hold


def tables(rows: Sequence[Row]) -> list[Table]:
    """Networks with their bits; then, per data set, the widths at which families hold what the data need."""
    lines: Frame = over_seeds(rows)
    found = [_networks(lines)]
    if (lines["method"] == "match").any():
        found.append(_warehouse(lines[lines["method"] == "match"]))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Capacity of each network beside the data's complexity; and networks layer by layer (the paper's Figure 2)."""
    from convscope.reporting.bars import dots, stacks

    lines: Frame = over_seeds(rows)
    found: dict[str, Figure] = {}
    total = lines[(lines["metric"] == "capacity_bits") & (lines["method"] == "rules")]
    needs = lines[lines["method"] == "needs"]
    for data in sorted(set(total["data"])):
        own = total[total["data"] == data].sort_values("mean")
        levels = {}
        for _, line in needs[needs["data"] == data].drop_duplicates("axis.target").iterrows():
            levels[f"{data}: {line['n']:,} samples"] = float(line["mean"])
        found[f"match_{_slug(data)}"] = dots(
            dict(zip(own["model"], own["mean"], strict=True)), levels=levels, x_label="bits",
            title=f"What networks hold, and what the data need ({data})" if levels else f"What networks hold ({data})")
    for key in sorted({key.rpartition("/")[0] for key in arrays}):
        layers = {name: arrays[f"{key}/{name}"] for name in LAYERS}
        counted = layers["parameters"] > 0
        model = key.partition("/")[2]
        if "alexnet" in model and 0 < counted.sum() <= DRAWN:
            found[f"layers_{_slug(key)}"] = stacks(
                layers["name"][counted].tolist(), {"parameters": layers["parameters"][counted],
                                                   "bits that reach it": layers["bits_in"][counted],
                                                   "capacity in bits": layers["capacity"][counted]},
                title=f"Capacity layer by layer: {model}, {layers['capacity'].sum():,.0f} bits", y_label="bits")
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: the paper prints no capacity of a network."""
    return []


def _networks(lines: Frame) -> Table:
    import pandas as pd

    values: list[dict[str, float]] = []
    names = []
    for (data, model), part in lines.groupby(["data", "model"], sort=True):
        names.append((data, model))
        bits = part[part["metric"] == "capacity_bits"].set_index("method")["mean"]
        values.append({"parameters": float(part.loc[part["metric"] == "parameters", "mean"].iloc[0]),
                       **{title: float(bits[method]) for method, title in COLUMNS.items()}})
    index = pd.MultiIndex.from_tuples(names, names=["inputs", "network"])
    frame = pd.DataFrame(values, index=index)
    return Table("networks", "Capacity in bits: by Friedland's four rules along the real graph, by the paper's "
                 "Algorithm 1 (a global bottleneck), and by it as printed (the output's shape summed, not multiplied).",
                 frame, frame.map(_whole))


def _warehouse(match: Frame) -> Table:
    """Family by data set and number of samples: the width, and what the network of this width has."""
    import pandas as pd

    values, texts, names = [], [], []
    for (data, _), part in match.groupby(["data", "axis.target"], sort=True):
        needed = part[part["metric"] == "complexity_bits"]
        bits, n = float(needed["mean"].iloc[0]), int(needed["n"].iloc[0])
        for model in sorted(set(part["model"])):
            own = part[part["model"] == model].set_index("metric")["mean"]
            cell = {"needed bits": bits, **{title: float(own.get(metric, math.nan)) for metric, title in (
                ("width", "width"), ("matched_bits", "capacity in bits"), ("matched_parameters", "parameters"))}}
            names.append((data, f"{n:,}", model))
            values.append(cell)
            texts.append({title: ("out of reach" if math.isnan(value) else f"{value:.3g}" if title == "width"
                                  else _whole(value)) for title, value in cell.items()})
    index = pd.MultiIndex.from_tuples(names, names=["data", "samples", "family"])
    return Table("warehouse", "Networks that hold as many bits as the data need (expected complexity, thresholds "
                 "rounded up), by the width multiplier; at all training samples, and as many as the paper's table has.",
                 pd.DataFrame(values, index=index), pd.DataFrame(texts, index=index))


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in ".=-" else "-" for c in text.replace(", ", "-"))
