"""t-SNE (van der Maaten, Hinton 2008), by scikit-learn."""

from typing import Literal

import numpy as np

from convscope.family import Count, Positive

VERSION = 1
KINDS = ("image", "table")


def embed(x: np.ndarray, *, rng: np.random.Generator, dims: Literal[2, 3] = 3, perplexity: Positive = 30.0,
          components: Count = 50) -> np.ndarray:
    """float [N, dims] of x [N, ...], which is first reduced to `components` principal components where it has more.

    Raises ValueError where there are no more samples than the perplexity.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(x) <= perplexity:
        raise ValueError(f"tsne: perplexity {perplexity:g} needs more samples than that, got {len(x)}; lower it")
    flat = x.reshape(len(x), -1)
    if components < min(flat.shape):
        flat = PCA(components, random_state=int(rng.integers(2**32))).fit_transform(flat)
    return TSNE(dims, perplexity=perplexity, random_state=int(rng.integers(2**32))).fit_transform(flat)
