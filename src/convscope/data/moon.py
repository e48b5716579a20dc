"""Two interleaving half circles, as scikit-learn draws them."""

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.toys import toy
from convscope.family import Count, NonNegative

VERSION = 1
KIND = "table"


def load(*, seed: int, n: Count = 500, noise: NonNegative = 0.0) -> Dataset:
    """n points [n, 2] on two half circles of radius 1, moved by Gaussian noise of this standard deviation."""
    def sample(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import make_moons

        x, y = make_moons(n, shuffle=False, noise=noise, random_state=rng)
        return np.asarray(x), np.asarray(y)

    return toy("moon", ("upper", "lower"), sample, n=n, seed=seed)
