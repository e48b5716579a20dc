"""XOR: four squares in the plane, as the TensorFlow Playground draws them."""

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.toys import halves, toy
from convscope.family import Count, NonNegative

VERSION = 1
KIND = "table"
PADDING = 0.3  # between the squares and the axes


def load(*, seed: int, n: Count = 500, noise: NonNegative = 0.0) -> Dataset:
    """n points [n, 2], uniform in [-5, 5]^2 but for a gap along the axes; class 1 where both have one sign."""
    def sample(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        y = halves(n)
        signs = np.where(rng.random_sample(n) < 0.5, -1, 1)
        x = rng.uniform(0, 5, (n, 2)) + PADDING
        x *= np.stack([signs, np.where(y == 1, signs, -signs)], axis=1)
        return x + noise * rng.standard_normal((n, 2)), y

    return toy("xor", ("different signs", "one sign"), sample, n=n, seed=seed)
