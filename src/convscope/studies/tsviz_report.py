"""Tables of the study tsviz, from its rows alone; its figures are in tsviz_figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table
from convscope.rows import Row

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
    found = [_observations(lines), _layers(lines), _saliency(lines), _filters(lines), _removal(lines), _attacks(lines)]
    return [table for table in found if table is not None]


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: the paper prints no number of its analysis."""
    return []


def _observations(lines: Frame) -> Table | None:
    """The paper's three observations, each with the numbers that bear it out or do not."""
    import pandas as pd

    cells: dict[tuple[str, str], str] = {}
    for case, own in lines.groupby("case", sort=False):
        by_layer = own[own["axis.layer"].notna() & own["axis.filter"].isna()] if "axis.filter" in own else own[:0]

        def of(metric: str, by_layer: Frame = by_layer) -> str:
            chosen = by_layer[by_layer["metric"] == metric]
            return ", ".join(f"{line['axis.layer']} {100 * line['mean']:.0f} %" for _, line in chosen.iterrows())

        if of("useless"):
            cells["1. Most filters contribute nothing to an input's output", str(case)] = of("useless")
            cells["1. ... and these filters change with the input (useful filters shared by two)",
                  str(case)] = of("shared")
        if of("twins"):
            cells["2. Many filters have very similar activations (living filters that repeat another)",
                  str(case)] = of("twins")
        seen = own[own["metric"] == "filters_on_signal"]
        for by, words in (("raw", "by the gradient"), ("times spread", "by the gradient times the channel's spread")):
            chosen = seen[seen["axis.by"] == by] if len(seen) else seen
            if len(chosen):
                cells[f"3. Most filters attend to the signal, not its difference, {words}", str(case)] = ", ".join(
                    f"{line['axis.of']} {100 * line['mean']:.0f} %" for _, line in chosen.iterrows())
    if not cells:
        return None
    statements = list(dict.fromkeys(statement for statement, _ in cells))
    cases = list(dict.fromkeys(case for _, case in cells))
    values = pd.DataFrame([[cells.get((s, c), "–") for c in cases] for s in statements], statements, cases)
    return Table("observations", "The paper's three observations, measured over the test inputs: the share of each "
                 "layer's filters of which they hold.", values, index_name="observation")


def _layers(lines: Frame) -> Table | None:
    import pandas as pd

    own = lines[lines["metric"].isin(ORDER)]
    if not len(own):
        return None
    index = list(dict.fromkeys(zip(own["case"], own["axis.layer"], strict=True)))
    found = {(line["case"], line["axis.layer"], line["metric"]): line for _, line in own.iterrows()}
    metrics = [metric for metric in ORDER if any((*place, metric) in found for place in index)]
    values = [[found[(*place, metric)]["mean"] if (*place, metric) in found else np.nan for metric in metrics]
              for place in index]
    texts = [[_text(found.get((*place, metric)), metric) for metric in metrics] for place in index]
    names = pd.MultiIndex.from_tuples(index, names=["network", "layer"])
    titles = [PERCENT.get(metric) or OTHERS[metric][0] for metric in metrics]
    return Table("layers", "Filters of each layer, over the test inputs (%): influence is the gradient of the output "
                 "with respect to the pre-activation, summed over positions without sign; with respect to the "
                 "activation after the ReLU, dead filters have influence too. Shared: Jaccard index of two inputs' "
                 "useful filters. "
                 f"Repeat: correlated above .95 for one input. {_seeds(own)}",
                 pd.DataFrame(values, index=names, columns=titles), pd.DataFrame(texts, index=names, columns=titles))


def _saliency(lines: Frame) -> Table | None:
    import pandas as pd

    own = lines[lines["metric"] == "on_signal"]
    if not len(own):
        return None
    index = list(dict.fromkeys(zip(own["case"], own["axis.of"], strict=True)))
    found = {(line["case"], line["axis.of"], line["axis.by"]): line["mean"] for _, line in own.iterrows()}
    columns = ["raw", "times spread"]
    names = pd.MultiIndex.from_tuples(index, names=["network", "of"])
    frame = pd.DataFrame([[found[(*place, by)] for by in columns] for place in index], names, columns)
    return Table("saliency", "The share (%) of the input's saliency that lies on the signal, the rest on its "
                 "difference: of the output's gradient, and on average of a layer's filters; as it is, and times each "
                 f"channel's standard deviation. {_seeds(own)}", frame, frame.map(lambda value: f"{100 * value:.1f}"))


def _filters(lines: Frame) -> Table | None:
    import pandas as pd

    if "axis.filter" not in lines:
        return None
    own = lines[lines["metric"].isin(("influence", "scaled_influence", "dead"))]
    pivot = own.pivot_table(index=["case", "axis.layer", "axis.filter"], columns="metric", values="mean", sort=False)
    kept = pivot.sort_values("influence", ascending=False, kind="stable").groupby(
        level=["case", "axis.layer"], sort=False).head(LISTED)
    order = {key: k for k, key in enumerate(dict.fromkeys((c, layer) for c, layer, _ in pivot.index))}
    places = sorted(kept.index, key=lambda key: (order[key[:2]], -kept.loc[key, "influence"]))
    names = pd.MultiIndex.from_tuples([(case, layer, int(k)) for case, layer, k in places],
                                      names=["network", "layer", "filter"])
    frame = kept.loc[places].set_axis(names)[["influence", "scaled_influence", "dead"]]
    text = pd.DataFrame({"influence": frame["influence"].map("{:.3g}".format),
                         "scaled (%)": frame["scaled_influence"].map(lambda v: f"{100 * v:.1f}"),
                         "dead (%)": frame["dead"].map(lambda v: f"{100 * v:.1f}")})
    return Table("filters", f"The {LISTED} filters of each layer with the largest mean influence; scaled: min-max "
                 "within the layer for each input; dead: for which share of the inputs. rows.csv has all.",
                 frame.set_axis(text.columns, axis=1), text)


def _removal(lines: Frame) -> Table | None:
    import pandas as pd

    own = lines[(lines["method"] == "removal")]
    if not len(own):
        return None
    judged = lines[(lines["method"] == "none")].set_index("case")
    places = list(dict.fromkeys(zip(own["case"], own["axis.way"], own["axis.share"], strict=True)))
    values, texts, names = [], [], []
    for case, way, share in places:
        part = own[(own["case"] == case) & (own["axis.way"] == way) & (own["axis.share"] == share)]
        numbers = part[part["metric"] == "parameters"]["mean"]
        metric = str(judged.loc[case, "metric"])
        score = {bool(line["axis.tuned"]): line for _, line in part[part["metric"] == metric].iterrows()}
        row = {"parameters": float(numbers.iloc[0])}
        text = {"parameters": f"{numbers.iloc[0]:,.0f}"}
        if way == "nothing":
            row["without tuning"] = float(judged.loc[case, "mean"])
            text["without tuning"] = _score(judged.loc[case])
        for tuned, title in ((False, "without tuning"), (True, "tuned")):
            if tuned in score:
                row[title], text[title] = float(score[tuned]["mean"]), _score(score[tuned])
        names.append((case, way, f"{100 * share:.0f} %" if share else "–"))
        values.append(row)
        texts.append(text)
    order = sorted(range(len(names)), key=lambda k: (names[k][0], names[k][1] != "nothing", names[k][1], names[k][2]))
    index = pd.MultiIndex.from_tuples([names[k] for k in order], names=["network", "removed", "of each layer"])
    return Table("pruning", "Networks without some of their filters, with smaller tensors: parameters against the "
                 "error on the test inputs (rmse in the series' unit, or accuracy in %), without and with further "
                 f"training. Filters are chosen on training inputs. {_seeds(own)}",
                 pd.DataFrame([values[k] for k in order], index=index),
                 pd.DataFrame([texts[k] for k in order], index=index).fillna("–"))


def _attacks(lines: Frame) -> Table | None:
    import pandas as pd

    own = lines[lines["metric"] == "rmse_scaled"]
    if not len(own):
        return None
    index = list(dict.fromkeys(zip(own["case"], own["axis.attack"], strict=True)))
    sizes = sorted({float(eps) for eps in own["axis.eps"]})
    found = {(line["case"], line["axis.attack"], float(line["axis.eps"])): line["mean"] for _, line in own.iterrows()}
    names = pd.MultiIndex.from_tuples(index, names=["network", "attack"])
    frame = pd.DataFrame([[found.get((*place, eps), np.nan) for eps in sizes] for place in index], names,
                         [f"{eps:g}" for eps in sizes])
    return Table("adversarial", "Root mean square error (in standard deviations of the training rows) of forecasts "
                 "whose windows were changed by at most so much (same unit) at each step; random signs are the "
                 f"control. {_seeds(own)}", frame, frame.map(lambda v: "–" if np.isnan(v) else f"{v:.4f}"))


def _text(line: Any, metric: str) -> str:
    if line is None:
        return "–"
    if metric in PERCENT:
        return f"{100 * line['mean']:.1f}"
    return f"{line['mean']:.{OTHERS[metric][1]}f}"


def _score(line: Any) -> str:
    return f"{100 * line['mean']:.1f} %" if line["unit"] == "fraction" else f"{line['mean']:.2f}"


def _seeds(lines: Frame) -> str:
    n = int(lines["n_seeds"].max())
    return "One seed." if n == 1 else f"Mean over {n} seeds."
