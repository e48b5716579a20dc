"""Quadratic discriminant analysis, with the settings by which it can read an equal pair of pixels."""

from typing import Literal

from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from convscope.family import Fraction, NonNegative
from convscope.models.classical.features import on

VERSION = 1
KIND = "classical"
KINDS = ("image", "table", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], random_state: int, reg_param: Fraction = 1e-10,
          tol: NonNegative = 1e-12,
          features: Literal["raw", "channel_mean", "max_min_mean"] = "channel_mean") -> BaseEstimator:
    """An estimator of flattened images [N, C * H * W], by default on their channel mean in float64; or of character
    indices [N, T], which have one channel.

    An equal pair is a direction without variance in its class: regularisation hides it (reg_param 1e-3 reads .64 of
    CIFAR-10's pairs, 1e-10 .98), and each class needs clearly more images than there are features (H * W + 100).
    """
    return on(features, QuadraticDiscriminantAnalysis(reg_param=reg_param, tol=tol), input_shape)
