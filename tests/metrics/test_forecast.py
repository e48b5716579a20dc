"""Errors by hand; intervals that cover; blocks against a naive loop."""

import numpy as np
import pytest

from convscope.metrics.forecast import errors, interval, rmse_draws


def test_errors_by_hand() -> None:
    found = errors(np.array([1.0, 4.0, 0.0]), np.array([2.0, 2.0, 0.0]), scale=2.0)
    assert found["rmse"] == pytest.approx((5 / 3) ** 0.5) and found["mae"] == 1.0
    assert found["scaled_mse"] == pytest.approx(5 / 12)
    assert found["smape"] == pytest.approx((1 / 1.5 + 2 / 3 + 0) / 3)


def test_draws_are_those_of_a_naive_loop() -> None:
    squares = {"a": np.random.default_rng(1).random(50), "b": np.arange(50.0)}
    found = rmse_draws(squares, block=8, rng=np.random.default_rng(7), draws=20)
    starts = np.random.default_rng(7).integers(50, size=(20, 6))
    for name, one in squares.items():
        expected = [np.sqrt(np.mean([one[(s + i) % 50] for s in row for i in range(8)])) for row in starts]
        np.testing.assert_allclose(found[name], expected)


def test_the_same_rows_for_all() -> None:
    one = np.random.default_rng(0).random(60)
    found = rmse_draws({"a": one, "b": 4 * one}, block=5, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found["b"], 2 * found["a"])


def test_the_interval_covers() -> None:
    """Of errors with days in them, about 95 of 100 intervals by days hold the truth; by single rows far fewer."""
    hits = {1: 0, 20: 0}
    for k in range(100):
        rng = np.random.default_rng(k)
        squares = np.repeat(rng.exponential(1, 100), 20) * rng.exponential(1, 2000)
        for block in hits:
            low, high = interval(rmse_draws({"a": squares}, block=block, rng=rng, draws=200)["a"])
            hits[block] += low <= 1 <= high
    assert hits[20] >= 85 and hits[1] <= 75


def test_one_sentence() -> None:
    with pytest.raises(ValueError, match="two vectors of one length"):
        errors(np.zeros(3), np.zeros(4), scale=1.0)
    for scale in (0.0, 1e-200, 1e200, np.nan, np.inf, -1.0):
        with pytest.raises(ValueError, match="a scale above 0 whose square is a number, got"):
            errors(np.zeros(3), np.ones(3), scale=scale)
    for bad in (np.nan, np.inf, -1e200):
        with pytest.raises(ValueError, match="the forecast number 1 is .*; its square is no number"):
            errors(np.array([0, bad, 0]), np.ones(3), scale=1.0)
        with pytest.raises(ValueError, match="the value number 2 is"):
            errors(np.ones(3), np.array([0, 0, bad]), scale=1.0)
    for block, rows in ((6, 11), (0, 3), (1, 1)):
        with pytest.raises(ValueError, match=rf"one row twice, got blocks of {block} and \[{rows}\] rows; test"):
            rmse_draws({"a": np.zeros(rows)}, block=block, rng=np.random.default_rng(0))
