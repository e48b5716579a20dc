"""How easily classes come apart in what a layer puts out: the disentangling that the lecture tells of, in numbers."""

from dataclasses import dataclass

import numpy as np

VERSION = 1
COMPONENTS = 64  # principal components kept of a layer with more values: distances in 16,384 dimensions cost as much


@dataclass(frozen=True)
class Separability:
    """Shares in [0, 1]: accuracy of the nearest neighbours, of a linear classifier, and purity of k-means."""

    knn: float
    linear: float
    purity: float


def measure(train: np.ndarray, train_y: np.ndarray, test: np.ndarray, test_y: np.ndarray, *, k: int = 5,
            rng: np.random.Generator) -> Separability:
    """Accuracy on test [M, ...] of `k` nearest neighbours and of logistic regression on train [N, ...]; k-means purity.

    Both sets are reduced to the training set's principal components, 64 at most, and scaled to unit variance for the
    linear probe. Purity: test samples in as many clusters as classes, each counted for its most frequent class. Raises
    ValueError where the sets do not fit each other.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    a, b = train.reshape(len(train), -1), test.reshape(len(test), -1)
    if a.shape[1] != b.shape[1] or len(a) != len(train_y) or len(b) != len(test_y) or len(a) <= k:
        raise ValueError(f"expected train [N > {k}, D] and test [M, D] with their labels, got {list(a.shape)} with "
                         f"{len(train_y)} and {list(b.shape)} with {len(test_y)}")
    components = min(COMPONENTS, *a.shape)
    if components < a.shape[1]:
        pca = PCA(components, random_state=int(rng.integers(2**32))).fit(a)
        a, b = pca.transform(a), pca.transform(b)
    knn = KNeighborsClassifier(k).fit(a, train_y).score(b, test_y)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(a, train_y).score(b, test_y)
    clusters = KMeans(len(np.unique(train_y)), n_init=4,  # pyright: ignore[reportArgumentType]
                      random_state=int(rng.integers(2**32))).fit_predict(b)
    return Separability(float(knn), float(linear), purity(clusters, test_y))


def purity(clusters: np.ndarray, y: np.ndarray) -> float:
    """The share of samples whose class is the most frequent one of their cluster."""
    _, cluster = np.unique(clusters, return_inverse=True)
    _, label = np.unique(y, return_inverse=True)
    counts = np.zeros((cluster.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(counts, (cluster, label), 1)
    return float(counts.max(axis=1).sum() / len(y))
