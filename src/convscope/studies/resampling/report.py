"""Tables and figures of the study resampling, from its rows and arrays alone."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds, spread
from convscope.reporting.records import table
from convscope.reporting.tables import Table, grid, percent
from convscope.reporting.words import capital, seeds, slug
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("none", "random_over", "random_under", "smote", "tomek", "smote_tomek", "smote_least_complex",
           "smote_most_complex", "random_under_least_complex", "random_under_most_complex")  # in this order
SCORES = {"auc": "area under the ROC curve", "balanced_accuracy": "balanced accuracy",
          "average_precision": "average precision"}
CHOICES = LEAST, MOST = "_least_complex", "_most_complex"


def tables(rows: Sequence[Row]) -> list[Table]:
    """Each score by data, classifier and ratio against method; then what choosing by complexity changes, pairwise."""
    lines: Any = over_seeds(rows)
    lines["case"] = [_case(line["data"], line["model"], line["axis.ratio"]) for _, line in lines.iterrows()]
    lines = lines.sort_values(["data", "model", "axis.ratio"], kind="stable")
    found = []
    for metric, called in SCORES.items():
        own = lines[lines["metric"] == metric]
        found.append(grid(own, name=metric, caption=f"{capital(called)} (%) on the test split, "
                          f"{seeds(own)}; rows: data, classifier, majority to minority.", rows="case",
                          columns="method", column_order=[m for m in METHODS if m in set(own["method"])],
                          index_name="data"))
    chosen = table(
        "least_complex", "What keeping the least complex of several draws changes: AUC (points of 100) of that draw "
        "minus that of one plain draw, and minus that of the most complex one; paired by seed, mean ± standard error.",
        _choices(rows), index=("method", "data"), show=partial(percent, digits=2),
        unseen=("sem, plain draw", "sem, most complex draw"))
    return [*found, *([chosen] if chosen is not None else [])]


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """AUC against the ratio; and the points of a set in the plane, before and after each method (Figure 3)."""
    from convscope.reporting.figures import curves
    from convscope.reporting.panels import Points, scatter

    lines: Any = over_seeds(rows)
    found: dict[str, Figure] = {}
    for metric, called in SCORES.items():
        own = lines[(lines["metric"] == metric) & ~lines["method"].str.endswith(CHOICES)]
        if own["axis.ratio"].nunique() > 1:
            own = own.assign(panel=own["data"] + "\n" + own["model"])
            own = own.sort_values("panel", kind="stable")
            found[f"{metric}_against_ratio"] = curves(
                own, x="axis.ratio", y="mean", band="ci95", line="method", panel="panel",
                x_label="majority : 1", y_label=called, title=f"{capital(called)} on the test split")
    planes = sorted({key.partition("/")[0] for key in arrays})
    for data in planes:
        points = {"as it is" if method == "none" else method: Points(arrays[f"{data}/{method}/x"],
                                                                     arrays[f"{data}/{method}/y"])
                  for method in METHODS if f"{data}/{method}/x" in arrays}
        found["points" if len(planes) == 1 else f"points_{slug(data)}"] = scatter(
            points, columns=5, title=f"{data}: training samples before and after (Figure 3)")
    return found


def _choices(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, Any]]:
    """AUC of the least complex draw minus that of the plain method and of the most complex draw, seed by seed."""
    import pandas as pd

    auc: Any = pd.Series({(r.data, r.model, float(r.axes["ratio"]), r.seed, r.method): r.value for r in rows
                            if r.metric == "auc"}).unstack().reindex(columns=METHODS)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for plain in ("smote", "random_under"):
        for case, part in auc.groupby(level=[0, 1, 2]):
            for title, other in (("plain draw", plain), ("most complex draw", plain + MOST)):
                if differences := (part[plain + LEAST] - part[other]).dropna().tolist():
                    mean, sem, _ = spread(differences)
                    found.setdefault((plain, _case(*case)), {}).update({
                        f"against the {title}": (mean, sem, len(differences)), f"sem, {title}": sem})
    return found


def _case(data: str, model: str, ratio: float) -> str:
    return f"{data}, {model}, {ratio:g}:1"
