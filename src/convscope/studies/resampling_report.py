"""Tables and figures of the study resampling, from its rows and arrays alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds, spread
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table, grid, percent
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Any  # a pandas DataFrame

# The paper's proposal keeps the least complex of several draws; the most complex one is its control.
CHOICES = ("_least_complex", "_most_complex")
METHODS = ("none", "random_over", "random_under", "smote", "tomek", "smote_tomek", "smote_least_complex",
           "smote_most_complex", "random_under_least_complex", "random_under_most_complex")
SCORES = {"auc": "area under the ROC curve", "balanced_accuracy": "balanced accuracy",
          "average_precision": "average precision"}


def tables(rows: Sequence[Row]) -> list[Table]:
    """Each score by data, classifier and ratio against method; then what choosing by complexity changes, pairwise."""
    lines: Frame = over_seeds(rows)
    lines["case"] = [f"{line['data']}, {line['model']}, {line['axis.ratio']:g}:1" for _, line in lines.iterrows()]
    lines = lines.sort_values(["data", "model", "axis.ratio"], kind="stable")
    found = []
    for metric, called in SCORES.items():
        own = lines[lines["metric"] == metric]
        found.append(grid(own, name=metric, caption=f"{_capital(called)} (%) on the test split, "
                          f"{_seeds(own)}; rows: data, classifier, majority to minority.", rows="case",
                          columns="method", column_order=[m for m in METHODS if m in set(own["method"])],
                          index_name="data"))
    chosen = _choices(rows)
    return [*found, *([chosen] if chosen is not None else [])]


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """AUC against the ratio; and the points of a set in the plane, before and after each method (Figure 3)."""
    from convscope.reporting.figures import curves
    from convscope.reporting.panels import Points, scatter

    lines: Frame = over_seeds(rows)
    found: dict[str, Figure] = {}
    for metric, called in SCORES.items():
        own = lines[(lines["metric"] == metric) & ~lines["method"].str.endswith(CHOICES)]
        if own["axis.ratio"].nunique() > 1:
            own = own.assign(panel=own["data"] + "\n" + own["model"])
            own = own.sort_values("panel", kind="stable")
            found[f"{metric}_against_ratio"] = curves(
                own, x="axis.ratio", y="mean", band="ci95", line="method", panel="panel",
                x_label="majority : 1", y_label=called, title=f"{_capital(called)} on the test split")
    for data in sorted({key.partition("/")[0] for key in arrays}):
        points = {method: Points(arrays[f"{data}/{method}/x"], arrays[f"{data}/{method}/y"]) for method in METHODS
                  if f"{data}/{method}/x" in arrays}
        name = "points" if len({key.partition("/")[0] for key in arrays}) == 1 else f"points_{data.replace(' ', '-')}"
        found[name] = scatter({"as it is" if m == "none" else m: p for m, p in points.items()}, columns=5,
                              title=f"{data}: training samples before and after (Figure 3)")
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: the paper prints no number of its resampling."""
    return []


def _choices(rows: Sequence[Row]) -> Table | None:
    """AUC of the least complex draw minus that of the plain method and of the most complex draw, seed by seed."""
    import pandas as pd

    auc = {(r.data, r.model, float(r.axes["ratio"]), r.method, r.seed): r.value for r in rows if r.metric == "auc"}
    cases = sorted({key[:3] for key in auc})
    values, texts, names = [], [], []
    for plain in ("smote", "random_under"):
        for case in cases:
            value: dict[str, float] = {}
            text: dict[str, str] = {}
            for title, other in (("plain draw", plain), ("most complex draw", plain + CHOICES[1])):
                differences = [auc[(*case, plain + CHOICES[0], seed)] - auc[(*case, other, seed)]
                               for *where, method, seed in auc if tuple(where) == case and method == other
                               and (*case, plain + CHOICES[0], seed) in auc]
                if differences:
                    mean, sem, _ = spread(differences)
                    value[f"against the {title}"], value[f"sem, {title}"] = mean, sem
                    text[f"against the {title}"] = percent(mean, sem, len(differences), digits=2)
            if text:
                names.append((plain, f"{case[0]}, {case[1]}, {case[2]:g}:1"))
                values.append(value)
                texts.append(text)
    if not names:
        return None
    index = pd.MultiIndex.from_tuples(names, names=["method", "data"])
    return Table("least_complex", "What keeping the least complex of several draws changes: AUC (points of 100) of "
                 "that draw minus that of one plain draw, and minus that of the most complex one; paired by seed, mean "
                 "± standard error.", pd.DataFrame(values, index=index), pd.DataFrame(texts, index=index))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _seeds(lines: Frame) -> str:
    n = int(lines["n_seeds"].max())
    return "one seed" if n == 1 else f"mean ± standard error over {n} seeds"
