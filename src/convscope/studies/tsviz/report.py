"""Tables of the study tsviz, from its rows alone; its figures are in their own room."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.records import table
from convscope.reporting.tables import Table
from convscope.reporting.words import capital, seeds, whole
from convscope.rows import Row
from convscope.studies.tsviz.figures import figures

__all__ = ["figures", "tables"]

Frame = Any  # a pandas DataFrame

LISTED = 8     # filters of a layer in the table
PERCENT = {"useless": "no influence", "faint": "influence below 1 % of the largest",
           "dead_always": "dead for all inputs", "useless_always": "no influence for any input",
           "shared": "useful filters shared by two inputs",
           "on_dead": "influence on dead filters after the ReLU", "twins": "living filters that repeat another"}
OTHERS = {"filters": ("filters", 0), "clusters": ("clusters, a fifth", 1),
          "clusters_by_silhouette": ("clusters, by silhouette", 1),
          "rank_by_loss": ("rank correlation with the loss", 2)}
ORDER = ("filters", "useless", "faint", "dead_always", "useless_always", "shared", "twins", "clusters",
         "clusters_by_silhouette", "on_dead", "rank_by_loss")


def tables(rows: Sequence[Row]) -> list[Table]:
    """The paper's observations as numbers; layers; where the gradient lies; filters; pruning; adversarial windows."""
    lines: Frame = over_seeds(rows)
    lines["case"] = lines["data"] + ", " + lines["model"]
    for axis in ("layer", "filter", "of", "by"):
        lines = lines if f"axis.{axis}" in lines else lines.assign(**{f"axis.{axis}": float("nan")})
    found = [_observations(lines), _layers(lines), _saliency(lines), _filters(lines), _removal(lines), _attacks(lines)]
    return [one for one in found if one is not None]


def _observations(lines: Frame) -> Table | None:
    """The paper's three observations, each with the numbers that bear it out or do not."""
    import pandas as pd

    by_layer = lines[lines["axis.layer"].notna() & lines["axis.filter"].isna()]
    seen = lines[lines["metric"] == "filters_on_signal"]
    cells: dict[str, dict[str, str]] = {}
    for case in dict.fromkeys(lines["case"]):
        for statement, own, place in (
                ("1. Most filters contribute nothing to an input's output",
                 by_layer[by_layer["metric"] == "useless"], "axis.layer"),
                ("1. ... and these filters change with the input (useful filters shared by two)",
                 by_layer[by_layer["metric"] == "shared"], "axis.layer"),
                ("2. Many filters have very similar activations (living filters that repeat another)",
                 by_layer[by_layer["metric"] == "twins"], "axis.layer"),
                ("3. Most filters attend to the signal, not its difference, by the gradient",
                 seen[seen["axis.by"] == "raw"], "axis.of"),
                ("3. Most filters attend to the signal, not its difference, by the gradient times the channel's spread",
                 seen[seen["axis.by"] == "times spread"], "axis.of")):
            told = ", ".join(f"{line[place]} {100 * line['mean']:.0f} %"
                             for _, line in own[own["case"] == case].iterrows())
            if told:
                cells.setdefault(statement, {})[case] = told
    if not cells:
        return None
    return Table("observations", "The paper's three observations, measured over the test inputs: the share of each "
                 "layer's filters of which they hold.", pd.DataFrame(cells).T.fillna("–"), index_name="observation")


def _layers(lines: Frame) -> Table | None:
    own = lines[lines["metric"].isin(ORDER)]
    titles = {metric: PERCENT.get(metric) or OTHERS[metric][0] for metric in ORDER if (own["metric"] == metric).any()}
    found: dict[Any, dict[str, Any]] = {place: dict.fromkeys(titles.values()) for place in
                                        zip(own["case"], own["axis.layer"], strict=True)}
    for _, line in own.iterrows():
        found[line["case"], line["axis.layer"]][titles[line["metric"]]] = line["mean"]
    return table("layers", "Filters of each layer, over the test inputs (%): influence is the gradient of the output "
                 "with respect to the pre-activation, summed over positions without sign; with respect to the "
                 "activation after the ReLU, dead filters have influence too. Shared: Jaccard index of two inputs' "
                 f"useful filters. Repeat: correlated above .95 for one input. {_seeds(own)}", found,
                 index=["network", "layer"], absent="–",
                 show={**dict.fromkeys(PERCENT.values(), _percent),
                       **{title: partial(_fixed, digits=digits) for title, digits in OTHERS.values()}})


def _saliency(lines: Frame) -> Table | None:
    own = lines[lines["metric"] == "on_signal"]
    found: dict[Any, dict[str, Any]] = {}
    for _, line in own.sort_values("axis.by", kind="stable").iterrows():
        found.setdefault((line["case"], line["axis.of"]), {})[line["axis.by"]] = line["mean"]
    return table("saliency", "The share (%) of the input's saliency that lies on the signal, the rest on its "
                 "difference: of the output's gradient, and on average of a layer's filters; as it is, and times each "
                 f"channel's standard deviation. {_seeds(own)}", found, index=["network", "of"], show=_percent)


def _filters(lines: Frame) -> Table | None:
    own = lines[lines["metric"].isin(("influence", "scaled_influence", "dead")) & lines["axis.filter"].notna()]
    if not len(own):
        return None
    pivot = own.pivot_table(index=["case", "axis.layer", "axis.filter"], columns="metric", values="mean", sort=False)
    order = {place: k for k, place in enumerate(dict.fromkeys(key[:2] for key in pivot.index))}
    ranked = sorted(pivot.index, key=lambda key: (order[key[:2]], -pivot.loc[key, "influence"]))
    kept = [key for k, key in enumerate(ranked) if k < LISTED or key[:2] != ranked[k - LISTED][:2]]
    return table("filters", f"The {LISTED} filters of each layer with the largest mean influence; scaled: min-max "
                 "within the layer for each input; dead: for which share of the inputs. rows.csv has all.",
                 {(*key[:2], int(key[2])): {"influence": pivot.loc[key, "influence"],
                                            "scaled (%)": pivot.loc[key, "scaled_influence"],
                                            "dead (%)": pivot.loc[key, "dead"]} for key in kept},
                 index=["network", "layer", "filter"],
                 show={"influence": lambda value: f"{value:.3g}", "scaled (%)": _percent, "dead (%)": _percent})


def _removal(lines: Frame) -> Table | None:
    own = lines[lines["method"] == "removal"]
    whole_one = {line["case"]: line for _, line in lines[lines["method"] == "none"].iterrows()}
    found: dict[Any, dict[str, Any]] = {}
    for _, line in own.iterrows():
        case, way, share = line["case"], line["axis.way"], line["axis.share"]
        record = found.setdefault((case, way, f"{100 * share:.0f} %" if share else "–"),
                                  {"parameters": None, "without tuning": None, "tuned": None})
        if line["metric"] == "parameters":
            record["parameters"] = line["mean"]
        else:
            record["tuned" if line["axis.tuned"] else "without tuning"] = (line["mean"], line["unit"])
        if way == "nothing":
            record["without tuning"] = (float(whole_one[case]["mean"]), whole_one[case]["unit"])
    if all(record["tuned"] is None for record in found.values()):
        found = {key: {k: v for k, v in record.items() if k != "tuned"} for key, record in found.items()}
    order = sorted(found, key=lambda key: (key[0], key[1] != "nothing", key[1], key[2]))
    return table("pruning", "Networks without some of their filters, with smaller tensors: parameters against the "
                 "error on the test inputs (rmse in the series' unit, or accuracy in %), without and with further "
                 f"training. Filters are chosen on training inputs. {_seeds(own)}", {key: found[key] for key in order},
                 index=["network", "removed", "of each layer"], absent="–",
                 show={"parameters": whole, "without tuning": _score, "tuned": _score})


def _attacks(lines: Frame) -> Table | None:
    own = lines[lines["metric"] == "rmse_scaled"]
    sizes = sorted({float(eps) for eps in own["axis.eps"]}) if len(own) else []
    found: dict[Any, dict[str, Any]] = {}
    for _, line in own.iterrows():
        record = found.setdefault((line["case"], line["axis.attack"]), {f"{eps:g}": None for eps in sizes})
        record[f"{line['axis.eps']:g}"] = line["mean"]
    return table("adversarial", "Root mean square error (in standard deviations of the training rows) of forecasts "
                 "whose windows were changed by at most so much (same unit) at each step; random signs are the "
                 f"control. {_seeds(own)}", found, index=["network", "attack"], absent="–",
                 show=partial(_fixed, digits=4))


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _score(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "fraction" else f"{value:.2f}"


def _fixed(value: float, *, digits: int) -> str:
    return f"{value:.{digits}f}"


def _seeds(lines: Frame) -> str:
    return f"{capital(seeds(lines, 'mean'))}." if len(lines) else ""
