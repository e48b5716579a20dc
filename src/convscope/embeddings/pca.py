"""Principal components."""

import numpy as np

from convscope.family import Count

VERSION = 1
KINDS = ("image", "table")


def embed(x: np.ndarray, *, rng: np.random.Generator, dims: Count = 3) -> np.ndarray:
    """float [N, dims]: the first principal components of x [N, ...]; raises ValueError where x has fewer."""
    from sklearn.decomposition import PCA

    flat = x.reshape(len(x), -1)
    if dims > min(flat.shape):
        raise ValueError(f"pca: {len(flat)} samples of {flat.shape[1]} values have no {dims} components; lower dims")
    return PCA(dims, random_state=int(rng.integers(2**32))).fit_transform(flat)
