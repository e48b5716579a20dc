"""Models that are trained at once and kept nowhere: scikit-learn's, and many small networks of one comparison."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound
from convscope.rng import derive, seeded
from convscope.training.recipe import channel_statistics


def estimator(model: Bound, dataset: Dataset, x: np.ndarray, y: np.ndarray, *, seed: int) -> Any:
    """A scikit-learn model of the suite, from the seed, fitted to flat x [n, D] and labels y [n]."""
    made = model.call(n_classes=dataset.n_classes, input_shape=dataset.input_shape, alphabet=dataset.alphabet,
                      random_state=derive(seed, "estimator") % 2**32)
    made.fit(x, y)
    return made


def second_class_scores(model: Bound, fit: Bound | None, dataset: Dataset, x: np.ndarray, y: np.ndarray,
                        test_x: np.ndarray, *, seed: int, fit_seed: int, env: Mapping[str, Any]) -> np.ndarray:
    """[N] how much each of test_x [N, ...] looks like the second of two classes; above 0 it is taken for one.

    By a model trained on flat x [n, D] and labels y [n]: a network by `fit`, a scikit-learn model without.
    """
    if fit is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a logistic regression that stops at its iterations
            made = estimator(model, dataset, x, y, seed=seed)
        flat = test_x.reshape(len(test_x), -1)
        return np.asarray(made.decision_function(flat)) if hasattr(made, "decision_function") else (
            made.predict_proba(flat)[:, 1] - 0.5)
    import torch

    from convscope.models.classifier import Classifier
    from convscope.training.predict import logits

    images = x.reshape(len(x), *dataset.input_shape)
    mean, std = channel_statistics(images) if dataset.kind == "image" else (None, None)
    with seeded(seed, "init"):
        network = model.call(n_classes=dataset.n_classes, input_shape=dataset.input_shape, alphabet=dataset.alphabet)
    network = Classifier(network, input_shape=dataset.input_shape, class_names=dataset.class_names, mean=mean, std=std)
    fit.call(model=network, x=torch.from_numpy(images), y=torch.from_numpy(y), seed=fit_seed,
             env={**env, "progress": False})
    found = logits(network, torch.from_numpy(test_x), env=env)
    return found[:, 1] - found[:, 0]
