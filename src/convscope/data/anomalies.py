"""Windows of a generated periodic signal, normal or with one of four anomalies: made to try classifiers on, no more."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convscope.data.dataset import Dataset, Part, assemble
from convscope.family import Count

VERSION = 1
KIND = "windows"
CLASSES = ("normal", "spike", "dip", "shift", "flat")


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, seed: int, n: Count = 1000,
         length: Count = 50) -> Dataset:
    """n training and n test windows [1, length] of five classes, drawn by the run's seed.

    Normal: a wave of random phase and period with noise. Spike, dip: one value far above or below. Shift: from some
    step on the level is another. Flat: for a fifth of the window the value does not move. Raises ValueError for fewer
    than two windows a class, or windows shorter than 20.
    """
    if n < 2 * len(CLASSES) or length < 20:
        raise ValueError(f"anomalies needs n of at least {2 * len(CLASSES)} and a length of at least 20, got n={n} and "
                         f"length={length}")
    parts = {}
    for stream, split in enumerate(("train", "test")):
        rng = np.random.RandomState([seed % 2**32, 11, stream])  # numpy keeps RandomState's streams for ever
        y = np.arange(n) % len(CLASSES)
        x = np.stack([_window(CLASSES[label], length, rng) for label in y])
        parts[split] = Part(x[:, None].astype(np.float32), y)
    return assemble("anomalies", CLASSES, parts)


def _window(kind: str, length: int, rng: np.random.RandomState) -> np.ndarray:
    t = np.arange(length)
    x = np.sin(2 * np.pi * (t / rng.uniform(15, 30) + rng.uniform())) + rng.normal(0, 0.15, length)
    at, size = rng.randint(5, length - 5), rng.uniform(1.5, 3)
    if kind in ("spike", "dip"):
        x[at] += size if kind == "spike" else -size
    elif kind == "shift":
        x[at:] += size * rng.choice([-1, 1])
    elif kind == "flat":
        start = rng.randint(0, length - length // 5)
        x[start:start + length // 5] = x[start]
    return x
