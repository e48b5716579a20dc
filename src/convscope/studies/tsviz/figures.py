"""Figures of the study tsviz, from its rows and arrays alone: the four levels of the paper, and what was made."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.words import by_network
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convscope.reporting.series import Trace

Frame = Any  # a pandas DataFrame
Arrays = Mapping[str, np.ndarray]

COLUMNS = 12   # filters of a layer that are shown side by side
WAYS = ("least influence", "at random")  # of removing filters, that the curves compare


def figures(rows: Sequence[Row], arrays: Arrays) -> dict[str, "Figure"]:
    """The four levels, percentile filter, saliency, highlighting and made windows of one example, per network."""
    found: dict[str, Figure] = {}
    for ending, own in by_network(arrays).values():
        if "layers" in own:
            found |= {f"{name}{ending}": sheet for name, sheet in _sheets(own).items()}
    return found | _pruning_curves(rows)


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
    high = {name: [k for k in order[name] if own[f"shown/{name}"][k]] for name in layers}
    by_cluster = sorted(order[middle], key=lambda k: (own[f"clusters/{middle}"][k] < 0, own[f"clusters/{middle}"][k]))
    found = {
        "level1_overview": trace_sheet(
            [heads, *([Trace("", own[f"overview/{k}"].astype(np.float64))] for k in range(len(own["overview"]) - 1)),
             [_output(own)]], labels=["input", *map(str, own["overview"])], size=(2.2, 0.6),
            title="Level 1: the network layer by layer, of each its most important filter")}
    found |= {sheet: trace_sheet([heads, *(filters(name, chosen[name][:COLUMNS]) for name in layers)], labels=labels,
                                title=f"Level 2: filters {words}")
             for sheet, chosen, words in (
                 ("level2_most_important", order, "by importance (red), the most important first"),
                 ("level2_least_important", {name: ranked[::-1] for name, ranked in order.items()},
                  "by importance (red), the least important first"),
                 ("percentile", high, f"at or above percentile {float(own['percentile']):g} of their layer's "
                  "importance"))}
    found |= {
        "level3_grid": trace_sheet(_grid(filters(middle, order[middle])), title=f"Level 3: all filters of {middle}"),
        "level4_clusters": trace_sheet(
            _grid(filters(middle, by_cluster, group=lambda name, k: int(own[f"clusters/{name}"][k]))),
            title=f"Level 4: filters of {middle} by cluster (colour; grey: dead)")}
    found["time_profiles"] = trace_sheet(
        [filters(name, order[name][:COLUMNS // 2], shade=lambda name, k: _ground(own[f"profile/{name}"][k]))
         for name in layers], labels=labels[1:], title="Where in time a filter moves the output (ground)")
    return found | _of_one_input(own, layers, order)


def _of_one_input(own: Arrays, layers: Sequence[str], order: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Where in the input a forecast came from, and inputs made for one; what an analysis has left."""
    from convscope.reporting.series import Trace, trace_sheet

    found: dict[str, Figure] = {}
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
