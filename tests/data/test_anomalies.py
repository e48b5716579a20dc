"""Windows with anomalies: what each class promises is there, found again by fitting the wave that was generated."""

from pathlib import Path

import numpy as np
import pytest

from convscope.data import anomalies
from convscope.data.dataset import Dataset
from convscope.data.loading import drawn
from convscope.family import bind


def load(seed: int = 0, **settings: int) -> Dataset:
    return bind("data", {"name": "anomalies", **settings}).call(roots=[], cache=Path("none"), seed=seed)


def of(kind: str, split: str = "train", **settings: int) -> np.ndarray:
    part = load(**settings).splits[split]
    return part.x()[part.y == anomalies.CLASSES.index(kind), 0].astype(float)


def fit(x: np.ndarray, templates: np.ndarray) -> tuple[np.ndarray, ...]:
    """(rms of what is left, period, template, its size) [N] of the best wave plus one template [K, T]."""
    periods, rms, sizes = np.linspace(15, 30, 61), [], []
    for period in periods:
        angle = 2 * np.pi * np.arange(x.shape[1]) / period
        q = np.linalg.qr(np.stack([np.sin(angle), np.cos(angle)], axis=1))[0]
        rest, left = x - x @ q @ q.T, templates - templates @ q @ q.T
        sizes.append(rest @ left.T / (left ** 2).sum(axis=1))
        squares = (rest ** 2).sum(axis=1, keepdims=True) - sizes[-1] ** 2 * (left ** 2).sum(axis=1)
        rms.append(np.sqrt(squares / x.shape[1]))
    each, shape = np.arange(len(x)), (len(periods), len(templates))
    p, k = np.unravel_index(np.stack(rms, axis=1).reshape(len(x), -1).argmin(axis=1), shape)
    return np.stack(rms)[p, each, k], periods[p], k, np.stack(sizes)[p, each, k]


def longest_run(x: np.ndarray) -> list[int]:
    """Of each window, the most values in a row that are equal."""
    found = []
    for row in x:
        lengths = np.diff(np.flatnonzero(np.r_[True, np.diff(row) != 0, True]))
        found.append(int(lengths.max()))
    return found


def test_shapes_classes_and_seeds() -> None:
    data, again, other = load(n=100), load(n=100), load(1, n=100)
    assert data.kind == "windows" and data.input_shape == (1, 50) and drawn(bind("data", {"name": "anomalies"}))
    assert data.class_names == ("normal", "spike", "dip", "shift", "flat")
    for split in data.splits.values():
        assert split.x().shape == (100, 1, 50) and split.x().dtype == np.float32
        assert np.bincount(split.y).tolist() == [20] * 5
    assert data.fingerprint == again.fingerprint != other.fingerprint
    ids = [set(one.splits[split].ids) for one in (data, other) for split in ("train", "test")]
    assert len(set.union(*ids)) == 400  # no window twice, in no split and under no seed
    odd = load(n=12, length=33).splits["test"]
    assert odd.x().shape == (12, 1, 33) and np.bincount(odd.y).tolist() == [3, 3, 2, 2, 2]


def test_a_normal_window_is_a_wave_of_any_phase_and_period_with_noise() -> None:
    x = of("normal", n=300)
    rms, period, _, size = fit(x, np.eye(50))
    assert rms.min() > 0.09 and rms.max() < 0.2 and np.abs(size).max() < 1
    assert period.min() < 18 and period.max() > 27 and np.abs(x).max() < 1.8
    assert 0.6 < x[:, 0].std() < 0.9 and abs(x[:, 0].mean()) < 0.25


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("kind", "sign"), [("spike", 1), ("dip", -1)])
def test_a_spike_or_dip_is_one_value_far_off(kind: str, sign: int, split: str) -> None:
    rms, _, at, size = fit(of(kind, split, n=300), np.eye(50))
    assert rms.min() > 0.09 and rms.max() < 0.2
    assert 1.2 < (sign * size).min() < 1.8 and 2.7 < (sign * size).max() < 3.5
    assert at.min() >= 5 and at.max() < 45 and len(set(at)) > 20


def test_a_shift_is_another_level_to_the_end() -> None:
    x = of("shift", n=300)
    rms, _, at, size = fit(x, np.triu(np.ones((50, 50))))
    assert rms.min() > 0.09 and rms.max() < 0.2
    assert 1.2 < np.abs(size).min() < 1.8 and 2.7 < np.abs(size).max() < 3.5 and 15 < (size > 0).sum() < 45
    assert at.min() >= 5 and at.max() < 45 and len(set(at)) > 20
    assert fit(x, np.eye(50))[0].min() > 0.3  # a wave with one odd value fits none of them


@pytest.mark.parametrize("length", [20, 50, 77])
def test_only_flat_does_not_move_for_a_fifth_of_the_window(length: int) -> None:
    for kind in anomalies.CLASSES:
        expected = length // 5 if kind == "flat" else 1
        assert longest_run(of(kind, n=100, length=length)) == [expected] * 20


@pytest.mark.parametrize("settings", [{"n": 9}, {"length": 19}])
def test_refuses_too_few_or_too_short(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="n of at least 10 and a length of at least 20, got n=.* and length="):
        load(**settings)
    assert load(n=10, length=20).n_classes == 5
