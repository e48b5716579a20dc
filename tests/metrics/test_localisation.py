"""Localisation against naive loops; maps that say nothing score what chance would."""

import numpy as np
import pytest

from convscope.metrics.localisation import heatmap, mass_accuracy, pointing_game, rank_accuracy
from convscope.rng import numpy_rng


def maps(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = numpy_rng(0, "maps")
    mask = rng.random((n, 5, 7)) < 0.2
    mask[:, 0, 0] = True
    return rng.random((n, 5, 7)), mask


def test_against_loops() -> None:
    heat, mask = maps()
    for i in range(len(heat)):
        places = sorted(np.ndindex(5, 7), key=lambda place: -heat[i][place])
        k = int(mask[i].sum())
        assert mass_accuracy(heat, mask)[i] == pytest.approx(sum(heat[i][p] for p in places if mask[i][p])
                                                             / sum(heat[i][p] for p in places))
        assert rank_accuracy(heat, mask)[i] == pytest.approx(sum(mask[i][p] for p in places[:k]) / k)
        assert pointing_game(heat, mask)[i] == mask[i][places[0]]


def test_perfect_and_opposite_maps() -> None:
    _, mask = maps()
    for measure in (mass_accuracy, rank_accuracy, pointing_game):
        assert (measure(mask.astype(float), mask) == 1).all()
        assert (measure((~mask).astype(float), mask) == 0).all()


def test_constant_maps_score_as_chance() -> None:
    _, mask = maps()
    share = mask.mean(axis=(1, 2))
    for measure in (mass_accuracy, rank_accuracy, pointing_game):
        for value in (0.0, 3.0):
            np.testing.assert_allclose(measure(np.full(mask.shape, value), mask), share)


def test_ties_by_expectation() -> None:
    heat, mask = np.array([[[5.0, 1.0, 1.0, 1.0, 0.0]]]), np.array([[[True, True, False, False, False]]])
    assert rank_accuracy(heat, mask)[0] == pytest.approx((1 + 1 / 3) / 2)


def test_heat_is_absolute_and_summed_over_channels() -> None:
    np.testing.assert_allclose(heatmap(np.array([[[[1.0, -2.0]], [[-3.0, 0.5]]]])), [[[4.0, 2.5]]])


@pytest.mark.parametrize(("heat", "mask", "message"), [
    (np.ones((2, 3, 3)), np.ones((2, 3, 4), dtype=bool), "masks of the same shape"),
    (np.ones((2, 3, 3)), np.ones((2, 3, 3)), "true or false, got"),
    (-np.ones((2, 3, 3)), np.ones((2, 3, 3), dtype=bool), r"take heatmap\(attribution\) first"),
    (np.full((2, 3, 3), np.nan), np.ones((2, 3, 3), dtype=bool), "heat must be finite"),
    (np.ones((2, 3, 3)), np.zeros((2, 3, 3), dtype=bool), "number 0 has none; leave it out")])
def test_bad_input(heat: np.ndarray, mask: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rank_accuracy(heat, mask)
