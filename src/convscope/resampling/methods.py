"""The resamplers of imbalanced-learn by name: the paper's SMOTE and Tomek links, both, and random ones as controls."""

from collections.abc import Callable
from typing import Any

import numpy as np

from convscope.resampling.capacity import CapacityResampler

VERSION = 1
# The debugging paper's proposal keeps the least complex of several draws; the most complex one is its control.
CHOICES = ("_least_complex", "_most_complex")
NAMES = ("none", "random_over", "random_under", "smote", "tomek", "smote_tomek")
NEIGHBOURS = 5  # of SMOTE, as Chawla et al. 2002


def build(name: str, y: np.ndarray, *, random_state: int) -> Any:
    """A sampler with `fit_resample` for the labels y, None for "none"; every class becomes as frequent as the other.

    (Tomek links only remove the majority's points on the border.) SMOTE interpolates between 5 nearest neighbours of a
    rare class, or all where there are fewer. Raises ValueError for an unknown name, or SMOTE of a single sample.
    """
    from imblearn import combine, over_sampling, under_sampling

    if name not in NAMES:
        raise ValueError(f"no resampling method {name!r}; there are {', '.join(NAMES)}")
    if name == "none":
        return None
    if name == "random_over":
        return over_sampling.RandomOverSampler(random_state=random_state)
    if name == "random_under":
        return under_sampling.RandomUnderSampler(random_state=random_state)
    if name == "tomek":
        return under_sampling.TomekLinks()
    rarest = int(np.unique(y, return_counts=True)[1].min())
    if rarest < 2:
        raise ValueError(f"{name} interpolates between samples of the rare class, which has {rarest}; give it at least "
                         "2, or take random_over")
    smote = over_sampling.SMOTE(k_neighbors=min(NEIGHBOURS, rarest - 1), random_state=random_state)
    return smote if name == "smote" else combine.SMOTETomek(smote=smote, random_state=random_state)


def resample(name: str, x: np.ndarray, y: np.ndarray, *, measure: Callable[[np.ndarray, np.ndarray], float],
             repeats: int, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """x [N, D] and y [N] resampled by a method of `build`; with an ending of CHOICES, the draw of `repeats` chosen by
    `measure(x, y)`, a complexity."""
    choice = next(filter(name.endswith, CHOICES), "")
    sampler = build(name.removesuffix(choice), y, random_state=random_state)
    if sampler is None:
        return x, y
    if choice:
        sampler = CapacityResampler(sampler, measure, n_repeats=repeats, largest=choice == "_most_complex",
                                    random_state=random_state)
    new_x, new_y, *_ = sampler.fit_resample(x, y)
    return np.asarray(new_x, dtype=np.float32), np.asarray(new_y)
