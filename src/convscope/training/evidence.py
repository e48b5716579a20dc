"""Images whose evidence is known: a network reads their signal, and the signal's pixels are where it must look."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset, Split
from convscope.metrics.accuracy import accuracy
from convscope.metrics.reliance import reliance, wrong_labels
from convscope.rng import numpy_rng
from convscope.training.recipe import Recipe, test_set

if TYPE_CHECKING:
    from torch import Tensor, nn

LOCAL = 0.5  # a signal on a larger share of the pixels is nowhere in particular


def read_by_signal(recipe: Recipe, dataset: Dataset, model: "nn.Module", *, env: Mapping[str, Any]
                   ) -> tuple["Tensor", "Tensor", np.ndarray, dict[str, float]]:
    """(x, y, mask) of the test images that the network reads by the signal, and its accuracy and reliance on all.

    Read by it: right with the true label encoded, and following a wrong one. The mask, bool [N, H, W], is true where a
    pixel depends on the label that is encoded. Raises ValueError for a signal on more than half of the pixels.
    """
    import torch

    from convscope.training.predict import logits

    x, y, depends = _marked(recipe, dataset)
    label = y.numpy()
    wrong = wrong_labels(label, n_classes=dataset.n_classes, rng=numpy_rng(recipe.seed, "wrong"))
    pred = logits(model, x, env=env).argmax(axis=1)
    misled = logits(model, test_set(recipe, dataset, torch.from_numpy(wrong))[1], env=env).argmax(axis=1)
    used = (pred == label) & (misled == wrong) & depends.flatten(1).any(dim=1).numpy()
    return x[used], y[used], depends.numpy()[used], {
        "accuracy": accuracy(pred, label), "reliance": reliance(misled, wrong), "explained": float(used.mean())}


def check_local(recipe: Recipe, dataset: Dataset, *, few: int = 20) -> None:
    """Raises ValueError, by a few test images, for a signal on more than half of the pixels."""
    split = dataset.splits["test"]
    index = np.linspace(0, len(split) - 1, min(few, len(split))).astype(int)  # over the classes, which are in order
    chosen = Split(split.stored[index], split.y[index], split.ids[index], split.kind)
    _marked(recipe, replace(dataset, splits={"test": chosen}))


def _marked(recipe: Recipe, dataset: Dataset) -> tuple["Tensor", "Tensor", "Tensor"]:
    """(x, y, mask) of the test images with their signal; the mask is bool [N, H, W]."""
    import torch

    _, x, y = test_set(recipe, dataset)
    depends = torch.zeros(len(x), *x.shape[2:], dtype=torch.bool)
    for label in range(dataset.n_classes):
        depends |= (test_set(recipe, dataset, torch.full_like(y, label))[1] != x).any(dim=1)
    if (share := float(depends.float().mean())) > LOCAL:
        raise ValueError(f"{recipe.signal.label} lies on {share:.0%} of the pixels, nowhere in particular; take a "
                         "signal of single pixels, as one_pixel or pattern_pixels")
    return x, y, depends
