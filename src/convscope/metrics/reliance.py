"""Signal reliance: does a model believe the signal or the rest of the sample?"""

import numpy as np

from convscope.metrics.accuracy import share


def reliance(pred: np.ndarray, wrong: np.ndarray) -> float:
    """Share of predictions that follow the wrong labels encoded in the samples, in [0, 1].

    A blind model follows in `blind_level(accuracy, n_classes)` of the cases, by its own errors alone.
    """
    return share(pred, wrong)


def blind_level(accuracy: float, n_classes: int) -> float:
    """(1 - accuracy) / (n_classes - 1): the reliance of a model that does not see the signal.

    Holds for wrong labels drawn evenly among the others, as `wrong_labels` does; accuracy is that on clean samples.
    """
    if not 0 <= accuracy <= 1 or n_classes < 2:
        raise ValueError(f"expected an accuracy in [0, 1] and at least 2 classes, got {accuracy} and {n_classes}")
    return (1 - accuracy) / (n_classes - 1)


def wrong_labels(y: np.ndarray, *, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """int64 [N]: for each label one of the n_classes - 1 others, all equally likely."""
    if n_classes < 2:
        raise ValueError(f"a wrong label needs at least 2 classes, got {n_classes}")
    return (y.astype(np.int64) + rng.integers(1, n_classes, size=y.shape)) % n_classes
