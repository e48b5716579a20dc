"""Decision tree, scikit-learn's defaults."""

from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier

from convscope.family import Count

VERSION = 1
KIND = "classical"
KINDS = ("image", "table", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], random_state: int, max_depth: Count | None = None,
          min_samples_leaf: Count = 1) -> BaseEstimator:
    """An estimator of flattened raw pixels [N, C * H * W], or character indices [N, T]."""
    return DecisionTreeClassifier(max_depth=max_depth, min_samples_leaf=min_samples_leaf, random_state=random_state)
