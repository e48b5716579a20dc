"""Every embedding: shapes, the same rng the same points, and what each keeps of the data."""

import numpy as np
import pytest

from convscope import family

NAMES = family.names("embeddings")
SETTINGS = {"pca": {"dims": 2}, "tsne": {"dims": 2, "perplexity": 5.0},
            "autoencoder": {"dims": 6, "epochs": 2, "width": 4}}


def images(n: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(rng.random((n, 1, 10, 9)) * 0.2 + np.repeat([0.1, 0.7], n // 2)[:, None, None, None], 0, 1).astype(
        np.float32)


def embed(name: str, x: np.ndarray, seed: int = 0, **settings) -> np.ndarray:
    return family.bind("embeddings", {"name": name, **SETTINGS.get(name, {}), **settings}).call(
        x=x, rng=np.random.default_rng(seed), features=lambda x: x.reshape(len(x), -1)[:, :3] * 2)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    x = images()
    before = x.copy()
    found = embed(name, x)
    assert found.ndim == 2 and len(found) == len(x) and np.isfinite(found).all()
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(found, embed(name, x))
    assert found.shape[1] == {"raw": 90, "pca": 2, "tsne": 2, "autoencoder": 6, "penultimate": 3}[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_two_halves_stay_apart(name: str) -> None:
    found = embed(name, images())
    halves = found[:30], found[30:]
    apart = np.linalg.norm(halves[0].mean(0) - halves[1].mean(0))
    assert apart > max(np.linalg.norm(half - half.mean(0), axis=1).mean() for half in halves)


def test_pca_is_the_projection_of_largest_variance() -> None:
    x = images().reshape(60, -1).astype(np.float64)
    centred = x - x.mean(0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    found = embed("pca", x)
    np.testing.assert_allclose(np.abs(found), np.abs(centred @ directions[:2].T), atol=1e-6)
    assert np.var(found[:, 0]) * 60 == pytest.approx(values[0] ** 2)


def test_the_autoencoder_learns_to_rebuild(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code after training tells more of an image than the untrained one: a linear map rebuilds images better."""
    rng = np.random.default_rng(0)
    x = np.zeros((200, 1, 8, 8), dtype=np.float32)
    for image, row, column in zip(x, rng.integers(0, 6, 200), rng.integers(0, 6, 200), strict=True):
        image[0, row:row + 3, column:column + 3] = 1
    errors = []
    for epochs in (1, 40):
        code = np.c_[embed("autoencoder", x, dims=8, epochs=epochs), np.ones(200)]
        flat = x.reshape(200, -1)
        errors.append(np.square(code @ np.linalg.lstsq(code, flat, rcond=None)[0] - flat).mean())
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize(("name", "x", "settings", "sentence"), [
    ("pca", images(10), {"dims": 11}, "pca: 10 samples of 90 values have no 11 components"),
    ("tsne", images(10), {"perplexity": 10.0}, "perplexity 10 needs more samples than that, got 10"),
    ("autoencoder", np.zeros((5, 3), np.float32), {}, "autoencoder embeds images [N, C, H, W], got the shape [5, 3]")])
def test_refuses_in_one_sentence(name: str, x: np.ndarray, settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        embed(name, x, **settings)
    assert sentence in str(error.value)
