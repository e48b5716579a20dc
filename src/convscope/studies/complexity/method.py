"""How much is there to learn? Data complexity by two measures (debugging paper, section 3.1, Table 1 and Figure 1).

One cell measures one data set with one seed: Friedland's thresholds on the raw values, and the cumulative spectral
gradient (CSG) of an embedding, at the number of samples that the paper's table has and, for raw values, at others.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.loading import drawn
from convscope.family import Bound, ConfigError, bind, part, whole
from convscope.rng import numpy_rng
from convscope.rows import Row
from convscope.studies.study import Cell
from convscope.training.parts import Parts
from convscope.training.recipe import Recipe, read_recipe
from convscope.values import Checker

VERSION = 1
PARTS = ("data", "embedding", "samples", "thresholds", "csg",
         "model", "fit", "baseline_fit", "baseline_fraction", "condition", "normalise")  # of a network
PLOTTED = 500  # points of a 2-D set that are kept for its picture

UNITS = {"thresholds": {"complexity_bits": "bits", "exact_bits": "bits", "thresholds": "label changes", "ratio": "",
                        "upper_bound_bits": "bits"}, "csg": {"csg": ""}}

Size = Annotated[int, "at least 2 and at most 10000000"]  # far beyond what is measured within hours
COUNT = 'Annotated[int, "at least 2 and at most 10000000"]'
SAMPLES = f'dict[Literal["thresholds", "csg"], {COUNT} | dict[Literal["toys", "others"], {COUNT}]]'


@dataclass(frozen=True, kw_only=True)
class Measured(Parts):
    """`headline` samples stand behind each measure's number in the tables; `network` is the one that embeds, if any."""

    headline: Mapping[str, int]
    network: Recipe | None

    def identity(self, data: Any) -> dict[str, Any]:
        network = {} if self.network is None else {"network": self.network.identity(data)}
        return {**super().identity(data), "headline": dict(self.headline), **network}


def run(cell: Cell, *, sizes: set[Size]) -> Iterator[Row]:
    """Measures a training split at the tables' numbers of samples and, for the curves of raw values, at `sizes`.

    Keeps class overlap W, its Laplacian's eigenvalues, a map of the classes, the class names, and the points themselves
    where they have two dimensions.
    """
    from convscope.complexity import csg, thresholds

    given: Mapping[str, Bound] = cell.subject.parts
    dataset, split = cell.dataset, cell.dataset.splits["train"]
    order = numpy_rng(cell.seed, "subset").permutation(len(split))
    raw = given["embedding"].name == "raw"
    headline = {method: min(n, len(split)) for method, n in cell.subject.headline.items()}
    curve = {min(size, len(split)) for size in sizes} | {headline["thresholds"]} if raw else set()
    for n in sorted(curve | {headline["csg"]}):
        index = np.sort(order[:n])
        y, found = split.y[index], {}
        if raw:
            # The stored whole numbers, not pixels in [0, 1]: their sums are exact, so that ties stay ties.
            found["thresholds"] = thresholds.measure(split.stored[index], y, **given["thresholds"].arguments)
        if n == headline["csg"] or np.bincount(y, minlength=dataset.n_classes).min() > given["csg"].arguments["k"]:
            x = given["embedding"].call(x=split.x(index), rng=numpy_rng(cell.seed, "embedding"),
                                        features=partial(_features, cell))
            found["csg"] = csg.measure(x, y, rng=numpy_rng(cell.seed, "csg", n), **given["csg"].arguments)
            if n == headline["csg"]:
                cell.keep(**_shown(found["csg"], dataset, order[:n]))
        for method, measured in found.items():
            for text in measured.warnings:
                warnings.warn(f"{n} samples: {text}", stacklevel=2)
            axes = {"n_samples": n, "headline": n == headline[method], **_axes(cell)}
            for metric, unit in UNITS[method].items():
                yield cell.row(metric, getattr(measured, metric), unit, n, axes, method=method, split="train")


def subject(cfg: Mapping[str, Any]) -> Measured:
    """A data set, an embedding, both measures, and the network whose penultimate layer embeds, if it does."""
    data, embedding = bind("data", cfg["data"]), bind("embeddings", cfg["embedding"])
    measures = {name: bind("complexity", {"name": name, **part(cfg, name)}) for name in ("thresholds", "csg")}
    network = read_recipe(cfg) if "features" in embedding.method.runtime else None
    if network is not None and network.fit is None:
        raise ConfigError(f"{embedding.name} takes the features of a network, {network.model.name} is none; choose a "
                          "network as model")
    return Measured(data=data, parts={"embedding": embedding, **measures}, seed=whole("seed", cfg["seed"]),
                    headline=_headline(cfg["samples"], data), network=network)


def _headline(samples: Any, data: Bound) -> dict[str, int]:
    """Each measure's number of samples: one for all data, or one for toys, which a seed draws, and one for others."""
    found = Checker({}, bind).value("samples", SAMPLES, samples)
    if missing := {"thresholds", "csg"} - set(found):
        raise ConfigError(f"samples must name thresholds and csg, got no {missing.pop()}")
    kind = "toys" if drawn(data) else "others"
    lacking = [measure for measure, given in found.items() if isinstance(given, Mapping) and kind not in given]
    if lacking:
        raise ConfigError(f"samples.{lacking[0]} needs a number for {kind}, got {dict(found[lacking[0]])}")
    return {measure: given[kind] if isinstance(given, Mapping) else given for measure, given in found.items()}


def _axes(cell: Cell) -> dict[str, Any]:
    """The size of the data, and what differs from the measures' defaults."""
    settings = {**cell.subject.parts["thresholds"].given, **cell.subject.parts["csg"].given}
    return {"n_features": int(np.prod(cell.dataset.input_shape)), "n_classes": cell.dataset.n_classes,
            **{k: v if isinstance(v, (int, float, str, bool)) else str(v) for k, v in settings.items()}}


def _features(cell: Cell, x: np.ndarray) -> np.ndarray:
    import torch

    from convscope.training.predict import penultimate

    # Its epochs are shown to nobody: a run that is done already could not show them again.
    network = replace(cell, subject=cell.subject.network, on_epoch=None).network()
    return penultimate(network, torch.from_numpy(x), env=cell.env)


def _shown(overlap: Any, dataset: Dataset, index: np.ndarray) -> dict[str, np.ndarray]:
    from convscope.complexity import csg

    split = dataset.splits["train"]
    shown = {"w": overlap.w, "eigenvalues": overlap.eigenvalues, "map": csg.class_map(overlap.w),
             "classes": np.array(dataset.class_names)}
    if dataset.input_shape == (2,):
        shown |= {"x": split.x(index[:PLOTTED]), "y": split.y[index[:PLOTTED]]}
    return shown
