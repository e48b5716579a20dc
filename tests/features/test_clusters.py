"""Clusters find planted groups again; warping against a naive recursion; dead filters apart; the same by seed."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from convscope.features import clusters
from convscope.rng import numpy_rng

SHAPES = np.stack([np.sin(np.linspace(0, 6, 40)), np.linspace(0, 1, 40), np.exp(-((np.arange(40) - 8.0) ** 2) / 8)])


def planted(copies: int = 5, dead: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Filters [F, 40], each one of three shapes at a scale and level of its own, mixed with dead ones; their groups."""
    rng = numpy_rng(0, "planted")
    group = rng.permutation(np.repeat([0, 1, 2, clusters.DEAD], [copies] * 3 + [dead]))
    scale, level = rng.uniform(0.1, 50, (len(group), 1)), rng.uniform(-9, 9, (len(group), 1))
    rows = scale * (SHAPES[group] + rng.normal(0, 0.02, (len(group), 40))) + level
    return np.where(group[:, None] == clusters.DEAD, 0, rows), group


def same_groups(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(((a[:, None] == a) == (b[:, None] == b)).all())


def test_scaled() -> None:
    rows = clusters.scaled(np.array([[2, 4, 3], [7, 7, 7], [-1, 0, 1]]))
    assert rows.tolist() == [[0, 1, 0.5], [0, 0, 0], [0, 0.5, 1]]


@pytest.mark.parametrize(("method", "k"), [("kmeans", 3), ("silhouette", None), ("dtw", 3), ("kmeans", None)])
@pytest.mark.parametrize("dead", [0, 4])
def test_planted_groups_are_found_again(method: str, k: int | None, dead: int) -> None:
    rows, group = planted(dead=dead)
    found = clusters.cluster(rows, rng=numpy_rng(0, "k-means"), k=k, method=method)
    assert found.k == 3 and same_groups(found.labels, group)  # 15 // 5 and 19 // 5 are 3 as well
    assert ((found.labels == clusters.DEAD) == (group == clusters.DEAD)).all()
    living = found.labels[found.labels != clusters.DEAD]
    assert list(dict.fromkeys(living.tolist())) == [0, 1, 2]  # by first member
    assert found.labels[found.representatives].tolist() == [0, 1, 2]


def test_representatives_and_inertia() -> None:
    rows, _ = planted()
    scaled = clusters.scaled(rows)
    found = clusters.cluster(rows, rng=numpy_rng(0, "k-means"), k=3)
    inertia = 0.0
    for label, representative in enumerate(found.representatives):
        members = np.flatnonzero(found.labels == label)
        away = ((scaled[members] - scaled[members].mean(axis=0)) ** 2).sum(axis=1)
        assert representative == members[away.argmin()]
        inertia += away.sum()
    assert found.inertia == pytest.approx(inertia, rel=1e-9)
    warped = clusters.cluster(rows, rng=numpy_rng(0, "k-means"), k=3, method="dtw")
    distances = clusters.dtw_distances(scaled)
    assert warped.inertia is None
    for label, representative in enumerate(warped.representatives):
        members = np.flatnonzero(warped.labels == label)
        assert representative == min(members, key=lambda m: distances[m, members].sum())


def test_the_same_by_seed() -> None:
    rows = numpy_rng(0, "noise").normal(size=(60, 8))
    labels = [clusters.cluster(rows, rng=numpy_rng(seed, "k-means")).labels.tolist() for seed in (0, 0, 1, 2, 3)]
    assert labels[0] == labels[1] and any(other != labels[0] for other in labels[2:])


def test_k_by_default_is_a_fifth_and_at_least_2() -> None:
    rows = numpy_rng(0, "noise").normal(size=(64, 8))
    rng = numpy_rng(0, "k-means")
    assert [clusters.cluster(rows[:n], rng=rng).k for n in (64, 32, 16, 5, 2, 1)] == [12, 6, 3, 2, 2, 1]
    assert clusters.cluster(np.vstack([rows[:20], np.zeros((40, 8))]), rng=rng).k == 12  # of all filters


@pytest.mark.parametrize("method", clusters.METHODS)
def test_few_rows_that_differ(method: str) -> None:
    rng = numpy_rng(0, "k-means")
    none = clusters.cluster(np.zeros((4, 6)), rng=rng, method=method)
    assert none.labels.tolist() == [-1] * 4 and none.k == 0 and none.inertia is None and not len(none.representatives)
    one = clusters.cluster(np.array([[0, 0, 0], [5, 5, 5], [0, 0, 0]]), rng=rng, method=method)
    assert one.labels.tolist() == [-1, 0, -1] and one.k == 1 and one.representatives.tolist() == [1]  # constant, alive
    rows = np.array([[0, 1, 2], [2, 1, 0], [0, 10, 20], [4, 2, 0]])  # two shapes
    two = clusters.cluster(rows, rng=rng, method=method, k=None if method == "silhouette" else 4)
    assert two.labels.tolist() == [0, 1, 0, 1] and two.k == 2


def test_warping_forgives_shifts() -> None:
    time = np.arange(40.0)
    centres = np.array([6, 12, 18])[:, None]
    one = np.exp(-((time - centres) ** 2) / 8)
    two = one + np.exp(-((time - centres - 14) ** 2) / 8)
    rows = np.stack([one, two], axis=1).reshape(6, 40)
    warped = clusters.cluster(rows, rng=numpy_rng(0, "k-means"), k=2, method="dtw")
    assert warped.labels.tolist() == [0, 1] * 3
    stiff = clusters.cluster(rows, rng=numpy_rng(0, "k-means"), k=2, method="dtw", band=0)
    assert stiff.labels.tolist() != [0, 1] * 3


@pytest.mark.parametrize("k", range(1, 21))
def test_the_tree_joins_the_nearest_on_average(k: int) -> None:
    rows = numpy_rng(0, "tree").normal(size=(20, 6))
    distances = clusters.dtw_distances(clusters.scaled(rows))
    groups = [[i] for i in range(20)]
    while len(groups) > k:
        _, a, b = min((distances[np.ix_(groups[a], groups[b])].mean(), a, b) for b in range(len(groups))
                      for a in range(b))
        groups[a] += groups.pop(b)
    found = clusters.cluster(rows, rng=numpy_rng(0, "k-means"), k=k, method="dtw")
    assert sorted(sorted(group) for group in groups) == [
        np.flatnonzero(found.labels == label).tolist() for label in range(k)]


def naive(a: np.ndarray, b: np.ndarray, band: int | None) -> float:
    """Sakoe and Chiba's recursion as it is written."""
    @cache
    def least(s: int, t: int) -> float:
        if min(s, t) < 0 or (band is not None and abs(s - t) > band):
            return float("inf")
        before = 0.0 if s == t == 0 else min(least(s - 1, t), least(s, t - 1), least(s - 1, t - 1))
        return float((a[s] - b[t]) ** 2) + before

    return least(len(a) - 1, len(b) - 1) ** 0.5


@pytest.mark.parametrize("length", [1, 2, 7, 12])
@pytest.mark.parametrize("band", [None, 0, 1, 2, 5, 99])
def test_warping_equals_the_recursion(length: int, band: int | None) -> None:
    rows = numpy_rng(length, "rows").normal(size=(5, length))
    expected = [[naive(a, b, band) for b in rows] for a in rows]
    np.testing.assert_allclose(clusters.dtw_distances(rows, band=band), expected, rtol=1e-12, atol=1e-12)


def test_warping_known_values() -> None:
    rows = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [0, 2, 0, 0]])
    np.testing.assert_allclose(clusters.dtw_distances(rows), [[0, 0, 1], [0, 0, 1], [1, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(clusters.dtw_distances(rows, band=0)[0], [0, 2 ** 0.5, 5 ** 0.5])


@pytest.mark.parametrize(("arguments", "message"), [
    ({"activation": np.ones(3)}, r"activation must be finite numbers \[F, D\], .* got float64 \[3\]"),
    ({"activation": np.full((2, 2), np.nan)}, "activation must be finite"),
    ({"activation": np.zeros((0, 4))}, r"got float64 \[0, 4\]"),
    ({"activation": np.array([["a"]])}, "activation must be finite numbers"),
    ({"method": "ward"}, "method must be one of kmeans, silhouette, dtw, got 'ward'"),
    ({"k": 0}, "k must be at least 1, .* got 0 for kmeans"),
    ({"k": 3, "method": "silhouette"}, "none for silhouette, which chooses it, got 3 for silhouette"),
    ({"band": 3}, "band must be at least 0, and for dtw alone, got 3 for kmeans"),
    ({"band": -1, "method": "dtw"}, "band must be at least 0, and for dtw alone, got -1 for dtw")])
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clusters.cluster(**{"activation": np.eye(4), "rng": numpy_rng(0, "k-means"), **arguments})
