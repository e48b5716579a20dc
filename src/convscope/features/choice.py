"""Which filters to remove: those of least importance (Li et al. 2017), all but one of each cluster, or any."""

from collections import Counter
from collections.abc import Sequence
from operator import index

import numpy as np
import torch
from torch import Tensor

Numbers = Tensor | np.ndarray | Sequence[float]


def least_important(importance: Numbers, share: float) -> list[int]:
    """The share of the filters, to the nearest number of them, whose importance [F] is lowest; one at least is left.

    Of equals the first go first. Raises ValueError for a share outside [0, 1) and importances that are not finite [F].
    """
    found = torch.as_tensor(importance, dtype=torch.float64)
    if found.ndim != 1 or not len(found) or not bool(found.isfinite().all()):
        raise ValueError(f"importance must be finite numbers [F], one for each filter, got {list(found.shape)} with "
                         f"{int((~found.isfinite()).sum())} not finite; give one layer's")
    return sorted(found.argsort(stable=True)[:_how_many(len(found), share)].tolist())


def at_random(n: int, share: float, rng: np.random.Generator) -> list[int]:
    """The control: as many of n filters as `least_important` takes, each equally likely."""
    if n < 1:
        raise ValueError(f"n must be at least 1, the number of a layer's filters, got {n}")
    return sorted(rng.permutation(n)[:_how_many(n, share)].tolist())


def outside_representatives(labels: Numbers, representatives: Sequence[int]) -> list[int]:
    """All filters but one of each cluster: `labels` [F] are their clusters, `representatives` the filters that stay.

    A label below 0 is no cluster (dead filters, noise): nobody has to stand for it, its filters go. Raises ValueError
    where a cluster has no representative, or several.
    """
    found = torch.as_tensor(labels)
    if found.ndim != 1 or not len(found) or found.is_floating_point():
        raise ValueError(f"labels must be whole numbers [F], the cluster of each filter, got "
                         f"{str(found.dtype).removeprefix('torch.')} {list(found.shape)}")
    stay = indices("representatives", representatives, len(found))
    standing = Counter(found[stay].tolist())
    for label in found.unique().tolist():
        if standing[label] != 1 and (label >= 0 or standing[label] > 1):
            raise ValueError(f"each cluster needs one representative, cluster {label} has {standing[label]}; give the "
                             "index of one filter of it")
    if not stay:
        raise ValueError("representatives are empty: no filter would be left, give one at least")
    return [i for i in range(len(found)) if i not in set(stay)]


def indices(what: str, values: Sequence[int], n: int) -> list[int]:
    """The indices as they come; raises ValueError unless they are whole numbers below n, each once."""
    try:
        found = [index(value) for value in values]
    except TypeError:
        found = None
    if found is None or any(isinstance(value, bool) for value in values):
        raise ValueError(f"{what} must be whole numbers, the indices of filters, got {values!r}; of a mask give its "
                         "nonzero places")
    if outside := [i for i in found if not 0 <= i < n]:
        raise ValueError(f"{what} must be in 0..{n - 1}, got {outside[0]}; there are {n} filters")
    if twice := [i for i, times in Counter(found).items() if times > 1]:
        raise ValueError(f"{what} must be different, got {twice[0]} more than once; name each filter once")
    return found


def _how_many(n: int, share: float) -> int:
    if not 0 <= share < 1:
        raise ValueError(f"share must be in [0, 1), got {share:g}; give the part to remove, not per cent")
    return min(round(share * n), n - 1)
