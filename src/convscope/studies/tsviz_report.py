"""Tables and figures of the study tsviz, from its rows and arrays alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convscope.reporting.series import Trace

Frame = Any  # a pandas DataFrame
Arrays = Mapping[str, np.ndarray]

COLUMNS = 12   # filters of a layer that are shown side by side
WAYS = ("least influence", "at random")  # of removing filters, that the curves compare
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


def figures(rows: Sequence[Row], arrays: Arrays) -> dict[str, "Figure"]:
    """The four levels, percentile filter, saliency, highlighting and made windows of one example, per network."""
    keys = list(dict.fromkeys(name.rpartition("/layers")[0] for name in arrays if name.endswith("/layers")))
    found: dict[str, Figure] = {}
    for key in keys:
        own = {name.removeprefix(f"{key}/"): array for name, array in arrays.items() if name.startswith(f"{key}/")}
        ending = "" if len(keys) == 1 else "_" + "_".join(key.replace("/", " ").replace("=", "-").split())
        found |= {f"{name}{ending}": sheet for name, sheet in _sheets(own).items()}
    return found | _pruning_curves(rows)


def pages(rows: Sequence[Row], arrays: Arrays) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: the paper prints no number of its analysis."""
    return []


# Tables

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


# Figures

def _sheets(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.series import Trace, trace_sheet

    layers = [str(name) for name in own["layers"]]
    order = {name: np.argsort(-own[f"importance/{name}"].astype(np.float64), kind="stable") for name in layers}
    heads = _inputs(own)

    def filters(name: str, chosen: Iterable[int], **more: Any) -> list["Trace"]:
        return [Trace(str(k), own[f"activation/{name}"][k].astype(np.float64),
                      bar=float(own[f"importance/{name}"][k]), **{key: value(name, k) for key, value in more.items()})
                for k in chosen]

    middle = layers[len(layers) // 2]
    counts = [len(own[f"importance/{name}"]) for name in layers]
    labels = ["input", *(f"{name}, {count} filters" for name, count in zip(layers, counts, strict=True))]
    found = {
        "level1_overview": trace_sheet(
            [heads, *([Trace("", own[f"overview/{k}"].astype(np.float64))] for k in range(len(own["overview"]) - 1)),
             [_output(own)]], labels=["input", *map(str, own["overview"])], size=(2.2, 0.6),
            title="Level 1: the network layer by layer, of each its most important filter"),
        "level2_most_important": trace_sheet(
            [heads, *(filters(name, order[name][:COLUMNS]) for name in layers)], labels=labels,
            title="Level 2: filters by importance (red), the most important first"),
        "level2_least_important": trace_sheet(
            [heads, *(filters(name, order[name][::-1][:COLUMNS]) for name in layers)], labels=labels,
            title="Level 2: filters by importance (red), the least important first"),
        "percentile": trace_sheet(
            [heads, *([one for one in filters(name, order[name]) if own[f"shown/{name}"][int(one.title)]][:COLUMNS]
                      for name in layers)], labels=labels,
            title=f"Level 2: filters at or above percentile {float(own['percentile']):g} of their layer's importance"),
        "level3_grid": trace_sheet(_grid(filters(middle, order[middle])), title=f"Level 3: all filters of {middle}"),
        "level4_clusters": trace_sheet(_grid(filters(
            middle, sorted(order[middle], key=lambda k: (own[f"clusters/{middle}"][k] < 0,
                                                         own[f"clusters/{middle}"][k])),
            group=lambda name, k: int(own[f"clusters/{name}"][k]))),
            title=f"Level 4: filters of {middle} by cluster (colour; grey: dead)"),
    }
    found["time_profiles"] = trace_sheet(
        [filters(name, order[name][:COLUMNS // 2], shade=lambda name, k: _ground(own[f"profile/{name}"][k]))
         for name in layers], labels=labels[1:], title="Where in time a filter moves the output (ground)")
    if "saliency" in own:
        found["input_saliency"] = trace_sheet(
            [_inputs(own, own["saliency"]), *(_inputs(own, own[f"saliency/{name}"]) for name in layers)],
            labels=["of the output", *(f"of {name}, filter {order[name][0]}" for name in layers)], size=(2.6, 0.8),
            title="Saliency of the input (ground): of the output, and of each layer's most important filter")
    if "highlight/input" in own:
        found["highlight"] = _highlight(own, layers)
    if "made" in own:
        made, forecasts = own["made"].astype(np.float64), own["made_forecasts"].astype(np.float64)
        found["made_windows"] = trace_sheet(
            [[Trace(f"forecast {forecast:.3f}", window), *([Trace("its change", window - made[0])] if k else [])]
             for k, (window, forecast) in enumerate(zip(made, forecasts, strict=True))],
            labels=["the window", "adversarial, within .1", "for a forecast .25 higher"], size=(2.6, 0.9),
            title=f"Windows made for a forecast, in standard deviations (actual: {float(own['y'][0]):.3f})")
    return found


def _inputs(own: Arrays, shade: np.ndarray | None = None) -> list["Trace"]:
    from convscope.reporting.series import Trace

    x = own["x"].astype(np.float64)
    if x.ndim == 1:
        return [Trace("characters, as numbers", x)]
    names = ["signal", "difference"] if len(x) == 2 else [f"channel {c}" for c in range(len(x))]
    scaled = None if shade is None else _ground(shade)
    return [Trace(name, one, shade=None if scaled is None else scaled[c]) for c, (name, one) in
            enumerate(zip(names, x, strict=True))]


def _ground(values: np.ndarray) -> np.ndarray:
    """In [0, 1], as parts of the largest."""
    values = values.astype(np.float64)
    return values / max(float(values.max()), 1e-30)


def _output(own: Arrays) -> "Trace":
    from convscope.reporting.series import Trace

    output, names = own["output"].astype(np.float64), [str(name) for name in own["class_names"]]
    if names:
        return Trace(f"{names[int(output.argmax())]} (is: {names[int(own['y'][0])]})", output)
    signal = own["x"][0].astype(np.float64)
    window = np.concatenate([signal, output[:1]])
    return Trace(f"forecast {output[0]:.2f} (is: {float(own['y'][0]):.2f})", window, marks=[len(window) - 1])


def _highlight(own: Arrays, layers: Sequence[str]) -> "Figure":
    from convscope.reporting.series import Trace, trace_sheet

    rows = [[_marked(trace, own["highlight/input"][c]) for c, trace in enumerate(_inputs(own))]]
    for name in layers:
        heat = own[f"highlight/{name}"].astype(np.float64)
        strong = np.argsort(-heat.sum(axis=1), kind="stable")[:COLUMNS // 2]
        rows.append([_marked(Trace(str(k), own[f"activation/{name}"][k].astype(np.float64)), heat[k], float(heat.max()))
                     for k in strong])
    return trace_sheet(rows, labels=["input", *layers], title="What the output came from, layer by layer (red points)")


def _marked(trace: "Trace", heat: np.ndarray, most: float | None = None) -> "Trace":
    from dataclasses import replace

    heat = heat.astype(np.float64)
    marks = np.flatnonzero(heat > 0)
    most = most or max(float(heat.max()), 1e-30)
    return replace(trace, marks=marks.tolist(), weights=(heat[marks] / most).tolist())


def _grid(traces: Sequence["Trace"]) -> list[list["Trace"]]:
    return [list(traces[start:start + COLUMNS]) for start in range(0, min(len(traces), 8 * COLUMNS), COLUMNS)]


def _pruning_curves(rows: Sequence[Row]) -> dict[str, "Figure"]:
    """Parameters against the error, from the whole network on: without further training, and with it."""
    import pandas as pd

    from convscope.reporting.figures import curves

    lines: Frame = over_seeds([row for row in rows if row.method in ("removal", "none")])
    if "axis.share" not in lines or lines["axis.share"].nunique() < 4:  # nothing removed, and three shares
        return {}
    size = {(r["data"], r["model"], r["axis.way"], r["axis.share"]): r["mean"] for _, r in
            lines[lines["metric"] == "parameters"].iterrows()}
    whole = lines[lines["method"] == "none"].assign(**{"axis.way": "nothing", "axis.share": 0.0})
    judged = lines[(lines["method"] == "removal") & lines["axis.way"].isin(WAYS) & (lines["metric"] != "parameters")]
    percent = set(whole["metric"]) == {"accuracy"}
    found = {}
    for name, words, chosen in (("untuned", "", judged["axis.tuned"] == 0),
                                ("tuned", ", and tuned", judged["axis.tuned"] > 0)):
        if not chosen.any():
            continue
        own = pd.concat([whole.assign(way=way) for way in WAYS] + [judged[chosen].assign(way=judged["axis.way"])])
        own = own.assign(panel=own["data"] + "\n" + own["model"],
                         parameters=[size[r["data"], r["model"], r["axis.way"], r["axis.share"]]
                                     for _, r in own.iterrows()])
        found[f"pruning_{name}"] = curves(
            own.sort_values("parameters", kind="stable"), x="parameters", y="mean", band="ci95", line="way",
            panel="panel", y_label="accuracy" if percent else "test rmse", percent=percent,
            title=f"Pruned by least influence, or at random{words}")
    return found


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
