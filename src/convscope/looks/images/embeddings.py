"""Every layer as an embedding, by t-SNE and principal components, and how easily classes come apart in it."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from convscope.data import swiss_roll
from convscope.embeddings import pca, tsne
from convscope.family import Count
from convscope.features import separability, taps
from convscope.looks.images.scene import Number, Scene, Sheets, averaged
from convscope.rng import numpy_rng

VERSION = 1
LARGEST = 16384  # values of one sample that are kept of a layer; larger maps are averaged down


def look(scene: Scene, sheets: Sheets, *, layers: Count = 8, perplexity: Count = 50) -> Iterator[Number]:
    """Separability and size of the input and of at most so many layers; the swiss roll is embedded as a control."""
    train, train_y = scene.drawn("train", 2 * scene.samples)
    test, test_y = scene.drawn("test", scene.samples)
    names = taps.stages(scene.model, test[:1], most=layers)
    found = {"input": (train, test)} | dict(zip(names, zip(*(
        taps.record(scene.model, part, names, reduce=_flat).values() for part in (train, test)), strict=True),
        strict=True))
    sheets |= {"embeddings/y": test_y, "embeddings/layers": np.array(list(found)),
               "embeddings/classes": np.array(scene.dataset.class_names)}
    near = min(float(perplexity), (len(test) - 1) / 3)
    for order, (name, (a, b)) in enumerate(found.items()):
        rng, axes = numpy_rng(scene.seed, "embedding", name), {"layer": name, "order": order}
        points = b.flatten(1).numpy()
        sheets[f"embeddings/{name}/tsne"] = tsne.embed(points, rng=rng, dims=2, perplexity=near)
        sheets[f"embeddings/{name}/pca"] = pca.embed(points, rng=rng, dims=min(2, points.shape[1]))
        apart = separability.measure(a.numpy(), train_y, points, test_y, rng=rng)
        for metric in ("knn", "linear", "purity"):
            yield metric, getattr(apart, metric), "fraction", len(test), axes
        yield "dimensions", float(a[0].numel()), "values", len(test), axes
    roll = swiss_roll.load(seed=scene.seed, n=1000).splits["train"].stored
    sheets |= {"swiss_roll/along": np.hypot(roll[:, 0], roll[:, 2]), "swiss_roll/x": roll,
               "swiss_roll/tsne": tsne.embed(roll, rng=numpy_rng(scene.seed, "roll"), dims=2, perplexity=50.0),
               "swiss_roll/pca": pca.embed(roll, rng=numpy_rng(scene.seed, "roll"), dims=2)}


def _flat(activation: Tensor) -> Tensor:
    """One line per sample, of at most LARGEST values where maps can be averaged down to so many."""
    return averaged(activation, int(max(1, (LARGEST / activation.shape[1]) ** 0.5))).flatten(1)
