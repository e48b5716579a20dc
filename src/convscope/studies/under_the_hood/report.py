"""Tables and figures of the study under_the_hood, from its rows and arrays alone."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.family import names
from convscope.reporting import plain, records
from convscope.reporting.aggregate import over_seeds
from convscope.reporting.tables import Table, grid, number, percent
from convscope.reporting.words import by_network, capital, seeds
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Any        # a pandas DataFrame
SHOWN = 2          # images whose predicted classes stand in the table, as in the lecture
APART = {"knn": "5 nearest neighbours", "linear": "linear probe", "purity": "k-means purity"}
FIELDS = {"theoretical_height": "pixels high", "theoretical_width": "pixels wide", "effective_width": "effective"}
SHARED = ("lines", "swiss_roll")  # sheets of no network in particular: one is enough
Ascent = dict[int, dict[int, tuple[float, str]]]  # image -> iteration -> probability and name of its class


def tables(rows: Sequence[Row]) -> list[Table]:
    """Adversarial iterations, the sphere, attacks, separability of the layers, receptive fields, dilation, fooling.

    Of techniques of the user's own every number.
    """
    lines: Frame = over_seeds(rows)
    lines["case"] = lines["data"] + ", " + lines["model"]
    ascents = _ascents(rows)
    found = [
        _iterations(ascents), _sphere(ascents, rows), _attacks(lines[lines["metric"] == "success"]),
        _by_layer(lines, "separability", APART, "How easily classes come apart in each layer (%): accuracy of "
                  "neighbours and of a linear probe on test samples, both fitted to training samples; purity of "
                  "as many clusters as classes. 64 principal components of each layer.", percent),
        _by_layer(lines, "receptive_fields", FIELDS, "Receptive field of each layer's central unit (pixels): which "
                  "can reach it; and the side of the square that holds 95.45 % of its gradient.",
                  partial(number, digits=1)),
        _dilation(rows), _fooling(lines[(lines["method"] == "fooling") & (lines["metric"] == "prob")])]
    own = [row for row in rows if row.method not in {"none", *names("looks/images")}]
    return [table for table in found if table is not None] + plain.tables(own)


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """One contact sheet per technique and network."""
    from convscope.studies.under_the_hood.sheets import sheets

    found: dict[str, Figure] = {}
    for key, (ending, own) in by_network(arrays).items():
        layers = {str(row.axes["layer"]): int(row.axes["order"]) for row in rows
                  if row.metric == "theoretical_height" and f"{row.data}/{row.model}" == key}
        found |= {name if name in SHARED else f"{name}{ending}": sheet for name, sheet in sheets(own, layers).items()}
    return found | _separability(rows)


def _ascents(rows: Sequence[Row]) -> dict[Row, Ascent]:
    """How gradient ascent went in each run, by the run's first row of it."""
    first: dict[str, Row] = {}
    found: dict[str, Ascent] = {}
    for row in rows:
        if row.method == "adversarial" and row.metric == "prob":
            first.setdefault(row.run_id, row)
            steps = found.setdefault(row.run_id, {}).setdefault(int(row.axes["image"]), {})
            steps[int(row.axes["iteration"])] = row.value, str(row.axes["class"])
    return {row: found[run] for run, row in first.items()}


def _iterations(ascents: Mapping[Row, Ascent]) -> Table | None:
    """The lecture's table: what two images are taken for, iteration by iteration, by the first seed of each network."""
    networks: dict[tuple[str, str], Ascent] = {}
    for row in sorted(ascents, key=lambda row: row.seed):
        networks.setdefault((row.data, row.model), ascents[row])
    found: dict[str, dict[int, tuple[float, str]]] = {}
    for network, images in networks.items():
        # Images whose class changes; others where fewer do.
        first = sorted(images, key=lambda i: (len({name for _, name in images[i].values()}) < 2, i))[:SHOWN]
        for place, image in enumerate(sorted(first), 1):
            found[", ".join([*(network if len(networks) > 1 else ()), f"image {place}"])] = images[image]
    return records.table(
        "adversarial_iterations", "Gradient ascent on the loss of the class that the network sees: predicted class by "
        "iteration, with its probability (%). The csv has the probabilities.",
        {k: {column: found[column].get(k) for column in sorted(found)}
         for k in sorted({k for steps in found.values() for k in steps})},
        index=["iteration"], show=lambda prob, name: f"{name} {100 * prob:.0f}")


def _sphere(ascents: Mapping[Row, Ascent], rows: Sequence[Row]) -> Table | None:
    """How many images gradient ascent flips, and how often a point of the sphere of twice that radius does."""
    lines: dict[str, dict[str, Any]] = {}
    for run, images in ascents.items():
        flipped = [image for image, steps in images.items() if steps[min(steps)][1] != steps[max(steps)][1]]
        own = [row for row in rows if row.run_id == run.run_id and row.method == "adversarial"]
        sphere = [row for row in own if row.metric == "changed_on_sphere"]
        share, far = ([row.value for row in some if row.axes["image"] in flipped]
                      for some in (sphere, [row for row in own if row.metric == "distance"]))
        lines[f"{run.data}, {run.model}, seed {run.seed}"] = {
            "images": len(images), "flipped": len(flipped), "distance": float(np.mean(far)) if far else None,
            "points": min((row.n for row in sphere), default=0),
            "changed on the sphere": float(np.mean(share)) if share else None}
    return records.table(
        "sphere", "The sphere test: images that gradient ascent flips, how far it moves them (Euclidean, pixels in "
        "[0, 1]), and the share (%) of points on the sphere of twice that radius that have another.", lines,
        index=["network"], show={"images": str, "flipped": str, "distance": partial(number, digits=2), "points": str,
                                 "changed on the sphere": percent})


def _attacks(lines: Frame) -> Table | None:
    if not len(lines):
        return None
    eps = [f"{round(255 * line['axis.eps'])}/255" if line["axis.norm"] == "linf" else f"{line['axis.eps']:g}"
           for _, line in lines.iterrows()]
    return grid(lines.assign(attack=lines["axis.attack"] + " " + lines["axis.norm"] + " " + eps), name="attacks",
                rows="case", columns="attack", best=False, index_name="network",
                caption="Attack success rate (%): correctly classified test images that an attack flips within a "
                f"budget; {seeds(lines)}.")


def _by_layer(lines: Frame, name: str, metrics: Mapping[str, str], caption: str, show: records.Show) -> Table | None:
    lines = lines[lines["metric"].isin(list(metrics))]
    if not len(lines):
        return None
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for _, line in lines.sort_values(["case", "axis.order"], kind="stable").iterrows():
        layer = line["axis.layer"].removeprefix("network.")
        cells = found.setdefault((line["case"], layer), dict.fromkeys(metrics.values()))
        cells[metrics[line["metric"]]] = line["mean"], line["sem"], line["n_seeds"]
    return records.table(name, f"{caption} {capital(seeds(lines))}.", found, index=["network", "layer"], show=show)


def _dilation(rows: Sequence[Row]) -> Table | None:
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        if "dilation" in row.axes:
            name = row.metric.replace("_", " ") if row.metric != "stacked_field" else (
                f"field of {row.axes['convolutions']} convolution{'s'[:int(row.axes['convolutions']) - 1]}")
            found.setdefault(int(row.axes["dilation"]), {})[name] = int(row.value)
    return records.table("dilation", "Dilated convolutions of 3 x 3 coefficients: output of an image of 20 x 30, and "
                         "the pixels in a row that one or two of them see.", {d: found[d] for d in sorted(found)},
                         index=["dilation"], show=str)


def _fooling(lines: Frame) -> Table | None:
    if not len(lines):
        return None
    return grid(lines.assign(case=lines["case"] + ", " + lines["axis.encoding"]), name="fooling", rows="case",
                columns="axis.class", best=False, index_name="network, encoding",
                caption="Images evolved from noise: the probability (%) of the class that they were evolved for, "
                f"one class at a time (direct) or all together (MAP-Elites); {seeds(lines)}.")


def _separability(rows: Sequence[Row]) -> dict[str, "Figure"]:
    from convscope.reporting.figures import curves

    lines: Frame = over_seeds([row for row in rows if row.metric in APART])
    if not len(lines):
        return {}
    lines = lines.assign(panel=lines["data"] + "\n" + lines["model"], line=[APART[m] for m in lines["metric"]])
    lines = lines.sort_values(["panel", "line", "axis.order"], kind="stable")
    return {"separability_by_layer": curves(lines, x="axis.order", y="mean", band="ci95", line="line", panel="panel",
                                            log_x=False, x_label="layer", y_label="share",
                                            title="How easily classes come apart, layer by layer")}
