"""The toy sets: their geometry, their draws, and what the paper's table says of them."""

import numpy as np
import pytest

from convscope.complexity import csg, thresholds
from convscope.data.dataset import Dataset
from convscope.data.loading import data_identity, data_label, drawn, load_bound
from convscope.family import ConfigError, bind

TOYS = ("xor", "circle", "gauss", "spiral", "moon", "swiss_roll")
ENV = {"cache_root": None, "data_root": None}


def toy(name: str, seed: int = 0, **settings) -> Dataset:
    return load_bound(bind("data", {"name": name, **settings}), ENV, seed=seed)


@pytest.mark.parametrize("name", TOYS)
def test_a_table_of_two_equal_classes_that_the_seed_draws(name: str) -> None:
    data, again, other = toy(name), toy(name), toy(name, 1)
    assert data.kind == "table" and data.n_classes == 2 and data.input_shape == ((3,) if name == "swiss_roll" else (2,))
    for split in ("train", "test"):
        assert np.bincount(data.splits[split].y).tolist() == [250, 250]
        assert data.splits[split].x().dtype == np.float32 and np.isfinite(data.splits[split].x()).all()
    assert data.fingerprint == again.fingerprint
    deterministic = name in ("spiral", "moon")  # without noise there is no chance in them
    assert (data.fingerprint == other.fingerprint) == deterministic
    assert (data.splits["train"].ids.tolist() == data.splits["test"].ids.tolist()) == deterministic
    odd = toy(name, n=101)
    assert sorted(np.bincount(odd.splits["train"].y).tolist()) == [50, 51]


def test_geometry() -> None:
    x, y = toy("xor").splits["train"].x(), toy("xor").splits["train"].y
    assert ((x[:, 0] * x[:, 1] > 0) == (y == 1)).all() and np.abs(x).min() >= 0.3 and np.abs(x).max() <= 5.3
    split = toy("circle").splits["train"]
    radius = np.linalg.norm(split.x(), axis=1)
    assert radius[split.y == 1].max() <= 2.5 + 1e-5 and radius[split.y == 0].min() >= 3.5 - 1e-5
    split = toy("spiral").splits["train"]
    assert (split.x() == 0).all(axis=1).sum() == 2 and set(split.y[(split.x() == 0).all(axis=1)]) == {0, 1}
    assert not (toy("spiral", origin=False).splits["train"].x() == 0).all(axis=1).any()
    split = toy("swiss_roll").splits["train"]
    along = np.hypot(split.x()[:, 0], split.x()[:, 2])  # of a roll, the radius is the place along it
    assert along[split.y == 0].max() <= along[split.y == 1].min() + 1e-4


@pytest.mark.parametrize(("name", "bits"), [("xor", 10), ("circle", 10), ("gauss", 2), ("spiral", 12), ("moon", 10)])
def test_hundred_points_need_the_bits_of_the_papers_table(name: str, bits: int) -> None:
    found = []
    for seed in range(5):
        split = toy(name, seed, n=100).splits["train"]
        found.append(thresholds.measure(split.x(), split.y).complexity_bits)
    assert bits in found and abs(np.mean(found) - bits) <= 1.2


def test_csg_of_the_papers_table() -> None:
    for name, expected, tolerance in (("spiral", 0.431, 0.01), ("xor", 0.006, 0.006), ("circle", 0, 1e-9),
                                      ("gauss", 0, 1e-9), ("moon", 0, 1e-9)):
        split = toy(name).splits["train"]
        found = csg.measure(split.x(), split.y, rng=np.random.default_rng(0)).csg
        assert found == pytest.approx(expected, abs=tolerance)
    split = toy("spiral", origin=False).splits["train"]  # without the two points at the origin
    assert csg.measure(split.x(), split.y, rng=np.random.default_rng(0)).csg < 0.04


def test_only_drawn_sets_have_the_seed_in_their_identity() -> None:
    spiral, digits = bind("data", {"name": "spiral", "n": 20}), bind("data", {"name": "digits", "copies": 1})
    assert drawn(spiral) and not drawn(digits)
    assert data_identity(spiral, toy("spiral", 3, n=20), seed=3)["draw"] == 3
    assert "draw" not in data_identity(digits, toy("spiral", n=20), seed=3)
    assert data_label(spiral) == "spiral n=20" and data_label(digits) == "digits copies=1"


def test_too_few_points() -> None:
    with pytest.raises(ValueError, match="xor: n must be at least 4, two points of each class, got 2"):
        toy("xor", n=2)
    with pytest.raises(ConfigError, match="seed is set at run time"):
        bind("data", {"name": "xor", "seed": 1})
