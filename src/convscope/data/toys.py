"""What the toy sets share: two classes, as many test as training points, drawn by the run's seed."""

from collections.abc import Callable

import numpy as np

from convscope.data.dataset import Dataset, Part, assemble

Sample = Callable[[int, np.random.RandomState], tuple[np.ndarray, np.ndarray]]


def toy(name: str, class_names: tuple[str, str], sample: Sample, *, n: int, seed: int) -> Dataset:
    """n training and n test points, each split from a stream of its own.

    `sample` gives points [m, D] and labels 0 or 1 for a number of points. Raises ValueError for fewer than four.
    """
    if n < 4:
        raise ValueError(f"{name}: n must be at least 4, two points of each class, got {n}")
    parts = {}
    for stream, split in enumerate(("train", "test")):
        # RandomState, not Generator: numpy keeps its streams for ever.
        x, y = sample(n, np.random.RandomState([seed % 2**32, stream]))
        parts[split] = Part(x.astype(np.float32), y.astype(np.int64))
    return assemble(name, class_names, parts)


def halves(n: int) -> np.ndarray:
    """Labels of n points, half of them 1 (of an odd number one less)."""
    return np.repeat([0, 1], [n - n // 2, n // 2])
