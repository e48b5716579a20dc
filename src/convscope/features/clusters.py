"""Filters of one layer that do the same, put together (Siddiqui et al. 2019, TSViz, section 3.3)."""

from dataclasses import dataclass

import numpy as np

from convscope.family import Count, Whole

VERSION = 1
METHODS = ("kmeans", "silhouette", "dtw")
DEAD = -1   # the label of filters that are 0 everywhere
STARTS = 10  # of k-means, of which the tightest is taken: one alone may end in a poor optimum


@dataclass(frozen=True, eq=False)
class Clusters:
    """labels int64 [F] in 0..k-1 by first member, DEAD for dead filters; of each cluster the most typical filter.

    `inertia` is the sum of squared distances to the clusters' centres, None where there are no centres.
    """

    labels: np.ndarray
    k: int
    inertia: float | None
    representatives: np.ndarray  # int64 [k], numbers of filters


def cluster(activation: np.ndarray, *, rng: np.random.Generator, k: Count | None = None, method: str = "kmeans",
            band: Whole | None = None) -> Clusters:
    """Groups of filters by the shape of their activations [F, D], whatever its scale.

    A row is one filter's positions for one input, or for several side by side. Rows are min-max scaled (eq. 16);
    constant ones become 0. Rows that are all 0, dead filters, are a group of their own, labelled DEAD, beside the k.
    - kmeans: k-means++ (eq. 17-19) with k clusters, by default a fifth of all filters and at least 2.
    - silhouette: the same with the k in 2..F // 2 whose clusters have the best mean silhouette, the smallest such.
    - dtw: a tree of average linkage over `dtw_distances` (with this band), cut into at most k; no centres, so the
      representative is the member with the least sum of distances to the others.
    k is never above the number of different rows of living filters, and is 0 where none lives.
    Raises ValueError for activations that are not finite [F, D], another method, k or band.
    """
    activation = np.asarray(activation)
    if activation.ndim != 2 or not activation.size or activation.dtype.kind not in "fiu" or not np.isfinite(
            activation).all():
        raise ValueError(f"activation must be finite numbers [F, D], a row for each filter, got {activation.dtype} "
                         f"{list(activation.shape)}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if k is not None and (k < 1 or method == "silhouette"):
        raise ValueError(f"k must be at least 1, and none for silhouette, which chooses it, got {k} for {method}")
    if band is not None and (band < 0 or method != "dtw"):
        raise ValueError(f"band must be at least 0, and for dtw alone, got {band} for {method}")
    n_filters = len(activation)
    labels = np.full(n_filters, DEAD)
    living = np.flatnonzero((activation != 0).any(axis=1))
    if not len(living):
        return Clusters(labels, 0, None, np.zeros(0, dtype=np.int64))
    rows = scaled(activation[living])
    most = len(np.unique(rows, axis=0))
    k = min(most, k or max(2, n_filters // 5))
    if method == "dtw":
        found, typical = _tree(rows, k, band)
        inertia = None
    else:
        several = range(2, min(n_filters // 2, most, len(rows) - 1) + 1) if method == "silhouette" else ()
        found, typical, inertia = _best(rows, several, rng) if several else _kmeans(rows, k, rng)
    order = list(dict.fromkeys(found.tolist()))  # whatever numbers the algorithm gave
    labels[living] = [order.index(label) for label in found]
    return Clusters(labels, len(order), inertia, living[typical[order]])


def scaled(activation: np.ndarray) -> np.ndarray:
    """float64 [F, D] in 0..1: each row from its least to its greatest value; constant rows are 0."""
    activation = np.asarray(activation, dtype=np.float64)
    low = activation.min(axis=1, keepdims=True)
    span = activation.max(axis=1, keepdims=True) - low
    return (activation - low) / np.where(span > 0, span, 1)  # eq. 16


def dtw_distances(rows: np.ndarray, *, band: Whole | None = None) -> np.ndarray:
    """float64 [F, F]: the square root of the least sum of squared differences along a warping path, for each two rows.

    A path goes from both starts to both ends in steps of one place of either or both (Sakoe and Chiba 1978); with a
    band it stays within so many places of the diagonal, and 0 gives the Euclidean distance. Time grows as F^2 D^2.
    """
    from dtaidistance import dtw

    window = None if band is None else band + 1  # the library counts the diagonal itself
    return dtw.distance_matrix_fast(np.ascontiguousarray(rows, dtype=np.float64), window=window)


def _tree(rows: np.ndarray, k: int, band: int | None) -> tuple[np.ndarray, np.ndarray]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distances = dtw_distances(rows, band=band)
    if len(rows) == 1:  # no two rows, no tree
        return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    labels = fcluster(linkage(squareform(distances), method="average"), k, criterion="maxclust") - 1
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return labels, np.array([own[distances[np.ix_(own, own)].sum(axis=1).argmin()] for own in members])


def _kmeans(rows: np.ndarray, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # for a few dozen rows more threads only wait for each other: up to 100 times slower
        found = KMeans(k, init="k-means++", n_init=STARTS,  # pyright: ignore[reportArgumentType]
                       random_state=int(rng.integers(2**31))).fit(rows)
    labels, centres = np.asarray(found.labels_), np.asarray(found.cluster_centers_)
    away = ((rows - centres[labels]) ** 2).sum(axis=1)
    typical = np.array([np.where(labels == label, away, np.inf).argmin() for label in range(k)])
    return labels, typical, float(away.sum())


def _best(rows: np.ndarray, several: range, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    from sklearn.metrics import silhouette_score

    found = [_kmeans(rows, k, rng) for k in several]
    return found[int(np.argmax([silhouette_score(rows, labels) for labels, *_ in found]))]
