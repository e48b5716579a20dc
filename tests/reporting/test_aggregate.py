"""Rows over seeds: the numbers by hand and by scipy, the identity of a cell, refusals."""

import math
import random

import numpy as np
import pytest
from scipy import stats

from convscope.reporting.aggregate import over_seeds, spread
from convscope.rows import Row


def row(seed: int = 0, value: float = 0.5, **changes) -> Row:
    given = {"study": "blindspots", "run_id": f"r{seed}", "data": "digits", "split": "test", "model": "resnet",
             "method": "noise", "condition": "encoded", "axes": {"amplitude": 0.01}, "seed": seed, "metric": "accuracy",
             "value": value, "unit": "fraction", "n": 100}
    return Row(**{**given, **changes})


def test_three_seeds_by_hand():
    line = over_seeds([row(0, 0.80), row(1, 0.82), row(2, 0.84)]).iloc[0]
    assert line["mean"] == pytest.approx(0.82)
    assert line["sem"] == pytest.approx(0.02 / math.sqrt(3))
    assert line["ci95"] == pytest.approx(4.302652729911275 * 0.02 / math.sqrt(3))  # t(.975, 2) from a printed table
    assert (line["n_seeds"], line["n"], line["axis.amplitude"]) == (3, 100, 0.01)


def test_spread_equals_scipy():
    values = np.random.default_rng(0).random(7)
    mean, sem, half = spread(list(values))
    assert sem == pytest.approx(stats.sem(values))
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))


def test_one_seed_has_no_spread():
    line = over_seeds([row()]).iloc[0]
    assert math.isnan(line["sem"]) and math.isnan(line["ci95"]) and line["n_seeds"] == 1


def test_n_is_the_smallest_of_the_seeds():
    assert over_seeds([row(0, n=100), row(1, n=90)]).iloc[0]["n"] == 90


@pytest.mark.parametrize("change", [
    {"study": "other"}, {"data": "cifar10"}, {"split": "train"}, {"model": "vit"}, {"method": "mean"},
    {"condition": "clean"}, {"metric": "reliance"}, {"unit": "%"}, {"axes": {"amplitude": 0.1}}, {"axes": {}},
])
def test_every_field_separates_cells(change):
    assert len(over_seeds([row(0), row(0, **change)])) == 2
    assert len(over_seeds([row(0), row(1, **change)])) == 2


def test_equal_axes_meet_whatever_their_type_and_booleans_do_not():
    assert len(over_seeds([row(0, axes={"amplitude": 1}), row(1, axes={"amplitude": 1.0})])) == 1
    assert len(over_seeds([row(0, axes={"amplitude": 1}), row(0, axes={"amplitude": True})])) == 2
    assert len(over_seeds([row(0, axes={"a": 1, "b": 2}), row(1, axes={"b": 2, "a": 1})])) == 1


def test_order_of_rows_changes_nothing():
    rows = [row(s, 0.1 + 0.01 * s + a, axes={"amplitude": a}) for s in range(5) for a in (0, 0.001, 0.1)]
    expected = over_seeds(rows)
    assert list(expected["axis.amplitude"]) == [0, 0.001, 0.1]
    random.Random(0).shuffle(rows)
    assert over_seeds(rows).equals(expected)


def test_mixed_axes_sort():
    rows = [row(axes={"level": v}) for v in ("high", 2, True, 0.5)] + [row(axes={})]
    assert len(over_seeds(rows)) == 5


def test_a_cell_measured_twice_is_refused():
    with pytest.raises(ValueError, match=r"one accuracy \(test\) of noise with resnet per seed, got two for seed 3"):
        over_seeds([row(3, 0.1, run_id="a"), row(3, 0.2, run_id="b")])


def test_no_rows_give_an_empty_frame():
    frame = over_seeds([])
    assert frame.empty and {"mean", "sem", "metric"} <= set(frame.columns)
