"""Tables and figures of the study capacity, from its rows and arrays alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.records import table
from convscope.reporting.tables import Table
from convscope.reporting.words import slug, whole
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS = ("name", "kind", "parameters", "bits_in", "capacity", "bits_out")  # what a run keeps of each layer
COLUMNS = {"rules": "four rules", "algorithm1": "Algorithm 1", "literal": "Algorithm 1 as printed"}
MATCHED = {"complexity_bits": ("needed bits", whole), "width": ("width", "{:.3g}".format),
           "matched_bits": ("capacity in bits", whole), "matched_parameters": ("parameters", whole)}
DRAWN = 30  # layers with parameters that a picture of one network can hold


def tables(rows: Sequence[Row]) -> list[Table]:
    """Networks with their bits; then, per data set, the widths at which families hold what the data need."""
    lines: Any = over_seeds(rows)
    networks, warehouse = {}, {}
    for key, part in lines[lines["method"].isin(COLUMNS)].groupby(["data", "model"]):
        means = part.set_index(["method", "metric"])["mean"]
        networks[key] = {"parameters": means["rules", "parameters"],
                         **{title: means[method, "capacity_bits"] for method, title in COLUMNS.items()}}
    for (data, n, model), part in lines[lines["method"] == "match"].groupby(["data", -lines["n"], "model"]):
        means = part.set_index("metric")["mean"]
        warehouse[data, f"{-n:,}", model] = {title: means.get(metric) for metric, (title, _) in MATCHED.items()}
    found = [
        table("networks", "Capacity in bits: by Friedland's four rules along the real graph, by the paper's "
              "Algorithm 1 (a global bottleneck), and by it as printed (the output's shape summed, not multiplied).",
              networks, index=("inputs", "network"), show=whole),
        table("warehouse", "Networks that hold as many bits as the data need (expected complexity, thresholds "
              "rounded up), by the width multiplier; at all training samples, and as many as the paper's table has.",
              warehouse, index=("data", "samples", "family"), show=dict(MATCHED.values()), absent="out of reach")]
    return [one for one in found if one is not None]


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Capacity of each network beside the data's complexity; and networks layer by layer (the paper's Figure 2)."""
    from convscope.reporting.bars import dots, stacks

    lines: Any = over_seeds(rows)
    found: dict[str, Figure] = {}
    total = lines[(lines["metric"] == "capacity_bits") & (lines["method"] == "rules")]
    needs = lines[lines["method"] == "needs"]
    for data in sorted(set(total["data"])):
        own = total[total["data"] == data].sort_values("mean")
        levels = {f"{data}: {line['n']:,} samples": float(line["mean"])
                  for _, line in needs[needs["data"] == data].drop_duplicates("axis.target").iterrows()}
        found[f"match_{slug(data.replace('_', '-'))}"] = dots(
            dict(zip(own["model"], own["mean"], strict=True)), levels=levels, x_label="bits",
            title=f"What networks hold, and what the data need ({data})" if levels else f"What networks hold ({data})")
    for key in sorted({key.rpartition("/")[0] for key in arrays}):
        layers = {name: arrays[f"{key}/{name}"] for name in LAYERS}
        counted = layers["parameters"] > 0
        model = key.partition("/")[2]
        if "alexnet" in model and 0 < counted.sum() <= DRAWN:
            found[f"layers_{slug(key.replace('_', '-'))}"] = stacks(
                layers["name"][counted].tolist(), {"parameters": layers["parameters"][counted],
                                                   "bits that reach it": layers["bits_in"][counted],
                                                   "capacity in bits": layers["capacity"][counted]},
                title=f"Capacity layer by layer: {model}, {layers['capacity'].sum():,.0f} bits", y_label="bits")
    return found

