"""Tables and figures of the study complexity, from its rows and arrays alone."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting import words
from convscope.reporting.aggregate import over_seeds
from convscope.reporting.records import table
from convscope.reporting.tables import Table, grid, number
from convscope.rows import Row
from convscope.studies.complexity.paper import ORDER, Frame, paper_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {"thresholds": 1, "ratio": 3, "exact_bits": 1, "complexity_bits": 1, "upper_bound_bits": 0,
           "csg": 3}  # with decimals
SIZES = {"dimensions": ("csg", "n_features"), "classes": ("csg", "n_classes"), "samples": ("thresholds", "n_samples"),
         "CSG samples": ("csg", "n_samples")}  # the metric whose line tells it


def tables(rows: Sequence[Row]) -> list[Table]:
    """The paper's Table 1 as far as measured; then every number of every data set; then CSG by embedding."""
    lines: Frame = over_seeds(rows)
    head = lines[lines["axis.headline"]]
    raw = head[head["model"] == "raw"]
    found = [*paper_tables(raw, _samples(raw)), _everything(raw)] if len(raw) else []
    if head["model"].nunique() > 1:
        csg = head[head["metric"] == "csg"]
        found.append(grid(csg, name="csg_by_embedding", rows="data", columns="model", row_order=_ordered(csg["data"]),
                          caption=f"CSG of the data in several embeddings. {_samples(csg)}", index_name="data",
                          show=number, best=False))
    return [one for one in found if one is not None]


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Figure 1 (the 2-D sets), both measures against n, class overlap W, eigenvalues, and maps of the classes."""
    from convscope.reporting.panels import Points, matrices, scatter

    found: dict[str, Figure] = {}
    kept = {_short(key): {name: arrays[f"{key}/{name}"] for name in ("w", "eigenvalues", "map", "classes", "x", "y")
                          if f"{key}/{name}" in arrays} for key in _ordered(key.rpartition("/")[0] for key in arrays)}
    if plane := {name: Points(one["x"], one["y"]) for name, one in kept.items() if "x" in one}:
        found["toys"] = scatter(plane, title="Data sets in the plane (Figure 1)")
    found |= _against_n(over_seeds(rows))
    if kept:
        found["overlap"] = matrices({name: (one["w"], one["classes"].tolist()) for name, one in kept.items()},
                                    title="How far the classes overlap (W of the CSG)", unit="1 − Bray-Curtis",
                                    columns=4)
    if several := {name: one for name, one in kept.items() if len(one["classes"]) > 2}:
        found["eigenvalues"] = _eigenvalues(several)
        found["class_maps"] = scatter(
            {name: Points(one["map"], np.arange(len(one["map"])), one["classes"].tolist())
             for name, one in several.items()}, title="Classes by their overlap (multidimensional scaling of 1 − W)",
            columns=3, size=2.6, ticks=False)
    return found


def _everything(raw: Frame) -> Table | None:
    """One line per data set and setting."""
    records: dict[str, dict[str, Any]] = {}
    for data in _ordered(raw["data"]):
        by_metric = {line["metric"]: line for _, line in raw[raw["data"] == data].iterrows()}
        records[data] = {size: int(by_metric[metric][f"axis.{axis}"]) for size, (metric, axis) in SIZES.items()}
        for metric in METRICS:
            line = by_metric.get(metric)
            records[data][metric] = None if line is None else (line["mean"], line["sem"], line["n_seeds"])
    return table(
        "complexity", "Data complexity: label changes along the sorted sums of the features (ratio: to those of random "
        "labels; near 1 the number says nothing beyond the size of the data), bits, and CSG (0: the classes are apart; "
        f"K − 1: they are one). {_samples(raw)}", records, index=("data",), absent="–",
        show={**dict.fromkeys(SIZES, words.whole), **{m: partial(number, digits=d) for m, d in METRICS.items()}})


def _samples(lines: Frame) -> str:
    low, high = int(lines["axis.n_samples"].min()), int(lines["axis.n_samples"].max())
    return f"{' to '.join(f'{n:,}' for n in sorted({low, high}))} training samples, {words.seeds(lines)}."


def _ordered(names: Iterable[str]) -> list[str]:
    """Data sets, or keys of arrays that begin with them: the paper's order, then the others by name."""
    return sorted(set(names), key=lambda name: (
        ORDER.index(data) if (data := name.partition("/")[0]) in ORDER else len(ORDER), name))


def _short(key: str) -> str:
    """`data`, and its embedding where that is not the raw one."""
    data, _, embedding = key.partition("/")
    return data if embedding == "raw" else f"{data} {embedding}"


def _against_n(lines: Frame) -> dict[str, "Figure"]:
    """Bits and CSG of raw values against the number of samples, of data with at least three."""
    from convscope.reporting.figures import curves

    found = {}
    for metric, name, label in (("exact_bits", "bits_against_n", "Bits per dimension"),
                                ("csg", "csg_against_n", "CSG")):
        part = lines[(lines["metric"] == metric) & (lines["model"] == "raw")]
        part = part[part.groupby("data")["axis.n_samples"].transform("nunique") > 2]
        if len(part):
            scale = part["axis.n_features"] if metric == "exact_bits" else 1
            part = part.assign(mean=part["mean"] / scale, ci95=part["ci95"] / scale)
            found[name] = curves(part, x="axis.n_samples", y="mean", band="ci95", line="data", x_label="samples",
                                 y_label=label, percent=False, title=f"{label} against the number of samples")
    return found


def _eigenvalues(several: Mapping[str, Mapping[str, np.ndarray]]) -> "Figure":
    import pandas as pd

    from convscope.reporting.figures import curves

    points = pd.DataFrame([{"data": name, "i": i, "value": float(value)} for name, one in several.items()
                           for i, value in enumerate(one["eigenvalues"])])
    return curves(points, x="i", y="value", line="data", log_x=False, percent=False, x_label="index",
                  y_label="eigenvalue", title="Spectrum of the Laplacian of W")
