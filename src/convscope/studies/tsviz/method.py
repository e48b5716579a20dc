"""What do a time-series network's filters do? Influence, clusters, saliency, highlighting, pruning (TSViz paper).

One cell is one trained network: a forecaster of a series, a classifier of windows, or the character ConvNet of texts,
which is a network over time too. What the paper shows for one input is measured over the whole test set; the figures
show one example.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

import numpy as np

from convscope.family import ConfigError, Whole, bind, find
from convscope.rows import Row
from convscope.studies.study import Cell
from convscope.studies.study import first_seed_in_half as arrays
from convscope.training.forecast import read_forecast
from convscope.training.recipe import read_recipe

__all__ = ["arrays", "check", "run", "subject"]

VERSION = 1
PARTS = ("data", "condition", "model", "fit", "fits", "baseline_fit", "baseline_fraction", "normalise", "window",
         "horizon", "weights")
MODELS = ("convnet",)
Analysis = Literal["importance", "redundancy", "saliency", "example", "removal", "adversarial"]
Clusters = Literal["kmeans", "silhouette", "dtw"]
Inputs = Annotated[int, "at least 10"]
Percentile = Annotated[float, "between 0 and 100"]
Share = Annotated[float, "at least 0 and below 1"]


def subject(cfg: Mapping[str, Any]) -> Any:
    """The network: of a forecast where the data are a series, with weights of Keras's where they are given."""
    if bind("data", cfg["data"]).method.constants.get("KIND") != "series":
        found = read_recipe(cfg)
    else:
        found = read_forecast(cfg)
    if found.model.name == "day_attention":
        raise ConfigError("tsviz looks into convolutions, day_attention has none; choose traffic_cnn, or one of your "
                          "own")
    weights = cfg.get("weights")
    if weights is None:
        return found
    if found.model.name != "traffic_cnn":
        raise ConfigError(f"weights are Keras's, of the authors' network, got model {found.model.name}; take "
                          "model=traffic_cnn, or weights=null to train")
    from convscope.training.keras_weights import Given

    return Given(**{one.name: getattr(found, one.name) for one in fields(found)}, weights=str(weights))


def check(cell: Cell) -> None:
    """Refuses data that are not over time, and a series shorter than a window."""
    data = cell.subject.data
    kind = data.method.constants.get("KIND", "image")
    if kind not in ("series", "windows", "text"):
        raise ConfigError(f"tsviz is for series, windows and texts, {data.name} is {kind} data; for images take "
                          "under_the_hood")
    n = len(cell.subject.test_rows(cell.dataset) if kind == "series" else cell.dataset.splits["test"])
    if (example := cell.settings.arguments["example"]) >= n:
        raise ConfigError(f"example must be one of the {n} test inputs, 0..{n - 1}, got {example}")


def run(cell: Cell, *, analyses: list[Analysis], inputs: Inputs, example: Whole, percentile: Percentile,
        clusters: Clusters, shares: list[Share], finetune: Whole) -> Iterator[Row]:
    """Yields the numbers of every analysis; keeps what the figures of one example show.

    At most `inputs` test inputs are measured. Of the test input number `example`, filters at or above the `percentile`
    of importance are shown and grouped by `clusters`. `shares` of each layer's filters are removed, and the smaller
    networks trained on by `finetune` steps (0: not at all).
    """
    from convscope.looks.over_time.scene import Asked, layer_name, see

    scene = see(cell.network(), cell.subject, cell.dataset, cell.env,
                Asked(inputs, example, percentile, clusters, tuple(shares), finetune))
    sheets: dict[str, np.ndarray] = {}
    metric, value, unit = scene.judged(scene.model)
    yield cell.row(metric, value, unit, len(scene.x))
    for name in analyses:
        for metric, value, unit, n, axes in find("looks/over_time", name)(scene, sheets):
            told = {key: layer_name(one) if isinstance(one, str) else one for key, one in axes.items()}
            yield cell.row(metric, value, unit, n, told, method=name)
    cell.keep(**sheets)
