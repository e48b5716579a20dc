"""Linear discriminant analysis."""

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from convscope.family import Fraction, NonNegative
from convscope.models.classical.features import on

VERSION = 1
KIND = "classical"
KINDS = ("image", "table", "text")


class _Discriminant(LinearDiscriminantAnalysis):
    """scikit-learn's, with a sentence where nothing varies within the classes, which is what it divides by."""

    def fit(self, X: Any, y: Any) -> "_Discriminant":  # noqa: N803
        try:
            return super().fit(X, y)
        except (IndexError, np.linalg.LinAlgError) as error:
            raise ValueError("lda: too little varies within the classes for it to be fitted, as in images of one pixel "
                             "or a table that repeats its rows; take gaussian_nb or decision_tree") from error


def build(*, n_classes: int, input_shape: tuple[int, ...], random_state: int,
          solver: Literal["svd", "lsqr", "eigen"] = "svd", shrinkage: Fraction | None = None,
          tol: NonNegative = 1e-4,
          features: Literal["raw", "channel_mean", "max_min_mean"] = "raw") -> BaseEstimator:
    """An estimator of flattened images [N, C * H * W], or character indices [N, T]; scikit-learn's defaults.

    On CIFAR-10's raw pixels it reads the `mean` signal with solver lsqr and shrinkage 1e-6 (1.00), not with the
    default svd (.27). svd also drops what has no variance within the classes at all, as the one character that
    `mnemonic` writes. Raises ValueError for shrinkage with svd, which has none.
    """
    if solver == "svd" and shrinkage is not None:
        raise ValueError(f"lda's solver svd has no shrinkage, got {shrinkage}; set solver to lsqr or eigen")
    return on(features, _Discriminant(solver=solver, shrinkage=shrinkage, tol=tol), input_shape)
