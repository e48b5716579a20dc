"""A classifier to train: what a recipe makes of a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound
from convscope.rng import seeded
from convscope.training.objective import CrossEntropy
from convscope.training.recipe import Recipe, training_set

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.models.classifier import Classifier
    from convscope.training.fit import Fitted


@dataclass(frozen=True)
class Classification:
    """A recipe and its data set."""

    recipe: Recipe
    dataset: Dataset

    @property
    def fit(self) -> Bound | None:
        return self.recipe.fit

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @property
    def objective(self) -> CrossEntropy:
        return CrossEntropy()

    @property
    def labels(self) -> dict[str, str]:
        """What a row says of it."""
        condition = self.recipe.condition
        return {"data": self.recipe.data_label, "model": self.recipe.model.label, "method": self.recipe.signal.label,
                "condition": condition.name if condition else "none"}

    def identity(self) -> dict[str, Any]:
        """What a run's hash holds of it."""
        return self.recipe.identity(self.dataset)

    def build(self) -> "Classifier":
        """An untrained network from the recipe's seed, with the clean carriers' mean and std per channel inside.

        A network for texts has the data's alphabet instead.
        """
        from convscope.models.classifier import Classifier

        recipe, dataset = self.recipe, self.dataset
        mean = std = None
        if recipe.normalise and dataset.kind in ("image", "windows"):
            mean, std = channel_statistics(dataset.splits["train"].x())
        with seeded(recipe.seed, "init"):
            network = recipe.model.call(n_classes=dataset.n_classes, input_shape=dataset.input_shape,
                                        alphabet=dataset.alphabet)
        return Classifier(network, input_shape=dataset.input_shape, class_names=dataset.class_names, mean=mean,
                          std=std, alphabet=dataset.alphabet)

    def samples(self) -> "tuple[Tensor, Tensor]":
        """The encoded training split and its labels; the carriers are let go of before anything is trained."""
        _, x, y = training_set(self.recipe, self.dataset)
        return x, y

    def save(self, folder: Path, model: "Classifier", fitted: "Fitted") -> None:
        """Writes a checkpoint: the last weights, and the best by holdout where there is one."""
        from convscope.training import checkpoint

        architecture = {"name": self.recipe.model.name, "arguments": dict(self.recipe.model.arguments)}
        checkpoint.save(folder, model, architecture=architecture, best_state=fitted.best_state)

    def load(self, folder: Path) -> "Classifier":
        """The network of a checkpoint with its last weights, in eval mode on the CPU."""
        from convscope.training import checkpoint

        return checkpoint.load(folder, build=self.recipe.model.function())


def channel_statistics(x: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of x [N, C, ...], computed in float64."""
    others = (0, *range(2, x.ndim))
    mean = x.mean(axis=others, dtype=np.float64)
    square = np.square(x, dtype=np.float32).mean(axis=others, dtype=np.float64)
    return mean.tolist(), np.sqrt(np.maximum(square - mean**2, 1e-12)).tolist()
