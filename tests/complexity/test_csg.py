"""CSG against the authors' package on identical draws, against a naive loop, and by its identities."""

import math
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from convscope.complexity import csg

GOLDEN = np.load(Path(__file__).with_name("golden_csg.npz"))
CASES = sorted({key.partition("/")[0] for key in GOLDEN})


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def blobs(n: int = 200, dims: int = 3, classes: int = 4, spread: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    x, y, *_ = make_blobs(n, dims, centers=classes, cluster_std=spread, random_state=1)
    return np.asarray(x), np.asarray(y)


def naive(x: np.ndarray, y: np.ndarray, drawn: list[np.ndarray], k: int) -> tuple[float, np.ndarray]:
    """CSG as the formulas say it, one point and one class after the other."""
    classes = len(drawn)
    s = np.zeros((classes, classes))
    for i, index in enumerate(drawn):
        for point in index:
            distance = [(sum((a - b) ** 2 for a, b in zip(x[point], other, strict=True)), j)
                        for j, other in enumerate(x) if j != point]
            near = [j for _, j in sorted(distance)[:k]]
            volume = max(1e-4, math.prod(2 * max(abs(x[j][d] - x[point][d]) for j in near) for d in range(x.shape[1])))
            for j in range(classes):
                s[i, j] += sum(y[m] == j for m in near) / k / volume
        s[i] /= s[i].sum()
    w = np.array([[sum(min(a, b) for a, b in zip(s[i], s[j], strict=True)) for j in range(classes)]
                  for i in range(classes)])
    values = sorted(np.linalg.eigvalsh(np.diag(w.sum(1)) - w))
    total = best = 0.0
    for i in range(classes - 1):
        best = max(best, (values[i + 1] - values[i]) / (classes - i))
        total += best
    return total, w


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_authors_package(case: str) -> None:
    one = {name: GOLDEN[f"{case}/{name}"] for name in ("x", "y", "csg", "w", "s", "evals", "drawn")}
    found = csg.measure(one["x"], one["y"], rng=rng(), indices=list(one["drawn"]))
    assert found.csg == pytest.approx(float(one["csg"]), abs=1e-9)
    np.testing.assert_allclose(found.w, one["w"], atol=1e-9)
    np.testing.assert_allclose(found.similarity, one["s"], atol=1e-9)
    np.testing.assert_allclose(found.eigenvalues, one["evals"], atol=1e-9)


@pytest.mark.parametrize(("k", "dims", "scale"), [(1, 2, 1.0), (3, 3, 1.0), (5, 12, 1.0), (3, 2, 1e-3)])
def test_equals_a_naive_loop(k: int, dims: int, scale: float) -> None:
    x, y = blobs(90, dims)
    drawn = [np.flatnonzero(y == j)[:12] for j in range(4)]
    found = csg.measure(x * scale, y, k=k, rng=rng(), indices=drawn)
    expected, w = naive(x * scale, y, drawn, k)
    assert found.csg == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(found.w, w, atol=1e-12)


def test_ties_go_to_the_first_sample() -> None:
    """A grid of whole numbers: most distances are tied, far more often than there are spare candidates."""
    x = np.array([(a, b) for a in range(9) for b in range(9)], dtype=np.uint8)
    y = (np.arange(81) * 7 % 3).astype(int)
    drawn = [np.flatnonzero(y == j) for j in range(3)]
    near = csg.neighbours(x, np.arange(81), 3)
    whole = x.astype(int)
    for point in range(81):
        exact = [(int(((whole[point] - other) ** 2).sum()), j) for j, other in enumerate(whole) if j != point]
        assert near[point].tolist() == [j for _, j in sorted(exact)[:3]]
    assert csg.measure(x, y, rng=rng(), indices=drawn).csg == pytest.approx(naive(x.astype(float), y, drawn, 3)[0])


def test_neighbours_far_from_the_origin() -> None:
    """Where |a|^2 swallows the distances, candidates must be measured again."""
    x = 1e4 + np.random.default_rng(3).random((300, 4))
    near = csg.neighbours(x, np.arange(300), 3)
    exact = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_array_equal(near, np.argsort(exact, axis=1, kind="stable")[:, :3])


def test_parts_give_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs()
    whole = csg.measure(x, y, rng=rng())
    monkeypatch.setattr(csg, "CHUNK", 7 * len(x))
    assert csg.measure(x, y, rng=rng()).csg == whole.csg


def test_identities() -> None:
    x, y = blobs()
    found = csg.measure(x, y, rng=rng())
    assert 0 <= found.csg <= 3 and found.n_classes == 4 and found.n == 200 and found.n_features == 3
    np.testing.assert_allclose(found.w, found.w.T)
    np.testing.assert_allclose(np.diag(found.w), 1)
    np.testing.assert_allclose(found.similarity.sum(1), 1)
    assert csg.measure(x, y, rng=rng()).csg == found.csg
    drawn = [np.flatnonzero(y == j)[:30] for j in range(4)]
    named = csg.measure(x, y, rng=rng(), indices=drawn)
    renamed = csg.measure(x, 10 * (3 - y), rng=rng(), indices=drawn[::-1])  # other numbers, other order
    assert renamed.csg == pytest.approx(named.csg, abs=1e-12)


def test_two_classes_give_their_overlap_and_far_ones_nothing() -> None:
    x, y = blobs(classes=2, spread=6.0)
    found = csg.measure(x, y, rng=rng())
    assert found.csg == pytest.approx(found.w[0, 1]) and 0 < found.csg < 1
    apart = np.concatenate([x[y == 0], x[y == 1] + 1000])
    assert csg.measure(apart, np.repeat([0, 1], 100), rng=rng()).csg == pytest.approx(0, abs=1e-12)


def test_huge_volumes_are_no_nan() -> None:
    """256^3072 has no float; the package of the authors gives NaN there."""
    x = np.random.default_rng(0).integers(0, 256, (40, 3072)).astype(float)
    assert 0 <= csg.measure(x, np.arange(40) % 2, rng=rng()).csg <= 1


def test_map_keeps_the_distances_of_three_classes() -> None:
    w = np.array([[1, 0.8, 0.2], [0.8, 1, 0.3], [0.2, 0.3, 1]])
    places = csg.class_map(w)
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.testing.assert_allclose(distance, 1 - w, atol=1e-9)
    assert csg.class_map(np.array([[1, 0.4], [0.4, 1]])).shape == (2, 2)


def test_says_what_makes_it_doubtful() -> None:
    x, y = blobs(dims=12)
    assert any("12 dimensions" in text for text in csg.measure(x, y, rng=rng()).warnings)
    x = np.concatenate([x[:, :2], np.ones((200, 1))], axis=1)
    assert any("1 of 3 features are constant" in text for text in csg.measure(x, y, rng=rng()).warnings)
    double = np.random.default_rng(0).random((20, 2))
    double[10:] = double[:10]
    told = csg.measure(double, np.repeat([0, 1], 10), rng=rng()).warnings
    assert any("20 of 20 points have an equal neighbour of another class" in text for text in told)


@pytest.mark.parametrize(("change", "sentence"), [
    ({"k": 50}, "csg with k=50 needs at least 51 samples of every class, class 0 has 50"),
    ({"indices": [np.arange(3)]}, "indices must be 4 arrays"),
    ({"x": np.ones((200, 3))}, "all of them are equal"),
    ({"y": np.zeros(200, int)}, "at least two classes, got only class 0"),
    ({"y": np.array(["a", "b"] * 100)}, "labels must be whole numbers, got texts such as 'a'"),
    ({"y": np.linspace(0, 1, 200)}, "y must be whole numbers [200], one per sample, got float64 [200]"),
    ({"x": np.full((200, 3), np.nan)}, "x must be finite, got nan in sample 0, feature 0"),
])
def test_refuses_in_one_sentence(change: dict, sentence: str) -> None:
    x, y = blobs()
    with pytest.raises(ValueError) as error:
        csg.measure(**{"x": x, "y": y, "rng": rng(), **change})
    assert sentence in str(error.value) and "\n" not in str(error.value)


def nearest(x: list[list], k: int) -> list[list[int]]:
    """In fractions: no value is too large, too small or rounded."""
    found = []
    for i, one in enumerate(x):
        apart = [(sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(one, other, strict=True)), j)
                 for j, other in enumerate(x) if j != i]
        found.append([j for _, j in sorted(apart)[:k]])
    return found


NOISE = np.random.default_rng(5).standard_normal((60, 3))
FILLED = np.where(np.arange(60)[:, None] % 4 == [0, 1, 5], 9.97e36, NOISE)  # netCDF's fill value
WIDE = 10**18 + np.random.default_rng(6).integers(0, 500, (60, 2))


@pytest.mark.parametrize("x", [
    NOISE * 1e20, NOISE * 1e30, (NOISE * 2e30).astype(np.float32), NOISE * 1e160, NOISE * 1e-25, NOISE * 1e-170,
    NOISE + 1.7e9, (NOISE * 1000 + 1.7e9).astype(np.float32), NOISE * [1e6, 1e20, 1e-20], FILLED,
    FILLED.astype(np.float32), np.where(FILLED > 1e30, 1e200, NOISE), WIDE, WIDE.astype(np.uint64) * 18,
    (WIDE - 10**18 - 250) * 2**54,
], ids=lambda x: f"{x.dtype} {x.flat[0]:.3g}")
def test_neighbours_of_large_tiny_and_far_values(x: np.ndarray) -> None:
    """Masses, fill values, seconds since 1970 and ids: squares overflow, vanish, or differ beyond a float's digits."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert csg.neighbours(x, np.arange(len(x)), 3).tolist() == nearest(x.tolist(), 3)


@pytest.mark.parametrize("scale", [2.0**67, 2.0**-90, 2.0**900])
def test_a_scale_changes_only_what_the_least_volume_cuts(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csg, "FLOOR", 1e-300 if scale > 1 else 1e-320)
    x, y = blobs(dims=2, spread=2.0)
    assert csg.measure(x * scale, y, rng=rng()).csg == pytest.approx(csg.measure(x, y, rng=rng()).csg, abs=1e-12)


def test_says_that_small_units_lose_their_volumes() -> None:
    x, y = blobs(dims=2)
    assert not csg.measure(x, y, rng=rng()).warnings
    assert "100% of the neighbourhoods are at the least volume" in csg.measure(x * 1e-6, y, rng=rng()).warnings[0]
