"""Extremely randomised trees (Geurts et al. 2006), scikit-learn's defaults."""

from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier

from convscope.family import Count

VERSION = 1
KIND = "classical"
KINDS = ("image", "table", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], random_state: int, n_estimators: Count = 100,
          max_depth: Count | None = None) -> BaseEstimator:
    """An estimator of flattened raw pixels [N, C * H * W], or character indices [N, T]."""
    # One job: cells of a sweep run side by side, and threads of threads are slower than either.
    return ExtraTreesClassifier(n_estimators, max_depth=max_depth, random_state=random_state, n_jobs=1)
