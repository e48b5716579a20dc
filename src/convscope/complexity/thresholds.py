"""Expected complexity in bits by counting label changes (Friedland, Metere, Krell 2018, A Practical Approach to Sizing
Neural Networks)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from convscope.complexity.checks import BLOCK, largest, samples

VERSION = 1
NOTHING_LEARNT = 0.95  # from this share of a random labelling's label changes on, the number says nothing of the labels
IMBALANCED = 3.0       # largest to smallest class


@dataclass(frozen=True)
class Thresholds:
    """`exact_bits` = log2(thresholds + 1) * n_features; `complexity_bits` with the logarithm rounded as asked.

    `upper_bound_bits` = thresholds * n_features + thresholds + 1: a network that stores every threshold. `ratio` is
    thresholds to those of randomly permuted labels, on average.
    """

    thresholds: int
    exact_bits: float
    complexity_bits: float
    upper_bound_bits: int
    ratio: float
    n: int
    n_classes: int
    n_features: int
    warnings: tuple[str, ...]


def measure(x: np.ndarray, y: np.ndarray, *, key: Literal["sum", "l1"] = "sum",
            rounding: Literal["ceil", "none", "floor"] = "ceil", max_samples: int | None = None,
            ties: Literal["label", "stable"] = "label", rng: np.random.Generator | None = None) -> Thresholds:
    """How many bits it takes to separate the classes of x [N, ...] along one number per sample.

    Samples are sorted by their `key`, and thresholds are the places where the label changes. The paper says L1 norm
    ("l1"); its table of 2-D sets needs the signed sum, and on non-negative pixels both agree. Equal keys are ordered by
    label, so that the order of samples says nothing; `ties="stable"` keeps that order, the literal reading.
    `max_samples` draws so many by rng. Raises ValueError for data that cannot be measured (see `checks.samples`).
    """
    for name, value, choices in (("key", key, ("sum", "l1")), ("rounding", rounding, ("ceil", "none", "floor")),
                                 ("ties", ties, ("label", "stable"))):
        if value not in choices:
            raise ValueError(f"{name} must be {' or '.join(choices)}, got {value!r}")
    flat, label = samples(x, y)
    if max_samples is not None and max_samples < len(flat):
        if rng is None or max_samples < 2:
            raise ValueError(f"max_samples={max_samples} of {len(flat)} samples must be at least 2, drawn by an rng: "
                             "pass numpy.random.default_rng(seed)")
        index = np.sort(rng.permutation(len(flat))[:max_samples])
        flat, label = samples(flat[index], label[index])
    keys = _keys(flat, key)
    order = np.lexsort((label, keys)) if ties == "label" else np.argsort(keys, kind="stable")
    count = int(np.count_nonzero(np.diff(label[order])))
    n, d = flat.shape
    size = np.bincount(label).astype(float)
    # Neighbours of a random order have different labels with probability 1 - sum_k n_k (n_k - 1) / (n (n - 1)).
    expected = (n - 1) * (1 - float((size * (size - 1)).sum()) / (n * (n - 1)))
    bits = math.log2(count + 1)
    rounded = {"ceil": math.ceil, "none": float, "floor": math.floor}[rounding](bits)
    ratio = count / expected
    return Thresholds(count, bits * d, float(rounded * d), count * d + count + 1, ratio, n, len(size), d,
                      tuple(_warnings(size, ratio)))


def _keys(flat: np.ndarray, key: str) -> np.ndarray:
    """[N]: one number per sample, in order of the sums; where the sums themselves would be rounded, their ranks."""
    size = largest(flat)
    whole = flat.dtype.kind in "iub"
    if whole and size * flat.shape[1] >= 2**63:
        return _ranks([sum(map(abs, row) if key == "l1" else row) for row in _rows(flat)])
    if not whole and size > 1:
        # A large column must not swallow the others: 1e20 + 0.1 and 1e20 + 0.2 are one float. What the rounded sum
        # leaves over is kept as a second number.
        return _ranks([_exact([abs(v) for v in row] if key == "l1" else row) for row in _rows(flat)])
    kind = np.int64 if whole else np.float64
    keys = np.empty(len(flat), dtype=kind)
    step = max(1, BLOCK // flat.shape[1])
    for start in range(0, len(flat), step):
        block = flat[start:start + step]
        if key == "l1":
            block = np.abs(block.astype(np.int64) if block.dtype.kind == "i" else block)
        keys[start:start + step] = block.sum(axis=1, dtype=kind)
    return keys


def _rows(flat: np.ndarray) -> Iterator[list]:
    step = max(1, BLOCK // flat.shape[1])
    for start in range(0, len(flat), step):
        yield from flat[start:start + step].tolist()


def _exact(row: list[float]) -> tuple[float, float]:
    """A sum to twice the digits of a float: rounded, and what rounding took off."""
    total = math.fsum(row)
    return total, math.fsum([*row, -total])


def _ranks(keys: list) -> np.ndarray:
    place = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([place[key] for key in keys])


def _warnings(size: np.ndarray, ratio: float) -> list[str]:
    found = []
    if ratio >= NOTHING_LEARNT:
        found.append(f"labels change {ratio:.0%} as often as random ones along the sums: the number says little beyond "
                     "the size of the data")
    if len(size) > 2:
        found.append(f"{len(size)} classes: the method is derived for two, more of them only raise the count")
    if size.max() > IMBALANCED * size.min():
        found.append(f"classes are imbalanced ({size.max():.0f} to {size.min():.0f} samples): rare ones hardly count")
    return found
