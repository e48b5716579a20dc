"""Two spiral arms, as the TensorFlow Playground draws them: both begin at the origin, with one point each."""

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.toys import halves, toy
from convscope.family import Count, NonNegative

VERSION = 1
KIND = "table"


def load(*, seed: int, n: Count = 500, noise: NonNegative = 0.0, origin: bool = True) -> Dataset:
    """n points [n, 2]: point i of an arm's m at radius 5 i / m and angle 3.5 pi i / m, of the other arm half a turn on.

    Without noise there is no chance in it, and two equal points at the origin have different labels; `origin=false`
    leaves them out (i from 1).
    """
    def sample(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        y = halves(n)
        step = np.concatenate([np.arange(m) / m if origin else np.arange(1, m + 1) / (m + 1) for m in np.bincount(y)])
        angle = 1.75 * 2 * np.pi * step + np.pi * y
        x = 5 * step[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        x[step == 0] = 0
        return x + noise * rng.standard_normal((n, 2)), y

    return toy("spiral", ("first arm", "second arm"), sample, n=n, seed=seed)
