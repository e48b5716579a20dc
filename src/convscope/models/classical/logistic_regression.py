"""Multinomial logistic regression, scikit-learn's defaults."""

from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from convscope.family import Count, Positive

VERSION = 1
KIND = "classical"
KINDS = ("image", "table", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], random_state: int, C: Positive = 1.0,
          max_iter: Count = 100) -> BaseEstimator:
    """An estimator of flattened raw pixels [N, C * H * W], or character indices [N, T].

    On CIFAR-10 it stops after scikit-learn's 100 iterations, before it converges, and warns so; the paper's use "in a
    straightforward manner" keeps them.
    """
    return LogisticRegression(C=C, max_iter=max_iter, random_state=random_state)
