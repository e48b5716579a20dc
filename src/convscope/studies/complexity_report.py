"""Tables, figures and ledger lines of the study complexity, from its rows and arrays alone."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow, judge
from convscope.reporting.tables import Table, grid, number, paper_table
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Any  # a pandas DataFrame

PAPER = "Debugging and Visualization Tools of Deep Learning"
PRESET = "complexity_table1"
CSG_TOLERANCE = 0.05  # the paper prints one number without spread; ours has a standard error of this order
DRAWS = "bits by the draw of 100 points: the paper has one, ours is the mean of several"


class Printed(NamedTuple):
    """One line of the paper's Table 1: `data` is a choice of configs/data, `label` its name in our rows."""

    data: str
    label: str
    csg: float
    bits: int
    csg_note: str = ""
    bits_note: str = ""


TABLE1 = (
    Printed("cifar10", "cifar10", 1.396, 30720, "the paper names neither embedding nor n; none that we tried gives it: "
            "see complexity_embeddings and csg_against_n"),
    Printed("seefood", "image_folder seefood", 0.660, 21504, "raw values; the paper names neither embedding nor n",
            "all 498 images; the paper's number has 64 to 127 label changes, as 150 to 240 images have"),
    Printed("spiral", "spiral", 0.431, 12, "owed to two points at the origin, one of each class; 500 points",
            f"10 or 12 {DRAWS}"),
    Printed("mnist", "mnist", 0.428, 7840, "falls with n, which the paper does not name: see csg_against_n"),
    Printed("xor", "xor", 0.00609, 10, "falls with n, which the paper does not name: see csg_against_n",
            f"8 or 10 {DRAWS}"),
    Printed("circle", "circle", 0.0, 10, "", f"10 or 12 {DRAWS}"),
    Printed("gauss", "gauss", 0.0, 2),
    Printed("moon", "moon", 0.0, 10),
)
ORDER = [one.label for one in TABLE1]
METRICS = (("thresholds", 1), ("ratio", 3), ("exact_bits", 1), ("complexity_bits", 1), ("upper_bound_bits", 0),
           ("csg", 3))  # with decimals


def tables(rows: Sequence[Row]) -> list[Table]:
    """The paper's Table 1 as far as measured; then every number of every data set; then CSG by embedding."""
    lines: Frame = over_seeds(rows)
    head = lines[lines["axis.headline"]]
    raw = head[head["model"] == "raw"]
    found = []
    for metric, name, caption, show in (
            ("csg", "paper_table1_csg", "CSG score", number),
            ("complexity_bits", "paper_table1_bits", "expected complexity (bits, thresholds rounded up)",
             partial(number, digits=1))):
        beside = _beside(raw, metric)
        if len(beside) and not beside["mean"].isna().all():
            found.append(paper_table(name, f"Table 1 of the debugging paper, {caption}. {_samples(raw)}", beside,
                                     index_name="data", show=show))
    if len(raw):
        found.append(_everything(raw))
    if head["model"].nunique() > 1:
        csg = head[head["metric"] == "csg"]
        found.append(grid(csg, name="csg_by_embedding", rows="data", columns="model", row_order=_ordered(csg),
                          caption=f"CSG of the data in several embeddings. {_samples(csg)}", index_name="data",
                          show=number, best=False))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Figure 1 (the 2-D sets), both measures against n, class overlap W, eigenvalues, and maps of the classes."""
    from convscope.reporting.figures import curves
    from convscope.reporting.panels import Points, matrices, scatter

    found: dict[str, Figure] = {}
    kept = {key: {name: arrays[f"{key}/{name}"] for name in ("w", "eigenvalues", "map", "classes", "x", "y")
                  if f"{key}/{name}" in arrays} for key in _keys(arrays)}
    if plane := {_short(key): Points(one["x"], one["y"]) for key, one in kept.items() if "x" in one}:
        found["toys"] = scatter(plane, title="Data sets in the plane (Figure 1)")
    lines: Frame = over_seeds(rows)
    for metric, name, label in (("exact_bits", "bits_against_n", "Bits per dimension"),
                                ("csg", "csg_against_n", "CSG")):
        part = lines[(lines["metric"] == metric) & (lines["model"] == "raw")]
        part = part[part.groupby("data")["axis.n_samples"].transform("nunique") > 2]
        if len(part):
            scale = part["axis.n_features"] if metric == "exact_bits" else 1
            part = part.assign(mean=part["mean"] / scale, ci95=part["ci95"] / scale)
            found[name] = curves(part, x="axis.n_samples", y="mean", band="ci95", line="data", x_label="samples",
                                 y_label=label, percent=False, title=f"{label} against the number of samples")
    if kept:
        found["overlap"] = matrices({_short(k): (one["w"], one["classes"].tolist()) for k, one in kept.items()},
                                    title="How far the classes overlap (W of the CSG)", unit="1 − Bray-Curtis",
                                    columns=4)
    several = {key: one for key, one in kept.items() if len(one["classes"]) > 2}
    if several:
        found["eigenvalues"] = _eigenvalues(several)
        found["class_maps"] = scatter(
            {_short(k): Points(one["map"], np.arange(len(one["map"])), one["classes"].tolist())
             for k, one in several.items()}, title="Classes by their overlap (multidimensional scaling of 1 − W)",
            columns=3, size=2.6, ticks=False)
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """One line per number of the paper's Table 1, from the report that has most seeds of it."""
    frames = {name: over_seeds(rows) for name, rows in reports.items()}
    found = []
    for one in TABLE1:
        for metric, paper, unit, tolerance in (("csg", one.csg, "", CSG_TOLERANCE),
                                               ("complexity_bits", float(one.bits), "bits", 0.5)):
            best: tuple[int, str, Any] = (0, PRESET, None)
            for name, frame in frames.items():
                for _, line in _headline(frame, one.label, metric).iterrows():
                    best = max(best, (int(line["n_seeds"]), name, line), key=lambda one: (one[0], one[1] == PRESET))
            n, report, line = best
            ours = None if line is None else float(line["mean"])
            found.append(LedgerRow(
                paper=PAPER, table="Table 1", cell=f"{one.data}, {'CSG' if metric == 'csg' else 'expected complexity'}",
                paper_value=paper, ours=ours, sem=None if line is None else float(line["sem"]), n=n, unit=unit,
                verdict=judge(paper, ours, tolerance=tolerance),
                command=f"uv run experiments/complexity.py --config-name {report} data={one.data}",
                note=one.csg_note if metric == "csg" else one.bits_note))
    return found


def _beside(raw: Frame, metric: str) -> Frame:
    import pandas as pd

    lines = []
    for one in TABLE1:
        ours = _headline(raw, one.label, metric)
        line = {"mean": math.nan, "sem": math.nan, "n_seeds": 0} if ours.empty else ours.iloc[0]
        paper = one.csg if metric == "csg" else float(one.bits)
        lines.append({"paper": paper, **{key: line[key] for key in ("mean", "sem", "n_seeds")}})
    return pd.DataFrame(lines, index=[one.data for one in TABLE1])


def _headline(lines: Frame, label: str, metric: str) -> Frame:
    """Our line beside one number of the paper: raw values, every parameter at its default."""
    own = lines[(lines["data"] == label) & (lines["metric"] == metric) & (lines["model"] == "raw")
                & lines["axis.headline"].astype(bool)]
    known = {"axis.n_samples", "axis.headline", "axis.n_features", "axis.n_classes"}
    others = [c for c in own if str(c).startswith("axis.") and c not in known]
    return own[own[others].isna().all(axis=1)]


def _everything(raw: Frame) -> Table:
    """One line per data set and setting."""
    import pandas as pd

    names, values, texts = [], [], []
    for data in _ordered(raw):
        part = raw[raw["data"] == data]
        first = part.iloc[0]
        by_metric = {line["metric"]: line for _, line in part.iterrows()}
        names.append(data)
        sizes = {"dimensions": int(first["axis.n_features"]), "classes": int(first["axis.n_classes"]),
                 "samples": int(by_metric["thresholds"]["axis.n_samples"]),
                 "CSG samples": int(by_metric["csg"]["axis.n_samples"])}
        values.append({**sizes, **{m: by_metric[m]["mean"] if m in by_metric else math.nan for m, _ in METRICS}})
        texts.append({**{k: f"{v:,}" for k, v in sizes.items()},
                      **{m: number(*(by_metric[m][k] for k in ("mean", "sem", "n_seeds")), digits=d)
                         if m in by_metric else "–" for m, d in METRICS}})
    return Table("complexity", "Data complexity: label changes along the sorted sums of the features (ratio: to those "
                 "of random labels; near 1 the number says nothing beyond the size of the data), bits, and CSG (0: the "
                 f"classes are apart; K − 1: they are one). {_samples(raw)}",
                 pd.DataFrame(values, index=names), pd.DataFrame(texts, index=names), None, "data")


def _samples(lines: Frame) -> str:
    sizes = sorted({int(n) for n in lines["axis.n_samples"]})
    seeds = int(lines["n_seeds"].max())
    return (f"{' to '.join(f'{n:,}' for n in dict.fromkeys((sizes[0], sizes[-1])))} training samples, "
            f"{'one seed' if seeds == 1 else f'mean ± standard error over {seeds} seeds'}.")


def _ordered(lines: Frame) -> list[str]:
    """The paper's order, then the others by name."""
    return sorted(set(lines["data"]), key=lambda label: (ORDER.index(label) if label in ORDER else len(ORDER), label))


def _keys(arrays: Mapping[str, np.ndarray]) -> list[str]:
    keys = {key.rpartition("/")[0] for key in arrays}
    return sorted(keys, key=lambda key: (ORDER.index(data) if (data := key.partition("/")[0]) in ORDER else len(ORDER),
                                         key))


def _short(key: str) -> str:
    """`data`, and its embedding where that is not the raw one."""
    data, _, embedding = key.partition("/")
    return data if embedding == "raw" else f"{data} {embedding}"


def _eigenvalues(several: Mapping[str, Mapping[str, np.ndarray]]) -> "Figure":
    import pandas as pd

    from convscope.reporting.figures import curves

    points = pd.DataFrame([{"data": _short(key), "i": i, "value": float(value)} for key, one in several.items()
                           for i, value in enumerate(one["eigenvalues"])])
    return curves(points, x="i", y="value", line="data", log_x=False, percent=False, x_label="index",
                  y_label="eigenvalue", title="Spectrum of the Laplacian of W")
