"""Two classes of which one is rare: subsets of balanced data, nested from ratio to ratio."""

from collections.abc import Sequence

import numpy as np

VERSION = 1


def subset(y: np.ndarray, *, ratio: float, n_majority: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Sorted indices of at most n_majority samples of class 0 and 1 / ratio as many of class 1, of labels y [N].

    `rngs` are one generator for each class: the same ones give nested subsets for rising ratios. Raises ValueError
    where the rare class would keep fewer than two.
    """
    drawn = [rng.permutation(np.flatnonzero(y == k)) for k, rng in enumerate(rngs)]
    majority = min(n_majority, *map(len, drawn))
    minority = round(majority / ratio)
    if minority < 2:
        raise ValueError(f"at {ratio:g}:1 the rare class keeps {minority} of {majority} samples, 2 or more are needed; "
                         "lower the ratio or raise n_majority")
    return np.sort(np.concatenate([drawn[0][:majority], drawn[1][:minority]]))
