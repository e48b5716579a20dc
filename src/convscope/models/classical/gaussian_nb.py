"""Gaussian naive Bayes, scikit-learn's defaults."""

from sklearn.base import BaseEstimator
from sklearn.naive_bayes import GaussianNB

from convscope.family import NonNegative

VERSION = 1
KIND = "classical"
KINDS = ("image", "table", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], random_state: int,
          var_smoothing: NonNegative = 1e-9) -> BaseEstimator:
    """An estimator of flattened raw pixels [N, C * H * W], or character indices [N, T]."""
    return GaussianNB(var_smoothing=var_smoothing)
