"""Contact sheets of one network, from the arrays that the techniques left; imports matplotlib, so import it to draw."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from convscope.reporting.figures import Picture, change, image_sheet
from convscope.reporting.panels import Plane, Points, planes, scatter

NAMED = 24  # classes that a legend names
KINDS = {"tsne": "t-SNE", "pca": "principal components"}
Arrays = Mapping[str, np.ndarray]
Sheets = dict[str, Figure]


def sheets(own: Arrays, layers: Mapping[str, int]) -> Sheets:
    """Every sheet that there are arrays for, by its name; `layers` are the places in depth of those with fields."""
    makers = (_lines, _filters, _activations, _attributions, _maximisation, _adversarial, _fooling,
              partial(_fields, layers=layers), _embeddings, _swiss_roll)
    return {name: sheet for make in makers for name, sheet in make(own).items()}


def _short(layer: str) -> str:
    """A layer's name without the wrapper that normalises."""
    return str(layer).removeprefix("network.")


def _lines(own: Arrays) -> Sheets:
    steps = sorted({int(name.split("/")[1]) for name in own if name.startswith("lines/") and name.count("/") == 2})
    panels = {f"{count} steps": Plane(own[f"lines/{count}/map"], own["lines/limits"], own["lines/x"], own["lines/y"],
                                      own[f"lines/{count}/lines"]) for count in steps}
    return {"lines": planes(panels, title="Hidden units as lines over the network's decisions")} if panels else {}


def _filters(own: Arrays) -> Sheets:
    found = {}
    for i, (name, filters) in enumerate(_named(own, "filters/").items()):
        title, colours = f"Filters of {_short(name)}", filters.shape[1] == 3
        if colours or filters.shape[1] == 1:
            pictures = [Picture(str(f), one / 2 + 0.5 if colours else one, signed=not colours)
                        for f, one in enumerate(filters)]
            rows = [pictures[k:k + 10] for k in range(0, len(pictures), 10)]
            title += " as colours, grey is 0" if colours else ""
        else:
            rows = [[Picture(str(f), one[c:c + 1], signed=True) for f, one in enumerate(filters)]
                    for c in range(filters.shape[1])]
            title += ": one per column, a row for each of their first channels"
        found[f"filters_{i + 1}"] = image_sheet(rows, title=title, size=0.55)
    return found


def _activations(own: Arrays) -> Sheets:
    found = {}
    for i, (name, maps) in enumerate(_named(own, "activations/").items()):
        largest = maps.max(axis=(0, 2, 3), keepdims=True)
        scaled = np.clip(maps / np.where(largest > 0, largest, 1), 0, 1)
        rows = [[Picture("input", _unit(image)), *(
            Picture(f"channel {c}", one) for c, one in zip(own[f"channels/{name}"], channels, strict=True))]
            for image, channels in zip(own["images"], scaled, strict=False)]
        found[f"activations_{i + 1}"] = image_sheet(rows, title=f"Activations of {_short(name)}, channels at random")
    return found


def _attributions(own: Arrays) -> Sheets:
    heats = {name: _hot(heat) for name, heat in _named(own, "attributions/").items()}
    images = _pictures(own["names"], own["images"])
    found = {f"attribution_{name}": image_sheet(
        [images, [Picture("", one) for one in heat]], labels=["image", name.replace("_", " ")],
        title=f"{name.replace('_', ' ').capitalize()} for the predicted class") for name, heat in heats.items()}
    if len(heats) > 1:
        found["attributions"] = image_sheet(
            [[image, *(Picture(name, heat[i]) for name, heat in heats.items())] for i, image in enumerate(images)],
            title="Attributions for the predicted class, each scaled to its 99th percentile")
    return found


def _maximisation(own: Arrays) -> Sheets:
    rows = {_short(name): _pictures(own[f"units/{name}"], images)
            for name, images in _named(own, "maximisation/").items()}
    return _labelled("maximisation", rows, "Images that maximise a channel of a layer, or a class")


def _adversarial(own: Arrays) -> Sheets:
    if "adversarial/x_adv" not in own:
        return {}
    before, after = own["images"], own["adversarial/x_adv"]
    return _labelled("adversarial", {
        "image": _pictures(own["names"], before),
        "change": [change(image, moved) for image, moved in zip(before, after, strict=True)],
        "after the last iteration": _pictures(own["adversarial/names"], after)},
        "Gradient ascent on the loss, and what the network sees")


def _fooling(own: Arrays) -> Sheets:
    rows = {name: _pictures([""] * len(images), images) for name, images in _named(own, "fooling/").items()}
    return _labelled("fooling_images", rows, "Images evolved until the network is sure, one class per column")


def _fields(own: Arrays, layers: Mapping[str, int]) -> Sheets:
    found = {name.removesuffix("/map"): np.sqrt(array) for name, array in _named(own, "receptive_fields/").items()
             if name.endswith("/map")}
    row = []
    for name in sorted(found, key=lambda name: layers.get(name, len(layers))):
        top, bottom, left, right = map(int, own[f"receptive_fields/{name}/box"])
        row.append(Picture(f"{_short(name)}: {bottom - top + 1} × {right - left + 1}", found[name],
                           circles=[(top, left), (bottom, right)]))
    return {"effective_fields": image_sheet([row], title="Effective receptive fields")} if row else {}


def _embeddings(own: Arrays) -> Sheets:
    found = {}
    for kind, called in KINDS.items():
        points = {_short(name): own[f"embeddings/{name}/{kind}"] for name in own.get("embeddings/layers", ())}
        panels = {name: Points(x.astype(np.float64), own["embeddings/y"]) for name, x in points.items()
                  if x.shape[1] == 2}
        if panels:
            classes = own["embeddings/classes"].tolist()
            found[f"embeddings_{kind}"] = scatter(
                panels, columns=len(panels), size=1.45, ticks=False, classes=classes if len(classes) <= NAMED else [],
                title=f"Layers as embeddings, {called}")
    return found


def _swiss_roll(own: Arrays) -> Sheets:
    if "swiss_roll/x" not in own:
        return {}
    along = own["swiss_roll/along"]
    bins = np.digitize(along, np.quantile(along, np.linspace(0, 1, 7)[1:-1]))
    points = {"from its side": own["swiss_roll/x"][:, [0, 2]], "t-SNE": own["swiss_roll/tsne"],
              "PCA": own["swiss_roll/pca"]}
    return {"swiss_roll": scatter({name: Points(x, bins) for name, x in points.items()}, size=2.2, ticks=False,
                                  title="The swiss roll, a control")}


def _labelled(name: str, rows: Mapping[str, list[Picture]], title: str) -> Sheets:
    return {name: image_sheet(list(rows.values()), labels=list(rows), title=title)} if rows else {}


def _pictures(titles: "np.ndarray | list[str]", images: np.ndarray) -> list[Picture]:
    return [Picture(str(title), _unit(image)) for title, image in zip(titles, images, strict=True)]


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
