"""Accuracy and its interval."""

import math
from statistics import NormalDist

import numpy as np


def accuracy(pred: np.ndarray, y: np.ndarray) -> float:
    """Share of predictions that are right, in [0, 1]; raises ValueError for no predictions or other lengths."""
    return share(pred, y)


def cross_entropy(scores: np.ndarray, y: np.ndarray) -> float:
    """Mean of -log softmax of each sample's label, in nats, of logits [N, K] and labels [N]."""
    top = scores.max(axis=1, keepdims=True).astype(np.float64)
    log = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return float(np.mean(log - scores[np.arange(len(y)), y]))


def wilson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a share of `correct` in `n`, in [0, 1].

    Wilson 1927's score interval without continuity correction: unlike the normal one it stays inside [0, 1] and has a
    width at 0 and 1. Raises ValueError unless 0 <= correct <= n, n >= 1 and 0 < confidence < 1.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"wilson needs 0 <= correct <= n and n >= 1, got correct={correct}, n={n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = correct / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Both bounds are exact at the ends, where rounding would leave 1e-17.
    return (0.0 if correct == 0 else (centre - half) / scale, 1.0 if correct == n else (centre + half) / scale)


def share(pred: np.ndarray, y: np.ndarray) -> float:
    """Share of places where two vectors of class numbers agree."""
    if pred.shape != y.shape or pred.ndim != 1 or not len(y):
        raise ValueError(f"expected two vectors of class numbers of one length, got {pred.shape} and {y.shape}")
    return float(np.mean(pred == y))
