"""A disc inside a ring, as the TensorFlow Playground draws them."""

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.toys import halves, toy
from convscope.family import Count, NonNegative

VERSION = 1
KIND = "table"
RADIUS = 5.0


def load(*, seed: int, n: Count = 500, noise: NonNegative = 0.0) -> Dataset:
    """n points [n, 2]: class 1 at radii uniform in [0, 2.5], class 0 in [3.5, 5], at uniform angles."""
    def sample(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        y = halves(n)
        share = np.where(y == 1, rng.uniform(0, 0.5, n), rng.uniform(0.7, 1, n))
        angle = rng.uniform(0, 2 * np.pi, n)
        x = RADIUS * share[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        return x + noise * rng.standard_normal((n, 2)), y

    return toy("circle", ("ring", "disc"), sample, n=n, seed=seed)
