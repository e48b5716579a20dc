"""Two Gaussian clouds, as the TensorFlow Playground draws them."""

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.toys import halves, toy
from convscope.family import Count, Positive

VERSION = 1
KIND = "table"


def load(*, seed: int, n: Count = 500, spread: Positive = 0.5) -> Dataset:
    """n points [n, 2] around (-2, -2), class 0, and (2, 2), class 1, with the standard deviation `spread`.

    The Playground's is at least .7, where clouds of 100 points touch; the paper's one label change needs them apart.
    """
    def sample(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        y = halves(n)
        return np.where(y == 1, 2, -2)[:, None] + spread * rng.standard_normal((n, 2)), y

    return toy("gauss", ("lower", "upper"), sample, n=n, seed=seed)
