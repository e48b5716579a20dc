"""Accuracy, Wilson's interval and reliance against hand values and scipy."""

import numpy as np
import pytest
from scipy.stats import binomtest

from convscope.metrics.accuracy import accuracy, wilson
from convscope.metrics.reliance import blind_level, reliance, wrong_labels


def test_accuracy() -> None:
    assert accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75
    for pred, y in [(np.array([0, 1]), np.array([0])), (np.array([]), np.array([])), (np.eye(2), np.eye(2))]:
        with pytest.raises(ValueError, match="one length"):
            accuracy(pred, y)


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (8490, 10000), (500, 597)])
@pytest.mark.parametrize("confidence", [0.95, 0.68])
def test_wilson_is_scipys(correct: int, n: int, confidence: float) -> None:
    expected = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    assert wilson(correct, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_by_hand() -> None:
    # 5 of 10: centre .5, half width z / sqrt(4 (n + z^2)) with z = 1.959964
    assert wilson(5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == 1.0
    for arguments in [(1, 0, 0.95), (11, 10, 0.95), (-1, 10, 0.95), (1, 10, 1.0)]:
        with pytest.raises(ValueError):
            wilson(*arguments)


def test_reliance_of_a_blind_model_is_the_blind_level() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 200_000)
    pred = np.where(rng.random(len(y)) < 0.8, y, (y + 1) % 10)  # right in 80 %, else always the next class
    measured = reliance(pred, wrong_labels(y, n_classes=10, rng=rng))
    assert measured == pytest.approx(blind_level(0.8, 10), abs=1.5e-3)
    assert blind_level(0.1, 10) == pytest.approx(0.1) and blind_level(1.0, 10) == 0.0


def test_wrong_labels_are_all_the_others_evenly() -> None:
    y = np.repeat(np.arange(4), 30_000)
    wrong = wrong_labels(y, n_classes=4, rng=np.random.default_rng(1))
    counts = np.array([[np.sum(wrong[y == a] == b) for b in range(4)] for a in range(4)])
    assert not counts.diagonal().any()
    assert counts[~np.eye(4, dtype=bool)] == pytest.approx(10_000, rel=0.05)
    with pytest.raises(ValueError, match="2 classes"):
        wrong_labels(y, n_classes=1, rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="2 classes"):
        blind_level(0.5, 1)
