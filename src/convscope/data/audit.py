"""What can be wrong with labelled samples before anything learns from them: equal ones, contradictions, leaks."""

from collections import Counter
from collections.abc import Iterable

import numpy as np


def contents(ids: Iterable[str]) -> list[str]:
    """The hash of each sample's content: an id is the hash, and -2, -3 of equal ones."""
    return [str(one)[:16] for one in ids]


def equal(ids: Iterable[str], y: np.ndarray) -> tuple[int, int]:
    """(samples that repeat another one, contents that have more than one label) of samples with labels y [N]."""
    found = contents(ids)
    labels = Counter(one for one, _ in set(zip(found, y.tolist(), strict=True)))
    return len(found) - len(labels), sum(count > 1 for count in labels.values())


def leaked(train_ids: Iterable[str], test_ids: Iterable[str]) -> int:
    """How many test samples have a content that is among the training samples too."""
    known = set(contents(train_ids))
    return sum(one in known for one in contents(test_ids))


def scales(x: np.ndarray) -> tuple[int, float | None]:
    """(columns of a table x [N, D] that never change, the largest deviation over the smallest); None where all do not.
    """
    spread = x.std(axis=0, dtype=np.float64)
    varied = spread[spread > 0]
    return len(spread) - len(varied), float(varied.max() / varied.min()) if len(varied) else None
