"""What a classical model sees of an image or a text: its raw values, or a few statistics of them."""

from functools import partial
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

Features = Literal["raw", "channel_mean", "max_min_mean"]


def channel_mean(pixels: np.ndarray, *, channels: int) -> np.ndarray:
    """float64 [N, H * W]: the mean over channels of flattened images [N, C * H * W]."""
    return pixels.reshape(len(pixels), channels, -1).mean(axis=1, dtype=np.float64)


def max_min_mean(pixels: np.ndarray) -> np.ndarray:
    """float64 [N, 3]: maximum, minimum and mean over all values of each image or text."""
    return np.stack([pixels.max(axis=1), pixels.min(axis=1), pixels.mean(axis=1, dtype=np.float64)], axis=1)


def on(features: str, estimator: BaseEstimator, input_shape: tuple[int, ...]) -> BaseEstimator | Pipeline:
    """The estimator on these features of flattened images, or of texts, which have one channel: the indices themselves.

    Raises ValueError for an unknown name. The steps are module-level functions, so that a fitted model can be pickled.
    """
    if features == "raw":
        return estimator
    channels = 1 if len(input_shape) == 1 else input_shape[0]
    steps: dict[str, Any] = {"channel_mean": partial(channel_mean, channels=channels), "max_min_mean": max_min_mean}
    if features not in steps:
        raise ValueError(f"features must be raw, {' or '.join(steps)}, got {features!r}")
    return make_pipeline(FunctionTransformer(steps[features]), estimator)
