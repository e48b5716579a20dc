"""The classical baselines keep the family's contract and solve the signals they are in the table for."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score

from convscope import family
from convscope.models.classical.features import channel_mean, max_min_mean
from convscope.rng import torch_rng

CLASSICAL = [n for n in family.names("models") if family.describe("models", n).constants["KIND"] == "classical"]


def carriers(n: int, shape: tuple[int, ...], seed: int, blur: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth random images in steps of 1/255, as photographs are; the labels say nothing about them."""
    noise = torch.rand(n, *shape, generator=torch_rng(seed, "carriers"))
    smooth = torch.nn.functional.avg_pool2d(noise, blur, 1, blur // 2, count_include_pad=False) if blur > 1 else noise
    return ((smooth - 0.5) * blur * 0.8 + 0.5).clamp(0, 1).mul(255).round() / 255, torch.arange(n) % 10


def solve(signal: str, model: str, shape: tuple[int, ...] = (3, 8, 8), n: int = 1000, blur: int = 5,
          signal_settings: dict | None = None, **settings: object) -> float:
    """Test accuracy of a model trained on n encoded images, on 500 others."""
    flat, labels = [], []
    for seed, count in ((0, n), (1, 500)):
        x, y = carriers(count, shape, seed, blur)
        encoded = family.find("signals", signal)(x, y, n_classes=10, key=0, rng=torch_rng(seed, "signal"),
                                                 **signal_settings or {})
        flat.append(encoded.flatten(1).numpy())
        labels.append(y.numpy())
    estimator = family.find("models", model)(n_classes=10, input_shape=shape, random_state=0, **settings)
    return float(accuracy_score(labels[1], estimator.fit(flat[0], labels[0]).predict(flat[1])))


@pytest.mark.parametrize("name", CLASSICAL)
def test_contract(name: str) -> None:
    x, y = carriers(400, (3, 4, 4), 0, 3)
    flat, labels = x.flatten(1).numpy(), y.numpy()
    before = flat.copy()
    build = family.find("models", name)
    estimators = [build(n_classes=10, input_shape=(3, 4, 4), random_state=0) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 100 iterations of logistic regression
        pred, again = (e.fit(flat, labels).predict(flat) for e in estimators)
    assert pred.shape == (400,) and set(pred) <= set(range(10)) and np.array_equal(pred, again)
    assert np.array_equal(flat, before)
    assert np.array_equal(pickle.loads(pickle.dumps(estimators[0])).predict(flat), pred)


@pytest.mark.parametrize(("signal", "model"), [
    ("one_pixel", "decision_tree"), ("one_pixel", "gaussian_nb"), ("one_pixel", "lda"),
    ("pattern_pixels", "decision_tree"), ("noise", "lda"), ("pattern_pixels", "extra_trees"),
])
def test_solves(signal: str, model: str) -> None:
    assert solve(signal, model) >= 0.99
    assert solve("clean", model) < 0.2


def test_lda_reads_the_mean() -> None:
    assert solve("mean", "lda", solver="lsqr", shrinkage=1e-6) >= 0.99
    assert solve("mean", "lda", features="max_min_mean") >= 0.99


@pytest.mark.parametrize(("name", "settings"), [
    ("lda", {"solver": "lsqr", "shrinkage": 1e-6, "tol": 1e-3}), ("qda", {"reg_param": 1e-8, "tol": 0.0}),
    ("gaussian_nb", {"var_smoothing": 1e-8}), ("decision_tree", {"max_depth": 3, "min_samples_leaf": 2}),
    ("extra_trees", {"n_estimators": 7, "max_depth": 3}), ("logistic_regression", {"C": 0.5, "max_iter": 9}),
])
def test_settings_reach_the_estimator(name: str, settings: dict) -> None:
    built = family.find("models", name)(n_classes=10, input_shape=(1, 8, 8), random_state=5, **settings)
    estimator = built.steps[-1][1] if hasattr(built, "steps") else built
    held = estimator.get_params()
    assert {key: held[key] for key in settings} == settings
    assert held.get("random_state", 5) == 5


@pytest.mark.parametrize("decoy", [True, False])
def test_qda_solves_paired_pixels_only_with_its_tiny_regularisation(decoy: bool) -> None:
    settings = {"shape": (1, 8, 8), "n": 3000, "signal_settings": {"decoy": decoy}}
    assert solve("paired_pixels", "qda", **settings) >= 0.95
    assert solve("paired_pixels", "qda", reg_param=1e-1, **settings) < 0.9
    assert solve("clean", "qda", shape=(1, 8, 8), n=3000) < 0.2


def test_features() -> None:
    x = np.random.default_rng(0).random((5, 3 * 4 * 6), dtype=np.float32)
    images = x.reshape(5, 3, 4, 6).astype(np.float64)
    by_hand = (images[:, 0] + images[:, 1] + images[:, 2]) / 3
    assert channel_mean(x, channels=3) == pytest.approx(by_hand.reshape(5, 24), abs=1e-15)
    assert channel_mean(x, channels=3).dtype == np.float64
    for row, image in zip(max_min_mean(x), x, strict=True):
        assert row == pytest.approx([max(image), min(image), sum(map(float, image)) / 72], abs=1e-12)


def test_what_cannot_be_built_is_refused() -> None:
    common = {"n_classes": 10, "input_shape": (1, 8, 8), "random_state": 0}
    with pytest.raises(ValueError, match="no shrinkage, got 0.1; set solver"):
        family.find("models", "lda")(**common, shrinkage=0.1)
    with pytest.raises(ValueError, match="features must be raw, channel_mean or max_min_mean, got 'hog'"):
        family.find("models", "qda")(**common, features="hog")
    with pytest.raises(family.ConfigError, match="one of raw, channel_mean, max_min_mean, got 'hog'"):
        family.bind("models", {"name": "qda", "features": "hog"})
