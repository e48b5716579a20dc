"""What the techniques look at: a network and the images that it is shown, with what several techniques ask of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from convscope.data.dataset import Dataset, balanced_subset
from convscope.family import Bound
from convscope.features import taps
from convscope.metrics.accuracy import accuracy
from convscope.models.classifier import Classifier
from convscope.rng import numpy_rng
from convscope.runs import Store
from convscope.training.predict import logits

Number = tuple[str, float, str, int, dict[str, Any]]  # metric, value, unit, n, axes: what a technique yields
Sheets = dict[str, np.ndarray]            # what it leaves for its contact sheet, `<technique>/<name>`


@dataclass(frozen=True)
class Scene:
    """What is looked at: the network, `x` [S, C, H, W] the shown images, `pred` [S] the classes it gives them.

    `samples` of the data are embedded, `methods` are the attributions; `store` keeps a network that a look trains.
    """

    model: Classifier
    dataset: Dataset
    x: Tensor
    pred: Tensor
    accuracy: float
    samples: int
    methods: Mapping[str, Bound]
    seed: int
    store: Store
    env: Mapping[str, Any]

    @property
    def std(self) -> list[float] | float:
        """Of the network's own normalisation, per channel: step sizes of the lecture live behind it."""
        return 1.0 if self.model.std is None else self.model.std.tolist()

    @property
    def mean(self) -> list[float] | float:
        return 0.0 if self.model.mean is None else self.model.mean.tolist()

    def drawn(self, split: str, n: int) -> tuple[Tensor, np.ndarray]:
        """(x, y) of n samples of a split, class by class in proportion, drawn by the seed."""
        part = self.dataset.splits[split]
        index = balanced_subset(part.y, min(n, len(part)), numpy_rng(self.seed, "shown", split))
        return torch.from_numpy(part.x(index)), part.y[index]

    def logits(self, x: Tensor) -> Tensor:
        """[N, K] of images [N, C, H, W]."""
        return torch.from_numpy(logits(self.model, x, env=self.env))

    def named(self, classes: Any) -> np.ndarray:
        """The names of classes [N]."""
        return np.array([self.model.class_names[k] for k in classes])

    def maps(self, most: int = 64) -> list[str]:
        """Names of at most `most` stages, first and last among them, that put out maps of more than one place."""
        names = taps.stages(self.model, self.x[:1], most=10**6)
        found = taps.record(self.model, self.x[:1], names)
        kept = [name for name in names if found[name].ndim == 4 and found[name].shape[2] * found[name].shape[3] > 1]
        return [kept[int(i)] for i in np.linspace(0, len(kept) - 1, min(most, len(kept))).round()]

    def depths(self) -> list[str]:
        """An early, a middle and a late stage of those, as far as there are so many."""
        names = self.maps()
        return list(dict.fromkeys([names[0], names[len(names) // 2], names[-1]] if names else []))


def see(model: Classifier, dataset: Dataset, *, images: int, samples: int, methods: Mapping[str, Bound], seed: int,
        store: Store, env: Mapping[str, Any]) -> Scene:
    """The scene of a network; the shown images are test images that it gets right, from as many classes as can be."""
    split = dataset.splits["test"]
    pred = logits(model, torch.from_numpy(split.x()), env=env).argmax(axis=1)
    own = len(model.class_names) == dataset.n_classes
    right = pred == split.y if own else np.ones(len(pred), dtype=bool)
    order = numpy_rng(seed, "images").permutation(np.flatnonzero(right) if right.any() else len(pred))
    rank = np.zeros(len(order), dtype=np.int64)  # how many of its class come before it
    for label in range(dataset.n_classes):
        of_class = split.y[order] == label
        rank[of_class] = np.arange(of_class.sum())
    chosen = order[np.lexsort((split.y[order], rank))][:images]
    return Scene(model, dataset, torch.from_numpy(split.x(chosen)), torch.from_numpy(pred[chosen]),
                 accuracy(pred, split.y) if own else float("nan"), samples, methods, seed, store, env)


def averaged(activation: Tensor, side: int) -> Tensor:
    """Maps [N, F, h, w] averaged down until they are at most `side` high and wide; all else as it is."""
    if activation.ndim != 4 or activation.shape[2] * activation.shape[3] <= side**2:
        return activation
    return functional.adaptive_avg_pool2d(activation, (min(side, activation.shape[2]), min(side, activation.shape[3])))
