"""Tables and figures of the study attribution_truth, from its rows and arrays alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting import records
from convscope.reporting.aggregate import over_seeds, spread
from convscope.reporting.tables import Table, grid
from convscope.reporting.words import capital, seeds
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTROLS = ("edges", "chance")  # maps that know no network
CURVES = ("deletion", "insertion")
METRICS = {"rank_accuracy": "rank accuracy", "mass_accuracy": "mass accuracy", "pointing_game": "pointing game",
           "insertion": "insertion", "deletion": "deletion", "left_with_random_weights": "left with random weights"}
LOW = ("deletion", "left with random weights")  # where the least is best
Arrays = Mapping[str, np.ndarray]
Records = dict[str, dict[str, tuple[float, ...]]]


def tables(rows: Sequence[Row]) -> list[Table]:
    """The ranking of the methods over all networks, then by signal and by model, then what the networks read."""
    lines: Any = over_seeds([row for row in rows if row.method == "none"])
    lines["case"] = lines["model"] + ", " + lines["axis.signal"]
    networks = grid(lines, name="networks", rows="case", columns="metric", best=False, index_name="network, signal",
                    column_order=["accuracy", "reliance", "explained", "evidence"],
                    caption="What the networks read (%): accuracy with the signal; reliance, how often a wrong signal "
                    "is followed; the share of test images that are read by it, of which some are explained; and the "
                    f"share of pixels that carry it, which a map by chance would find. {capital(seeds(lines))}.")
    found = (_ranking(rows), _by_signal(rows),
             _grouped(rows, "by_model", lambda row: row.model, "Rank accuracy (%) by network"), networks)
    return [table for table in found if table is not None]


def figures(rows: Sequence[Row], arrays: Arrays) -> dict[str, "Figure"]:
    """Rank accuracy as a heat table; deletion and insertion curves; examples, one sheet per network."""
    from convscope.reporting.figures import heat_table

    table = _by_signal(rows)
    if table is None:
        return {}
    text = table.shown.map(lambda cell: cell.partition(" ± ")[0])
    return {"by_signal": heat_table(table.values, text, title="Rank accuracy by signal (%)", limits=(0.0, 1.0)),
            **_curves(rows, arrays), **_examples(arrays, list(table.values.index))}


def _ranking(rows: Sequence[Row]) -> Table | None:
    trained, judged = (len({(row.model, row.axes["signal"], row.seed, row.data, row.condition) for row in some})
                       for some in (rows, [row for row in rows if row.metric == "rank_accuracy"]))
    left_out = "" if trained == judged else (f"; {trained - judged} more do not read by their signal and are not "
                                             "judged")
    found = _summary(rows, list(METRICS.values()), lambda row: METRICS.get(row.metric, ""))
    for method, line in found.items():
        found[method] = line | {f"{heading}, ci95": cell[2:] for heading, cell in line.items()}
    return _table("ranking", "Attributions ranked by how well they find the pixels that carry the label (%). Rank "
                  "accuracy: of the K hottest pixels, K being the number of pixels with evidence, the share that has "
                  "it; mass accuracy: the share of the map's total on them; pointing game: is the hottest pixel one of "
                  "them? Insertion and deletion: area under the curve of the class's probability while the hottest "
                  "pixels are shown first (high is good) or covered first (low is good). Left with random weights: "
                  "rank correlation of the map with that of the same network without its training (low is good). Mean "
                  f"± 95 % interval over {judged} networks (signals, architectures and seeds){left_out}.", found)


def _by_signal(rows: Sequence[Row]) -> Table | None:
    return _grouped(rows, "by_signal", lambda row: str(row.axes["signal"]), "Rank accuracy (%) by signal")


def _grouped(rows: Sequence[Row], name: str, of: Callable[[Row], str], caption: str) -> Table | None:
    """Rank accuracy of each method by a property of the row; mean and 95 % interval over the networks."""
    found = _summary([row for row in rows if row.metric == "rank_accuracy"], sorted({of(row) for row in rows}), of)
    return _table(f"rank_accuracy_{name}", f"{caption}: mean ± 95 % interval over networks.", found)


def _summary(rows: Sequence[Row], columns: Sequence[str], of: Callable[[Row], str]) -> Records:
    """(mean, standard error, half of the 95 % interval) of each method, and each column that `of` sorts its rows in."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row.method, of(row)), []).append(row.value)
    return {method: {column: spread(found[method, column]) if (method, column) in found else (math.nan,) * 3
                     for column in columns} for method in _order(rows)}


def _table(name: str, caption: str, found: Records) -> Table | None:
    """A line for each method, the best of each column bold, controls aside; None where no network was judged."""
    judged = {method: line for method, line in found.items() if method not in CONTROLS}
    columns = list(next(iter(found.values()), ()))
    best = {column: (min if column in LOW else max)(
        (line[column][0] for line in judged.values() if not math.isnan(line[column][0])), default=math.nan)
        for column in columns}
    return records.table(name, caption, found, index=["attribution"], show=_interval, absent="–",
                         unseen=[column for column in columns if column.endswith(", ci95")],
                         bold=lambda method, column: method in judged and judged[method][column][0] == best[column])


def _examples(arrays: Arrays, methods: Sequence[str]) -> dict[str, "Figure"]:
    """One image per signal, where its evidence is, and every attribution of it: a sheet for each model."""
    from convscope.reporting.figures import Picture, image_sheet

    found: dict[str, list[str]] = {}
    for key in sorted({"/".join(name.split("/")[:3]) for name in arrays if not name.startswith("curves/")}):
        found.setdefault(key.split("/")[2], []).append(key)
    sheets = {}
    for model, keys in found.items():
        order = [name for name in methods if any(f"{key}/heat/{name}" in arrays for key in keys)]
        pictures = []
        for key in keys:
            places = [(int(r), int(c)) for r, c in np.argwhere(arrays[f"{key}/mask"])]
            image = np.clip(arrays[f"{key}/image"], 0, 1)
            heats = [Picture(name, _scaled(arrays[f"{key}/heat/{name}"]), circles=places) for name in order]
            pictures.append([Picture("image", image), Picture("evidence", image, circles=places), *heats])
        sheets[f"examples_{model.replace(' ', '_').replace('=', '-')}"] = image_sheet(
            pictures, labels=[key.split("/")[1] for key in keys],
            title=f"Attributions of one image per signal, {model}")
    return sheets


def _curves(rows: Sequence[Row], arrays: Arrays) -> dict[str, "Figure"]:
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
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.metric == "rank_accuracy":
            found.setdefault(row.method, []).append(row.value)
    return sorted(found, key=lambda method: (method in CONTROLS, -spread(found[method])[0], method))


def _interval(mean: float, _: float, half: float) -> str:
    return f"{100 * mean:.1f}" + ("" if math.isnan(half) else f" ± {100 * half:.1f}")


def _scaled(heat: np.ndarray) -> np.ndarray:
    return heat / heat.max() if heat.max() > 0 else heat
