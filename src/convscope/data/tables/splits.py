"""Train and test of a single table, by what is in its rows; and what the training rows say of missing values."""

import hashlib
from collections.abc import Sequence

import numpy as np


def tested(file: str, rows: np.ndarray, labels: np.ndarray, classes: Sequence[str], test_fraction: float,
           split_seed: int) -> np.ndarray:
    """bool [N]: of each class the share test_fraction of its different rows, by the hash of their content.

    Raises ValueError for a class that would have no row for train or none for test.
    """
    told = (f"{split_seed}/{row.tobytes().hex()}".encode() for row in rows)
    digest = np.array([hashlib.sha256(one).hexdigest().encode() for one in told])
    found = np.zeros(len(rows), dtype=bool)
    for k in dict.fromkeys(labels.tolist()):
        own = np.unique(digest[labels == k])
        count = round(test_fraction * len(own))
        if len(own) < 2 or not 0 < count < len(own):
            raise ValueError(f"{file}: class {classes[k]!r} has {len(own)} different rows, of which test_fraction="
                             f"{test_fraction:g} leaves none for train or test; add rows, or give train.csv and "
                             "test.csv")
        found |= (labels == k) & np.isin(digest, own[:count])
    return found


def filled(rows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Each NaN of rows float32 [N, D] replaced by the median that its column has in the rows `train`."""
    for column in rows.T:
        empty = np.isnan(column)
        if empty.any():
            column[empty] = np.nanmedian(column[train])
    return rows
