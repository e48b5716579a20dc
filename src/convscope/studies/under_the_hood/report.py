"""Tables and contact sheets of the study under_the_hood, from its rows and arrays alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table, grid, number, percent
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Frame = Any  # a pandas DataFrame
Arrays = Mapping[str, np.ndarray]

NAMED = 24         # classes that a legend names
SHOWN = 2          # images whose predicted classes stand in the table, as in the lecture
APART = {"knn": "5 nearest neighbours", "linear": "linear probe", "purity": "k-means purity"}

SHARED = ("lines", "swiss_roll")  # sheets of no network in particular: one is enough


def tables(rows: Sequence[Row]) -> list[Table]:
    """Adversarial iterations, the sphere, attacks, separability of the layers, receptive fields, dilation, fooling."""
    lines: Frame = over_seeds(rows)
    found = [_iterations(rows)]
    case = lines["data"] + ", " + lines["model"]
    lines = lines.assign(case=case)
    found.append(_sphere(rows))
    own = lines[lines["metric"] == "success"]
    if len(own):
        own = own.assign(attack=[f"{line['axis.attack']} {line['axis.norm']} {_eps(line)}"
                                 for _, line in own.iterrows()])
        found.append(grid(own, name="attacks", rows="case", columns="attack", best=False, index_name="network",
                          caption="Attack success rate (%): correctly classified test images that an attack flips "
                          f"within a budget; {_seeds(own)}."))
    found += [_by_layer(lines, "separability", APART, "How easily classes come apart in each layer (%): accuracy of "
                        "neighbours and of a linear probe on test samples, both fitted to training samples; purity of "
                        "as many clusters as classes. 64 principal components of each layer.", percent),
              _by_layer(lines, "receptive_fields", {
                  "theoretical_height": "pixels high", "theoretical_width": "pixels wide",
                  "effective_width": "effective"}, "Receptive field of each layer's central unit (pixels): which can "
                  "reach it; and the side of the square that holds 95.45 % of its gradient.", _one_digit),
              _dilation(rows), _fooling(lines)]
    return [table for table in found if table is not None]


def figures(rows: Sequence[Row], arrays: Arrays) -> dict[str, "Figure"]:
    """One contact sheet per technique and network."""
    from convscope.reporting.panels import Points, scatter

    found: dict[str, Figure] = {}
    keys = sorted({"/".join(key.split("/")[:2]) for key in arrays})
    for key in keys:
        own = {name.removeprefix(f"{key}/"): array for name, array in arrays.items() if name.startswith(f"{key}/")}
        ending = "" if len(keys) == 1 else "_" + "_".join(key.replace("/", " ").replace("=", "-").split())
        sheets = {**_lines(own), **_filters(own), **_activations(own), **_attributions(own), **_maximisation(own),
                  **_adversarial(own), **_fooled(own), **_fields(own, _layers(rows, key))}
        for kind in ("tsne", "pca"):
            if panels := _embedded(own, kind):
                sheets[f"embeddings_{kind}"] = scatter(
                    panels, columns=len(panels), size=1.45, ticks=False, classes=_few(own["embeddings/classes"]),
                    title=f"Layers as embeddings, {'t-SNE' if kind == 'tsne' else 'principal components'}")
        if "swiss_roll/x" in own:
            along = own["swiss_roll/along"]
            bins = np.digitize(along, np.quantile(along, np.linspace(0, 1, 7)[1:-1]))
            points = {"from its side": own["swiss_roll/x"][:, [0, 2]], "t-SNE": own["swiss_roll/tsne"],
                      "PCA": own["swiss_roll/pca"]}
            sheets["swiss_roll"] = scatter({name: Points(x, bins) for name, x in points.items()}, size=2.2, ticks=False,
                                           title="The swiss roll, a control")
        found |= {name if name in SHARED else f"{name}{ending}": sheet for name, sheet in sheets.items()}
    return found | _separability(rows)


def pages(rows: Sequence[Row], arrays: Arrays) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: the lecture prints no number that another network could reach."""
    return []


# Tables

def _iterations(rows: Sequence[Row]) -> Table | None:
    """The lecture's table: what two images are taken for, iteration by iteration."""
    import pandas as pd

    found: dict[tuple[str, int], tuple[float, str]] = {}
    networks = list(dict.fromkeys((row.data, row.model) for row in rows))
    first = {network: min(row.seed for row in rows if (row.data, row.model) == network) for network in networks}
    for row in rows:
        shown = _shown(rows, row) if row.method == "adversarial" and row.metric == "prob" else []
        if shown and row.axes["image"] in shown and row.seed == first[row.data, row.model]:
            place = shown.index(int(row.axes["image"])) + 1
            column = f"image {place}" if len(networks) == 1 else f"{row.data}, {row.model}, image {place}"
            found[column, int(row.axes["iteration"])] = (row.value, str(row.axes["class"]))
    if not found:
        return None
    columns, index = list(dict.fromkeys(c for c, _ in found)), sorted({k for _, k in found})
    columns.sort()
    return Table("adversarial_iterations", "Gradient ascent on the loss of the class that the network sees: predicted "
                 "class by iteration, with its probability (%). The csv has the probabilities.",
                 pd.DataFrame([[found[c, k][0] for c in columns] for k in index], index, columns),
                 pd.DataFrame([[f"{found[c, k][1]} {100 * found[c, k][0]:.0f}" for c in columns] for k in index], index,
                              columns), None, "iteration")


def _shown(rows: Sequence[Row], like: Row) -> list[int]:
    """The first images of the row's network whose class changes; others where fewer do."""
    seen: dict[int, set[str]] = {}
    for row in rows:
        if row.method == "adversarial" and row.metric == "prob" and row.run_id == like.run_id:
            seen.setdefault(int(row.axes["image"]), set()).add(str(row.axes["class"]))
    return sorted(sorted(seen, key=lambda i: (len(seen[i]) < 2, i))[:SHOWN])


def _sphere(rows: Sequence[Row]) -> Table | None:
    """How many images gradient ascent flips, and how often a point of the sphere of twice that radius does."""
    import pandas as pd

    lines: dict[str, dict[str, float]] = {}
    for run_id in dict.fromkeys(row.run_id for row in rows if row.metric == "changed_on_sphere"):
        own = [row for row in rows if row.run_id == run_id and row.method == "adversarial"]
        steps = [row for row in own if row.metric == "prob"]
        last = max(int(row.axes["iteration"]) for row in steps)
        before, after = ({row.axes["image"]: row.axes["class"] for row in steps if row.axes["iteration"] == k}
                         for k in (0, last))
        flipped = [image for image in before if before[image] != after[image]]
        share = [row.value for row in own if row.metric == "changed_on_sphere" and row.axes["image"] in flipped]
        far = [row.value for row in own if row.metric == "distance" and row.axes["image"] in flipped]
        lines[f"{own[0].data}, {own[0].model}, seed {own[0].seed}"] = {
            "images": len(before), "flipped": len(flipped), "distance": float(np.mean(far)) if far else float("nan"),
            "points": min((row.n for row in own if row.metric == "changed_on_sphere"), default=0),
            "changed on the sphere": float(np.mean(share)) if share else float("nan")}
    if not lines:
        return None
    frame = pd.DataFrame(list(lines.values()), index=list(lines))
    text = pd.DataFrame({"images": frame["images"].astype(str), "flipped": frame["flipped"].astype(str),
                         "distance": [number(v, digits=2) for v in frame["distance"]],
                         "points": frame["points"].astype(str),
                         "changed on the sphere": [percent(v) for v in frame["changed on the sphere"]]},
                        index=frame.index)
    return Table("sphere", "The sphere test: images that gradient ascent flips, how far it moves them (Euclidean, "
                 "pixels in [0, 1]), and the share (%) of points on the sphere of twice that radius that have another.",
                 frame, text, None, "network")


def _by_layer(lines: Frame, name: str, metrics: Mapping[str, str], caption: str, show: Any) -> Table | None:
    import pandas as pd

    own = lines[lines["metric"].isin(list(metrics))]
    if not len(own):
        return None
    own = own.sort_values(["case", "axis.order"], kind="stable")
    own = own.assign(layer=[_short(layer) for layer in own["axis.layer"]])
    index = list(dict.fromkeys(zip(own["case"], own["layer"], strict=True)))
    cells = {(c, layer, m): (mean, sem, n) for c, layer, m, mean, sem, n in zip(
        own["case"], own["layer"], own["metric"], own["mean"], own["sem"], own["n_seeds"], strict=True)}
    missing = (float("nan"), float("nan"), 0)
    values = [[cells.get((*one, m), missing)[0] for m in metrics] for one in index]
    text = [[show(*cells.get((*one, m), missing)) for m in metrics] for one in index]
    heads = pd.MultiIndex.from_tuples(index, names=["network", "layer"])
    return Table(name, f"{caption} {_seeds(own).capitalize()}.", pd.DataFrame(values, heads, list(metrics.values())),
                 pd.DataFrame(text, heads, list(metrics.values())))


def _dilation(rows: Sequence[Row]) -> Table | None:
    import pandas as pd

    found: dict[int, dict[str, int]] = {}
    for row in rows:
        if "dilation" in row.axes:
            name = row.metric.replace("_", " ") if row.metric != "stacked_field" else (
                f"field of {row.axes['convolutions']} convolution{'s'[:int(row.axes['convolutions']) - 1]}")
            found.setdefault(int(row.axes["dilation"]), {})[name] = int(row.value)
    if not found:
        return None
    return Table("dilation", "Dilated convolutions of 3 x 3 coefficients: output of an image of 20 x 30, and the "
                 "pixels in a row that one or two of them see.",
                 pd.DataFrame([found[d] for d in sorted(found)], sorted(found)), None, None, "dilation")


def _fooling(lines: Frame) -> Table | None:
    own = lines[(lines["method"] == "fooling") & (lines["metric"] == "prob")]
    if not len(own):
        return None
    own = own.assign(case=own["case"] + ", " + own["axis.encoding"])
    return grid(own, name="fooling", rows="case", columns="axis.class", best=False, index_name="network, encoding",
                caption="Images evolved from noise: the probability (%) of the class that they were evolved for, "
                f"one class at a time (direct) or all together (MAP-Elites); {_seeds(own)}.")


# Contact sheets

def _lines(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.panels import Plane, planes

    steps = sorted({int(name.split("/")[1]) for name in own if name.startswith("lines/") and name.count("/") == 2})
    if not steps:
        return {}
    return {"lines": planes({f"{count} steps": Plane(
        own[f"lines/{count}/map"], own["lines/limits"], own["lines/x"], own["lines/y"], own[f"lines/{count}/lines"])
        for count in steps}, title="Hidden units as lines over the network's decisions")}


def _filters(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, image_sheet

    found = {}
    for i, (name, filters) in enumerate(_named(own, "filters/").items()):
        if filters.shape[1] == 3:
            pictures = [Picture(str(f), one / 2 + 0.5) for f, one in enumerate(filters)]
            rows = [pictures[k:k + 10] for k in range(0, len(pictures), 10)]
            title = f"Filters of {_short(name)} as colours, grey is 0"
        elif filters.shape[1] == 1:
            pictures = [Picture(str(f), one, signed=True) for f, one in enumerate(filters)]
            rows = [pictures[k:k + 10] for k in range(0, len(pictures), 10)]
            title = f"Filters of {_short(name)}"
        else:
            rows = [[Picture(str(f), one[c:c + 1], signed=True) for f, one in enumerate(filters)]
                    for c in range(filters.shape[1])]
            title = f"Filters of {_short(name)}: one per column, a row for each of their first channels"
        found[f"filters_{i + 1}"] = image_sheet(rows, title=title, size=0.55)
    return found


def _activations(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, image_sheet

    found = {}
    for i, (name, maps) in enumerate(_named(own, "activations/").items()):
        largest = maps.max(axis=(0, 2, 3), keepdims=True)
        scaled = maps / np.where(largest > 0, largest, 1)
        rows = [[Picture("input", _unit(image)),
                 *(Picture(f"channel {c}", np.clip(one, 0, 1))
                   for c, one in zip(own[f"channels/{name}"], maps_of, strict=True))]
                for image, maps_of in zip(own["images"], scaled, strict=False)]
        found[f"activations_{i + 1}"] = image_sheet(rows, title=f"Activations of {_short(name)}, channels at random")
    return found


def _attributions(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, image_sheet

    found = {}
    heats = {name: _hot(heat) for name, heat in _named(own, "attributions/").items()}
    images = [Picture(str(name), _unit(image)) for image, name in zip(own["images"], own["names"], strict=True)]
    for name, heat in heats.items():
        found[f"attribution_{name}"] = image_sheet(
            [images, [Picture("", one) for one in heat]], labels=["image", name.replace("_", " ")],
            title=f"{name.replace('_', ' ').capitalize()} for the predicted class")
    if len(heats) > 1:
        rows = [[images[i], *(Picture(name, heat[i]) for name, heat in heats.items())] for i in range(len(images))]
        found["attributions"] = image_sheet(rows, title="Attributions for the predicted class, each scaled to its 99th "
                                            "percentile")
    return found


def _maximisation(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, image_sheet

    rows = [[Picture(str(unit), image) for unit, image in zip(own[f"units/{name}"], images, strict=True)]
            for name, images in _named(own, "maximisation/").items()]
    if not rows:
        return {}
    return {"maximisation": image_sheet(rows, labels=[_short(name) for name in _named(own, "maximisation/")],
                                        title="Images that maximise a channel of a layer, or a class")}


def _adversarial(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, change, image_sheet

    if "adversarial/x_adv" not in own:
        return {}
    after = own["adversarial/x_adv"]
    rows: list[list[Picture]] = [
        [Picture(str(name), _unit(image)) for name, image in zip(own["names"], own["images"], strict=True)],
        [change(image, moved) for image, moved in zip(own["images"], after, strict=True)],
        [Picture(str(name), _unit(image)) for name, image in zip(own["adversarial/names"], after, strict=True)]]
    return {"adversarial": image_sheet(rows, labels=["image", "change", "after the last iteration"],
                                       title="Gradient ascent on the loss, and what the network sees")}


def _fooled(own: Arrays) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, image_sheet

    rows = {name: [Picture("", _unit(image)) for image in images] for name, images in _named(own, "fooling/").items()}
    if not rows:
        return {}
    return {"fooling_images": image_sheet(list(rows.values()), labels=list(rows),
                                   title="Images evolved until the network is sure, one class per column")}


def _fields(own: Arrays, layers: Mapping[str, int]) -> dict[str, "Figure"]:
    from convscope.reporting.figures import Picture, image_sheet

    names = [name.removesuffix("/map") for name in _named(own, "receptive_fields/") if name.endswith("/map")]
    names.sort(key=lambda name: layers.get(name, len(layers)))
    if not names:
        return {}
    row = []
    for name in names:
        top, bottom, left, right = own[f"receptive_fields/{name}/box"]
        row.append(Picture(f"{_short(name)}: {bottom - top + 1} × {right - left + 1}",
                           np.sqrt(own[f"receptive_fields/{name}/map"].astype(np.float64)),
                           circles=[(int(top), int(left)), (int(bottom), int(right))]))
    return {"effective_fields": image_sheet([row], title="Effective receptive fields")}


def _embedded(own: Arrays, kind: str) -> dict[str, Any]:
    from convscope.reporting.panels import Points

    return {_short(name): Points(own[f"embeddings/{name}/{kind}"].astype(np.float64), own["embeddings/y"])
            for name in own.get("embeddings/layers", ()) if own[f"embeddings/{name}/{kind}"].shape[1] == 2}


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


# Small things

def _layers(rows: Sequence[Row], key: str) -> dict[str, int]:
    """The layers of a network whose fields were measured, with their places in its depth."""
    return {str(row.axes["layer"]): int(row.axes["order"]) for row in rows
            if row.metric == "theoretical_height" and f"{row.data}/{row.model}" == key}


def _few(classes: np.ndarray) -> list[str]:
    """The names of classes, if a reader can tell their markers apart."""
    return [str(name) for name in classes] if len(classes) <= NAMED else []


def _short(layer: str) -> str:
    """A layer's name without the wrapper that normalises."""
    return str(layer).removeprefix("network.")


def _named(own: Arrays, prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array.astype(np.float64) for name, array in own.items()
            if name.startswith(prefix)}


def _unit(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(np.float64), 0, 1)


def _hot(attribution: np.ndarray) -> np.ndarray:
    """[N, H, W] in [0, 1]: absolute values, the largest of the channels, cut at the 99th percentile of each map."""
    heat = np.abs(attribution).max(axis=1)
    top = np.quantile(heat, 0.99, axis=(1, 2), keepdims=True)
    top = np.where(top > 0, top, np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12))
    return np.clip(heat / top, 0, 1)


def _eps(line: Any) -> str:
    return f"{round(255 * line['axis.eps'])}/255" if line["axis.norm"] == "linf" else f"{line['axis.eps']:g}"


def _one_digit(mean: float, sem: float, n: int) -> str:
    return number(mean, sem, n, digits=1)


def _seeds(lines: Iterable[Any]) -> str:
    n = int(lines["n_seeds"].max())  # pyright: ignore[reportIndexIssue]
    return "one seed" if n == 1 else f"mean ± standard error over {n} seeds"
