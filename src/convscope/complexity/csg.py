"""Cumulative spectral gradient: how far classes overlap (Branchaud-Charron, Achkar, Jodoin 2019, Spectral Metric for
Dataset Complexity Assessment)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from convscope.complexity.checks import largest, samples
from convscope.family import Count

VERSION = 1
FLOOR = 1e-4       # the least volume of a neighbourhood
SPARE = 2          # candidates beyond k: a point whose next ones are as near is looked at on its own
CHUNK = 2**23      # distances that are held at once, 64 MiB
USUAL = 2.0**40    # squares of values up to it, and down to its inverse, are floats even in float32
FEW = 10           # dimensions from which on volumes lose their meaning
Several = Annotated[int, "at least 2"]  # one point of a class says nothing of where the class lies


@dataclass(frozen=True)
class Csg:
    """`csg` in [0, K - 1]: 0 where classes are apart. `similarity` S [K, K]: where a class's neighbours belong, rows
    sum to 1; `w` [K, K] = 1 - Bray-Curtis of its rows; `eigenvalues` [K] of w's Laplacian, rising."""

    csg: float
    similarity: np.ndarray
    w: np.ndarray
    eigenvalues: np.ndarray
    n: int
    n_classes: int
    n_features: int
    warnings: tuple[str, ...]


def measure(x: np.ndarray, y: np.ndarray, *, k: Count = 3, samples_per_class: Several = 250, rng: np.random.Generator,
            indices: Sequence[np.ndarray] | None = None) -> Csg:
    """The overlap of the classes of x [N, ...], embedded or raw, by the k nearest neighbours of some points.

    At most `samples_per_class` points of each class are drawn by rng; `indices`, one array of sample numbers per class,
    replaces the draw. Neighbours are by Euclidean distance among all samples but the point itself; of equally far ones
    the first. Distances of 50,000 x 3,072 values are held in parts. Raises ValueError for data that cannot be measured.
    """
    flat, label = samples(x, y)
    size = np.bincount(label)
    if k < 1 or size.min() <= k:
        raise ValueError(f"csg with k={k} needs at least {k + 1} samples of every class, class {int(size.argmin())} "
                         f"has {size.min()}; lower k or add samples")
    if bool((flat == flat[0]).all()):
        raise ValueError("csg needs samples that differ, all of them are equal; check the features")
    drawn = _draw(label, len(size), samples_per_class, rng) if indices is None else _given(indices, label, len(size))
    points = np.concatenate(drawn)
    near = neighbours(flat, points, k)
    share = np.stack([(label[near] == j).mean(axis=1) for j in range(len(size))], axis=1)
    constant = int((flat.min(axis=0) == flat.max(axis=0)).sum())
    # Along a constant feature no neighbourhood has a width.
    log = np.zeros(len(points)) if constant else _log_volumes(flat, points, near)
    # Share of each class among the neighbours over the volume that they fill, averaged: a Parzen window. Rows are then
    # normalised, so that volumes count relative to the class's least one: 255^3072 has no float.
    own = np.split(np.arange(len(points)), np.cumsum([len(index) for index in drawn])[:-1])
    similarity = np.stack([np.exp(log[rows].min() - log[rows]) @ share[rows] for rows in own])
    similarity /= similarity.sum(axis=1, keepdims=True)
    w = np.minimum(similarity[:, None], similarity[None]).sum(axis=2)  # rows sum to 1: 1 - Bray-Curtis
    eigenvalues = np.sort(np.linalg.eigvalsh(np.diag(w.sum(axis=1)) - w))
    gaps = np.diff(eigenvalues) / (len(size) - np.arange(len(size) - 1))
    return Csg(float(np.maximum.accumulate(gaps).sum()), similarity, w, eigenvalues, len(flat), len(size),
               flat.shape[1], tuple(_warnings(flat, label, points, near, constant, log)))


def class_map(w: np.ndarray) -> np.ndarray:
    """float [K, 2]: places of the classes whose distances come close to 1 - w (classical multidimensional scaling)."""
    squared = (1 - np.asarray(w, dtype=float)) ** 2
    np.fill_diagonal(squared, 0)
    centre = np.eye(len(w)) - 1 / len(w)
    values, vectors = np.linalg.eigh(-centre @ squared @ centre / 2)
    places = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    return places * np.where(places[np.abs(places).argmax(axis=0), range(places.shape[1])] < 0, -1, 1)


def neighbours(flat: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """int [P, k]: of each sample numbered in points, the k nearest other ones; of equally far ones the first.

    One matrix product gives |b|^2 - 2ab, by which candidates are ranked; it may misplace distances that differ by less
    than `slack`, its rounding. Candidates are measured again by their differences, in float64; where more than those
    few could be among the nearest, all that could are.
    """
    work = _centred(flat)
    square = np.einsum("nd,nd->n", work, work)
    slack = 4 * np.finfo(work.dtype).eps * float(square.max()) * np.sqrt(flat.shape[1])
    extreme = not 1e-100 < largest(flat) < 1e100
    found = np.empty((len(points), k), dtype=np.int64)
    step = max(1, CHUNK // len(flat))
    for start in range(0, len(points), step):
        part = points[start:start + step]
        rows = np.arange(len(part))
        rank = (-2 * work[part]) @ work.T
        rank += square
        rank[rows, part] = np.inf
        near = np.empty((len(part), min(k + SPARE, len(flat) - 1)), dtype=np.int64)
        far = np.empty(near.shape)
        for i in range(near.shape[1]):  # a few passes for the least are faster than a partition
            near[:, i] = rank.argmin(axis=1)
            far[:, i] = rank[rows, near[:, i]]
            rank[rows, near[:, i]] = np.inf
        found[start:start + step] = _nearest(flat, part, near, k, extreme)
        for row in np.flatnonzero(far[:, -1] <= far[:, k - 1] + 2 * slack):  # ties, or nearly: none may be left out
            rank[row, near[row]] = far[row]
            every = np.flatnonzero(rank[row] <= far[row, k - 1] + 2 * slack)
            found[start + row] = _nearest(flat, part[row:row + 1], every[None], k, extreme)
    return found


def _centred(flat: np.ndarray) -> np.ndarray:
    """float32 [N, D]: less their mean, which spares cancellation; large or tiny ones times a power of two, which rounds
    nothing: their squares have no float32."""
    work = np.empty(flat.shape, dtype=np.float32)
    size = largest(flat)
    if size == 0 or 1 / USUAL <= size <= USUAL:
        return np.subtract(flat, flat.mean(axis=0, dtype=np.float64), out=work, casting="same_kind")
    exponent, least = -math.frexp(size)[1], flat.min(axis=0)
    whole = flat.dtype.kind in "iu"
    step = max(1, CHUNK // flat.shape[1])
    parts = [slice(start, start + step) for start in range(0, len(flat), step)]
    mean = np.zeros(flat.shape[1])
    for subtract in (False, True):
        for part in parts:
            scaled = np.ldexp(_difference(flat[part], least) if whole else flat[part].astype(np.float64), exponent)
            if subtract:
                work[part] = scaled - mean
            else:
                mean += scaled.sum(axis=0) / len(flat)
    return work


def _nearest(flat: np.ndarray, part: np.ndarray, near: np.ndarray, k: int, extreme: bool) -> np.ndarray:
    """int [P, k]: the k nearest of each row of candidates `near` [P, C], in float64; of equally far ones the first.

    Squares of `extreme` values have no float64 either: there each difference is in units of its largest coordinate.
    """
    near = np.sort(near, axis=1)
    exact = np.empty(near.shape)
    for i in range(near.shape[1]):
        difference = _difference(flat[near[:, i]], flat[part])
        unit = np.abs(difference).max(axis=1) if extreme else None
        if unit is not None:
            difference /= np.where(unit > 0, unit, 1)[:, None]
        exact[:, i] = np.einsum("pd,pd->p", difference, difference)
        if unit is not None:
            exact[:, i] = unit * np.sqrt(exact[:, i])
    return np.take_along_axis(near, np.argsort(exact, axis=1, kind="stable")[:, :k], axis=1)


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 a - b but for the sign: of whole numbers beyond 2^53 by whole numbers, since a float keeps 53 bits."""
    if a.dtype.kind in "iu" and a.dtype.itemsize == 8:
        return (np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)).astype(np.float64)
    return np.subtract(a, b, dtype=np.float64)


def _draw(label: np.ndarray, n_classes: int, most: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.permutation(np.flatnonzero(label == j))[:most] for j in range(n_classes)]


def _given(indices: Sequence[np.ndarray], label: np.ndarray, n_classes: int) -> list[np.ndarray]:
    drawn = [np.asarray(index) for index in indices]
    right = len(drawn) == n_classes and all(
        index.ndim == 1 and len(index) and index.dtype.kind in "iu" and index.min() >= 0 and index.max() < len(label)
        and bool((label[index] == j).all()) for j, index in enumerate(drawn))
    if not right:
        raise ValueError(f"indices must be {n_classes} arrays, each with the numbers of some samples of its own class; "
                         "leave them out to draw by rng")
    return drawn


def _log_volumes(flat: np.ndarray, points: np.ndarray, near: np.ndarray) -> np.ndarray:
    """float64 [P]: log of the product over d of twice the farthest neighbour's distance along d, at least of FLOOR."""
    widest = np.zeros((len(points), flat.shape[1]))
    for others in near.T:
        difference = _difference(flat[others], flat[points])
        np.maximum(widest, np.abs(difference, out=difference), out=widest)
    flat_somewhere = ~widest.all(axis=1)
    widest[flat_somewhere] = 1
    log = np.where(flat_somewhere, -np.inf, np.log(2 * widest).sum(axis=1))
    return np.maximum(log, np.log(FLOOR))


def _warnings(flat: np.ndarray, label: np.ndarray, points: np.ndarray, near: np.ndarray, constant: int,
              log: np.ndarray) -> list[str]:
    found = []
    if flat.shape[1] > FEW:
        found.append(f"{flat.shape[1]} dimensions: volumes of neighbourhoods mean little there; embed in at most {FEW}")
    if constant:
        found.append(f"{constant} of {flat.shape[1]} features are constant: every volume is at its floor")
    elif flat.shape[1] <= FEW and (least := float((log <= np.log(FLOOR)).mean())) > 0.5:
        found.append(f"{least:.0%} of the neighbourhoods are at the least volume, {FLOOR:g}: the features are in small "
                     "units, multiply them")
    same = (flat[near] == flat[points][:, None]).all(axis=2) & (label[near] != label[points][:, None])
    if same.any():
        found.append(f"{int(same.any(axis=1).sum())} of {len(points)} points have an equal neighbour of another class, "
                     "which the measure weighs above all others")
    return found
