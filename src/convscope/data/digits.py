"""scikit-learn's handwritten digits, enlarged and made noisy: the embedded default, which needs no file.

The 8x8 images / 16 are enlarged to 16x16 (nearest); each copy is clip(.4 + .2 x + noise N(0, 1), 0, 1), rounded to
1/255. Without the noise they are too easy: a ConvNet gets 99 % and no signal has room above it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convscope.data.cache import cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.family import Count, NonNegative

VERSION = 1
KIND = "image"
N_TRAIN = 1200  # base images; the other 597 are the test's


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, noise: NonNegative = 0.16,
         copies: Count = 4) -> Dataset:
    """Digits [N, 1, 16, 16]: 1,200 base images in `copies` noisy copies for train, 597 in max(1, copies // 2) for test.

    A constant: the split and the noise come from a fixed generator of its own, whatever a run's seed is. `roots` and
    `download` are not needed.
    """
    parameters = {"noise": float(noise), "copies": copies}
    return cached(cache, "digits", lambda: _make(noise, copies), version=VERSION, parameters=parameters)


def _make(noise: float, copies: int) -> Dataset:
    from sklearn.datasets import load_digits  # a second to import: only where the cache has no digits yet

    # RandomState, not Generator: numpy keeps its streams for ever, so that the data set is the same with any version.
    rng = np.random.RandomState(0)
    pixels, labels = load_digits(return_X_y=True)
    base = np.asarray(pixels).reshape(-1, 1, 8, 8).repeat(2, axis=2).repeat(2, axis=3) / 16
    order = rng.permutation(len(base))
    parts = {}
    for split, index, n in (("train", order[:N_TRAIN], copies), ("test", order[N_TRAIN:], max(1, copies // 2))):
        index = np.tile(index, n)
        x = 0.4 + 0.2 * base[index] + noise * rng.standard_normal((len(index), *base.shape[1:]))
        parts[split] = Part(np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8), np.asarray(labels)[index])
    return assemble("digits", [str(k) for k in range(10)], parts)
