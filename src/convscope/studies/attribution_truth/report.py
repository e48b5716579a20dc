"""Tables and figures of the study attribution_truth, from its rows and arrays alone."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds, spread
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table, grid
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTROLS = ("edges", "chance")  # maps that know no network
CURVES = ("deletion", "insertion")
FOUND = {"rank_accuracy": "rank accuracy", "mass_accuracy": "mass accuracy", "pointing_game": "pointing game"}
AGREES = {"insertion": "insertion", "deletion": "deletion",
          "left_with_random_weights": "left with random weights"}


def tables(rows: Sequence[Row]) -> list[Table]:
    """The ranking of the methods over all networks, then by signal and by model, then what the networks read."""
    found = [_ranking(rows)]
    for name, of, called in (("by_signal", lambda row: row.axes["signal"], "signal"),
                             ("by_model", lambda row: row.model, "network")):
        found.append(_grouped(rows, name, of, f"Rank accuracy (%) by {called}"))
    lines: Any = over_seeds([row for row in rows if row.method == "none"])
    lines["case"] = lines["model"] + ", " + lines["axis.signal"]
    found.append(grid(lines, name="networks", rows="case", columns="metric", best=False, index_name="network, signal",
                      column_order=["accuracy", "reliance", "explained", "evidence"],
                      caption="What the networks read (%): accuracy with the signal; reliance, how often a wrong "
                      "signal is followed; the share of test images that are read by it, of which some are explained; "
                      f"and the share of pixels that carry it, which a map by chance would find. {_seeds(lines)}"))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Rank accuracy as a heat table; deletion and insertion curves; examples, one sheet per network."""
    from convscope.reporting.figures import Picture, heat_table, image_sheet

    by_signal = tables(rows)[1]
    assert by_signal.text is not None
    text = by_signal.text.map(lambda cell: cell.partition(" ± ")[0])
    found = {"by_signal": heat_table(by_signal.values, text, title="Rank accuracy by signal (%)", limits=(0.0, 1.0))}
    found |= _curves(rows, arrays)
    keys = sorted({key.partition("/heat/")[0].removesuffix("/image").removesuffix("/mask") for key in arrays
                   if not key.startswith("curves/")})
    order = [name for name in by_signal.values.index if any(f"{key}/heat/{name}" in arrays for key in keys)]
    for model in sorted({key.split("/")[2] for key in keys}):
        own = [key for key in keys if key.split("/")[2] == model]
        pictures = []
        for key in own:
            places = [(int(r), int(c)) for r, c in np.argwhere(arrays[f"{key}/mask"])]
            image = np.clip(arrays[f"{key}/image"], 0, 1)
            heats = [Picture(name, _scaled(arrays[f"{key}/heat/{name}"]), circles=places) for name in order]
            pictures.append([Picture("image", image), Picture("evidence", image, circles=places), *heats])
        name = f"examples_{model.replace(' ', '_').replace('=', '-')}"
        found[name] = image_sheet(pictures, labels=[key.split("/")[1] for key in own],
                                  title=f"Attributions of one image per signal, {model}")
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: no paper prints these numbers."""
    return []


def _ranking(rows: Sequence[Row]) -> Table:
    import pandas as pd

    order = _order(rows)
    values, texts = [], []
    for method in order:
        own = {metric: [row.value for row in rows if row.method == method and row.metric == metric]
               for metric in (*FOUND, *AGREES)}
        summary = {metric: spread(one) if one else (math.nan, math.nan, math.nan) for metric, one in own.items()}
        values.append({heading: summary[metric][0] for metric, heading in (FOUND | AGREES).items()}
                      | {f"{heading}, ci95": summary[metric][2] for metric, heading in (FOUND | AGREES).items()})
        texts.append({heading: _interval(summary[metric]) for metric, heading in (FOUND | AGREES).items()})
    trained, judged = (len({(row.model, row.axes["signal"], row.seed, row.data, row.condition) for row in some})
                       for some in (rows, [row for row in rows if row.metric == "rank_accuracy"]))
    left_out = "" if trained == judged else (f"; {trained - judged} more do not read by their signal and are not "
                                             "judged")
    text = pd.DataFrame(texts, index=order)
    best = pd.DataFrame(False, index=text.index, columns=text.columns)
    frame = pd.DataFrame(values, index=order)
    inside = [method for method in order if method not in CONTROLS]
    for heading in text:
        chosen = frame.loc[inside, heading]
        lowest = heading in ("deletion", "left with random weights")
        best.loc[inside, heading] = chosen.eq(chosen.min() if lowest else chosen.max())
    return Table("ranking", "Attributions ranked by how well they find the pixels that carry the label (%). Rank "
                 "accuracy: of the K hottest pixels, K being the number of pixels with evidence, the share that has "
                 "it; mass accuracy: the share of the map's total on them; pointing game: is the hottest pixel one of "
                 "them? Insertion and deletion: area under the curve of the class's probability while the hottest "
                 "pixels are shown first (high is good) or covered first (low is good). Left with random weights: rank "
                 "correlation of the map with that of the same network without its training (low is good). Mean ± 95 % "
                 f"interval over {judged} networks (signals, architectures and seeds){left_out}.", frame, text, best,
                 "attribution")


def _grouped(rows: Sequence[Row], name: str, of: Any, caption: str) -> Table:
    """Rank accuracy of each method by a property of the row; mean and 95 % interval over the networks."""
    import pandas as pd

    order, groups = _order(rows), sorted({of(row) for row in rows})
    cells = {(method, group): spread(values) if (values := [
        row.value for row in rows if row.method == method and of(row) == group and row.metric == "rank_accuracy"])
        else (math.nan, math.nan, math.nan) for method in order for group in groups}
    values = pd.DataFrame([[cells[m, g][0] for g in groups] for m in order], index=order, columns=groups)
    text = pd.DataFrame([[_interval(cells[m, g]) for g in groups] for m in order], index=order, columns=groups)
    inside = values.loc[[method for method in order if method not in CONTROLS]]
    return Table(f"rank_accuracy_{name}", f"{caption}: mean ± 95 % interval over networks.", values, text,
                 values.eq(inside.max()), "attribution")


def _curves(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """The class's probability against the pixels covered or laid open, mean over the networks that are ranked.

    None where one of them left no curves (a run from before they were kept): the mean would be over others.
    """
    import pandas as pd

    from convscope.reporting.figures import curves

    judged: dict[str, set[str]] = {}
    for row in rows:
        if row.metric == "rank_accuracy":
            judged.setdefault(row.run_id, set()).add(row.method)
    if not judged or any(f"curves/{run}" not in arrays for run in judged):
        return {}
    points = []
    for i, way in enumerate(CURVES):
        for method in _order(rows):
            mean = np.mean([arrays[f"curves/{run}"][method][i] for run, methods in judged.items() if method in methods],
                           axis=0, dtype=float)
            points.append(pd.DataFrame({"share": np.linspace(0, 100, len(mean)), "probability": mean, "way": way,
                                        "method": method}))
    return {"curves": curves(pd.concat(points), x="share", y="probability", line="method", panel="way", log_x=False,
                             x_label="pixels covered or laid open (%)", y_label="probability of the class",
                             title="Hottest pixels covered first (deletion), laid open first (insertion)",
                             y_limits=(0.0, 1.0))}


def _order(rows: Sequence[Row]) -> list[str]:
    """The methods, best rank accuracy first; the controls last."""
    methods = {row.method for row in rows if row.metric == "rank_accuracy"}
    mean = {method: spread([r.value for r in rows if r.method == method and r.metric == "rank_accuracy"])[0]
            for method in methods}
    return sorted(methods, key=lambda method: (method in CONTROLS, -mean[method], method))


def _interval(one: tuple[float, float, float]) -> str:
    mean, _, half = one
    if math.isnan(mean):
        return "–"
    return f"{100 * mean:.1f}" + ("" if math.isnan(half) else f" ± {100 * half:.1f}")


def _scaled(heat: np.ndarray) -> np.ndarray:
    return heat / heat.max() if heat.max() > 0 else heat


def _seeds(lines: Any) -> str:
    n = int(lines["n_seeds"].max())
    return "One seed." if n == 1 else f"Mean ± standard error over {n} seeds."
