"""A network over time and what it is looked at with: what the looks share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope.data.dataset import Dataset
from convscope.features import influence
from convscope.metrics.accuracy import accuracy
from convscope.metrics.forecast import errors
from convscope.rng import numpy_rng
from convscope.training import predict
from convscope.training.fit import fit
from convscope.training.forecast import Forecast, ForecastRecipe
from convscope.training.objective import SquaredError
from convscope.training.recipe import Recipe, test_set, training_set

Number = tuple[str, float, str, int, Mapping[str, Any]]  # metric, value, unit, n, axes
Sheets = dict[str, np.ndarray]

CLUSTERED = 50  # inputs, over all of the test, whose filters are clustered or have their saliency computed


@dataclass(frozen=True)
class Asked:
    """What the looks are asked for: see the settings of the study tsviz."""

    inputs: int
    example: int
    percentile: float
    clusters: str
    shares: tuple[float, ...]
    finetune: int


@dataclass(frozen=True)
class Scene:
    """A network and what it is looked at with: test inputs `x` [N, ...] with targets `y`, training inputs `fit_x`.

    `judged` says how good a network is on all test inputs: (metric, value, unit). `tuned` trains a copy on, by so many
    steps. `derive` makes inputs of their raw channel, None where that is not known. `spread` [C] is each channel's
    standard deviation over the training inputs, None for texts.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    fit_x: Tensor
    judged: Callable[[nn.Module], tuple[str, float, str]]
    tuned: Callable[[nn.Module, int], nn.Module]
    derive: Callable[[Tensor], Tensor] | None
    spread: Tensor | None
    names: tuple[str, ...]
    seed: int
    asked: Asked

    def rng(self, *names: str) -> np.random.Generator:
        return numpy_rng(self.seed, "tsviz", *names)


def see(model: nn.Module, recipe: Recipe | ForecastRecipe, data: Any, env: Mapping[str, Any], asked: Asked) -> Scene:
    """What a network is looked at with, of whichever kind its recipe is; `data` are what the recipe loads."""
    if isinstance(recipe, Recipe):
        return _of_classifier(model, recipe, data, env, asked)
    return _of_forecaster(model, recipe.task(data), recipe.test_rows(data), env, asked)


def differenced(raw_BT: Tensor) -> Tensor:
    """[B, 2, T]: `data.series.two_channels` in torch: the window, and its differences, the last one their mean size."""
    steps_BT = raw_BT.diff(dim=1)
    return torch.stack([raw_BT, torch.cat([steps_BT, steps_BT.abs().mean(dim=1, keepdim=True)], dim=1)], dim=1)


def evenly(x: Tensor, n: int) -> Tensor:
    """n of the inputs at even distances, or all: neighbouring windows of a series are nearly the same."""
    return x[torch.linspace(0, len(x) - 1, min(n, len(x))).round().long()]


def activations(model: nn.Module, x: Tensor) -> dict[str, np.ndarray]:
    """Name -> [B, F, T]: of each convolution, what comes after its ReLU."""
    return {name: layer.activation.relu().flatten(2).numpy() for name, layer in influence.filter_influence(
        model, x).items()}


def layer_name(name: str) -> str:
    """A layer's name without that of the classifier around it."""
    return name.removeprefix("network.")


def _of_forecaster(model: nn.Module, task: Forecast, rows: np.ndarray, env: Mapping[str, Any], asked: Asked) -> Scene:
    """Of a forecaster: test windows, and all that it was trained on. Errors are in the series' unit."""
    x, y, train = task.inputs(rows), task.targets(rows), np.arange(task.needs, task.stop)
    fit_x, fit_y = task.inputs(train), task.targets(train)
    actual = task.series.values[rows]

    def judged(network: nn.Module) -> tuple[str, float, str]:
        found = predict.logits(network, x, env=env)[:, 0].astype(np.float64) * task.std + task.mean
        return "rmse", errors(found, actual, scale=1.0)["rmse"], ""

    def tuned(network: nn.Module, steps: int) -> nn.Module:
        fit(network, fit_x, fit_y, seed=task.seed, env=env, objective=SquaredError(), iterations=steps, batch_size=64,
            optimizer="adam", lr=3e-4, weight_decay=0.0, schedule="cosine")
        return network.eval()

    derive = None if task.own_inputs else differenced
    return Scene(model, x, y, fit_x, judged, tuned, derive, _spread(fit_x), (), task.seed, asked)


def _of_classifier(model: nn.Module, recipe: Recipe, dataset: Dataset, env: Mapping[str, Any], asked: Asked) -> Scene:
    """Of a classifier of windows or texts."""
    _, x, y = test_set(recipe, dataset)
    _, fit_x, fit_y = training_set(recipe, dataset)
    assert recipe.fit is not None
    train, settings = recipe.fit.function(), dict(recipe.fit.arguments)

    def judged(network: nn.Module) -> tuple[str, float, str]:
        found = predict.logits(network, x, env=env).argmax(axis=1)
        return "accuracy", accuracy(found, y.numpy()), "fraction"

    def tuned(network: nn.Module, steps: int) -> nn.Module:
        train(network, fit_x, fit_y, seed=recipe.seed, env=env, **{
            **settings, "iterations": steps, "lr": settings["lr"] / 10, "schedule": "cosine", "warmup": 0})
        return network.eval()

    shuffled = torch.from_numpy(numpy_rng(recipe.seed, "tsviz", "inputs").permutation(len(x)))  # they lie by class
    drawn = torch.from_numpy(numpy_rng(recipe.seed, "tsviz", "training inputs").permutation(len(fit_x)))
    return Scene(model, x[shuffled], y[shuffled], fit_x[drawn], judged, tuned, None,
                 _spread(fit_x) if fit_x.is_floating_point() else None, dataset.class_names, recipe.seed, asked)


def _spread(x: Tensor) -> Tensor:
    return x.double().transpose(0, 1).flatten(1).std(dim=1).float()
