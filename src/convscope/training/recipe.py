"""What a model is trained on, everything that decides the outcome, and the classifier to train."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset, balanced_subset
from convscope.data.loading import data_identity, data_label, load_bound
from convscope.family import Bound, ConfigError, bind, check_serves, part, whole
from convscope.rng import derive, numpy_rng, seeded, torch_rng
from convscope.training.objective import CrossEntropy
from convscope.training.regime import check_fit, check_split

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from convscope.models.classifier import Classifier
    from convscope.training.fit import Fitted

# What of a config a recipe reads.
KEYS = ("data", "condition", "signal", "model", "fit", "baseline_fit", "baseline_fraction", "normalise", "seed")
FIT = {"convnet": "fit", "shallow": "baseline_fit", "classical": None}  # kind of model -> the config's key for its fit


@dataclass(frozen=True)
class Recipe:
    """One trained model: data -> condition -> signal -> model, by `fit` (None for scikit-learn models), from one seed.

    `fraction` of the training split is used (class-balanced draw by seed). With `normalise`, a network sees images in
    units of the clean carriers' standard deviation per channel; else raw pixels. Texts are never normalised.
    """

    data: Bound
    condition: Bound | None
    signal: Bound
    model: Bound
    fit: Bound | None
    fraction: float
    normalise: bool
    seed: int

    @property
    def kind(self) -> str:
        """convnet, shallow or classical, as the model's module declares."""
        return self.model.method.constants.get("KIND", "convnet")

    @property
    def data_label(self) -> str:
        """The data set in a row."""
        return data_label(self.data)

    @property
    def model_label(self) -> str:
        """The model in a row."""
        return self.model.label

    @property
    def title(self) -> str:
        """One line that names the trained model for a person."""
        signal = f" | {self.signal.label}" if self.condition or self.signal.name != "clean" else ""
        condition = f" on {self.condition.name} images" if self.condition else ""
        images = self.data.method.constants.get("KIND", "image") == "image"
        raw = " (raw pixels)" if self.kind == "convnet" and images and not self.normalise else ""
        return f"{self.data_label}{signal}{condition} | {self.model.label}{raw} | seed {self.seed}"

    def load(self, env: Mapping[str, Any]) -> Dataset:
        """The data set, found as `env` says; raises ConfigError where a part of the recipe is not for its kind."""
        dataset = load_data(self, env)
        self.check_kind(dataset.kind)
        if self.fit is not None:
            check_split(self.fit, CrossEntropy(), dataset.splits["train"].y[_trained_on(self, dataset)])
        return dataset

    def task(self, dataset: Dataset) -> "Classification":
        """The network to train on a data set, which `load` gives."""

        return Classification(self, dataset)

    def check_kind(self, kind: str) -> None:
        """Raises ConfigError where the signal, the condition or the model is not for data of this kind."""
        for key, method in (("signal", self.signal), ("condition", self.condition), ("model", self.model)):
            if method is not None:
                check_serves(key, method, kind, self.data.name)

    def identity(self, dataset: Dataset) -> dict[str, Any]:
        """What a run's hash holds of this recipe; what is at its neutral value is left out."""
        found: dict[str, Any] = {
            "data": data_identity(self.data, dataset, seed=self.seed), "signal": self.signal.identity(),
            "model": self.model.identity(), "seed": self.seed,
        }
        if self.condition is not None:
            found["condition"] = self.condition.identity()
        if self.fit is not None:
            found["fit"] = self.fit.identity()
            found["normalise"] = self.normalise
        if self.fraction != 1:
            found["fraction"] = self.fraction
        return found


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


def read_recipe(cfg: Mapping[str, Any]) -> Recipe:
    """The recipe of a config, with every parameter checked; raises ConfigError before anything heavy is imported."""
    data, model = bind("data", cfg["data"]), bind("models", cfg["model"])
    kind = model.method.constants.get("KIND", "convnet")
    if kind not in FIT:
        raise ConfigError(f"{model.name}: KIND must be one of {', '.join(FIT)}, got {kind!r}")
    key = FIT[kind]
    fit = bind("training", cfg[key]) if key else None
    if fit is not None:
        check_fit(fit, CrossEntropy())
    seed = whole("seed", cfg["seed"])
    normalise, fraction = cfg.get("normalise", True), cfg.get("baseline_fraction", 1.0)
    if not isinstance(normalise, bool):
        raise ConfigError(f"normalise must be true or false, got {normalise!r}")
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction <= 1:
        raise ConfigError(f"baseline_fraction must be a number above 0 and at most 1, got {fraction!r}")
    none = cfg.get("condition") is None
    condition = {"name": "none"} if none else part(cfg, "condition")
    recipe = Recipe(
        data=data, signal=bind("signals", cfg.get("signal") or {"name": "clean"}), model=model, fit=fit, seed=seed,
        condition=None if condition.get("name") == "none" else bind("conditions", condition),
        fraction=1.0 if kind == "convnet" else float(fraction),
        normalise=normalise and kind == "convnet" and data.method.constants.get("KIND") != "text")
    if "KIND" in data.method.constants:  # known without loading it
        recipe.check_kind(data.method.constants["KIND"])
    return recipe


def load_data(recipe: Recipe, env: Mapping[str, Any]) -> Dataset:
    """The recipe's data set, found as `env` says; memory-mapped, so that a second call costs nothing."""
    return load_bound(recipe.data, env, seed=recipe.seed)


def training_set(recipe: Recipe, dataset: Dataset) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """(carriers, encoded, labels) of the training split: float32 [N, C, H, W] or uint8 [N, T] twice; int64 [N]."""
    return _encoded(recipe, dataset, "train", _trained_on(recipe, dataset), labels=None)


def test_set(recipe: Recipe, dataset: Dataset,
             labels: "torch.Tensor | None" = None) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """(carriers, encoded, labels) of the test split; `labels` encodes these instead of the true ones.

    The random parts of an encoding are the same for every `labels`, so that two calls differ by the label alone.
    """
    return _encoded(recipe, dataset, "test", slice(None), labels)


def _trained_on(recipe: Recipe, dataset: Dataset) -> Any:
    """Which samples of the training split are trained on."""
    if recipe.fraction == 1:
        return slice(None)
    y = dataset.splits["train"].y
    return balanced_subset(y, max(dataset.n_classes, round(recipe.fraction * len(y))),
                           numpy_rng(recipe.seed, "fraction"))


def _encoded(recipe: Recipe, dataset: Dataset, name: str, index: Any,
             labels: "torch.Tensor | None") -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    import torch

    split = dataset.splits[name]
    x, y = torch.from_numpy(split.x(index)), torch.tensor(split.y[index])
    if recipe.condition is not None:
        x = recipe.condition.call(x=x)
    encoded = recipe.signal.call(
        x=x, y=y if labels is None else labels, n_classes=dataset.n_classes, key=derive(recipe.seed, "signal"),
        rng=torch_rng(recipe.seed, "signal", name))
    if dataset.alphabet and int(encoded.max()) > len(dataset.alphabet):
        raise ValueError(f"the signal {recipe.signal.name} wrote the character index {int(encoded.max())}, the "
                         f"alphabet has {len(dataset.alphabet)} characters; use a larger alphabet or fewer classes")
    return x, encoded, y


def channel_statistics(x: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of x [N, C, ...], computed in float64."""
    others = (0, *range(2, x.ndim))
    mean = x.mean(axis=others, dtype=np.float64)
    square = np.square(x, dtype=np.float32).mean(axis=others, dtype=np.float64)
    return mean.tolist(), np.sqrt(np.maximum(square - mean**2, 1e-12)).tolist()
