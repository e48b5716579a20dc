"""A rolled-up sheet in space, as scikit-learn draws it, cut into two classes along the roll."""

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.toys import halves, toy
from convscope.family import Count, NonNegative

VERSION = 1
KIND = "table"


def load(*, seed: int, n: Count = 500, noise: NonNegative = 0.0) -> Dataset:
    """n points [n, 3]; class 1 is the outer half of them, by how far along the roll they lie."""
    def sample(n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import make_swiss_roll

        x, along = make_swiss_roll(n, noise=noise, random_state=rng)
        return x[np.argsort(along)], halves(n)

    return toy("swiss_roll", ("inner", "outer"), sample, n=n, seed=seed)
