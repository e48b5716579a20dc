"""What a model is trained on, and everything that decides the outcome: shared by every study that trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.data.dataset import Dataset, balanced_subset
from convscope.data.roots import default_cache, search_roots
from convscope.family import Bound, ConfigError, bind
from convscope.rng import derive, numpy_rng, torch_rng

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Recipe:
    """One trained model: data -> condition -> signal -> model, by `fit` (None for scikit-learn models), from one seed.

    `fraction` of the training split is used (class-balanced draw by seed). With `normalise`, a network sees inputs in
    units of the clean carriers' standard deviation per channel; else raw pixels.
    """

    data: Bound
    condition: Bound | None
    magnitude: float
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
        """The data set in a row: its name and what differs from its defaults, of a path only the last part."""
        given = {k: Path(v).stem if k == "path" else f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}"
                 for k, v in self.data.given.items()}
        return " ".join([self.data.name.rpartition(".")[2], *given.values()])

    def identity(self, dataset: Dataset) -> dict[str, Any]:
        """What a run's hash holds of this recipe; what is at its neutral value is left out."""
        found: dict[str, Any] = {
            "data": {"name": self.data.name, "fingerprint": dataset.fingerprint}, "signal": self.signal.identity(),
            "model": self.model.identity(), "seed": self.seed,
        }
        if self.condition is not None:
            found["condition"] = {**self.condition.identity(), "magnitude": self.magnitude}
        if self.fit is not None:
            found["fit"] = self.fit.identity()
            found["normalise"] = self.normalise
        if self.fraction != 1:
            found["fraction"] = self.fraction
        return found


def read_recipe(cfg: Mapping[str, Any]) -> Recipe:
    """The recipe of a config, with every parameter checked; raises ConfigError before anything heavy is imported."""
    model = bind("models", cfg["model"])
    kind = model.method.constants.get("KIND", "convnet")
    fit = {"convnet": "fit", "shallow": "baseline_fit"}.get(kind)
    condition, magnitude = None, 0.0
    if cfg.get("condition", {}).get("name", "none") != "none":
        given = dict(cfg["condition"])
        magnitude = _fraction(given.pop("magnitude", 1.0), "condition.magnitude")
        condition = bind("conditions", given)
    seed = cfg["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be a whole number, at least 0, got {seed!r}")
    fraction = 1.0 if kind == "convnet" else _fraction(cfg.get("baseline_fraction", 1.0), "baseline_fraction")
    if fraction == 0:
        raise ConfigError("baseline_fraction must be above 0, got 0")
    return Recipe(
        data=bind("data", cfg["data"]), condition=condition, magnitude=magnitude, signal=bind("signals", cfg["signal"]),
        model=model, fit=bind("training", cfg[fit]) if fit else None, fraction=fraction,
        normalise=bool(cfg.get("normalise", True)) and kind == "convnet", seed=seed,
    )


def load_data(recipe: Recipe, env: Mapping[str, Any]) -> Dataset:
    """The recipe's data set, found as `env` says; memory-mapped, so that a second call costs nothing."""
    cache = Path(env["cache_root"]).expanduser() if env.get("cache_root") else default_cache()
    return _load(recipe.data.name, tuple(sorted(recipe.data.arguments.items())),
                 tuple(search_roots(env.get("data_root"))), cache, bool(env.get("download", False)))


def training_set(recipe: Recipe, dataset: Dataset) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """(carriers, encoded, labels) of the training split: float32 [N, C, H, W] twice and int64 [N]."""
    split = dataset.splits["train"]
    index = slice(None)
    if recipe.fraction < 1:
        index = balanced_subset(split.y, max(dataset.n_classes, round(recipe.fraction * len(split))),
                                numpy_rng(recipe.seed, "fraction"))
    return _encoded(recipe, dataset, "train", index, labels=None)


def test_set(recipe: Recipe, dataset: Dataset,
             labels: "torch.Tensor | None" = None) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """(carriers, encoded, labels) of the test split; `labels` encodes these instead of the true ones.

    The random parts of an encoding are the same for every `labels`, so that two calls differ by the label alone.
    """
    return _encoded(recipe, dataset, "test", slice(None), labels)


def _encoded(recipe: Recipe, dataset: Dataset, name: str, index: Any,
             labels: "torch.Tensor | None") -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    import torch

    split = dataset.splits[name]
    x, y = torch.from_numpy(split.x(index)), torch.tensor(split.y[index])
    if recipe.condition is not None:
        x = recipe.condition.function()(x, recipe.magnitude, **recipe.condition.arguments)
    encoded = recipe.signal.function()(
        x, y if labels is None else labels, n_classes=dataset.n_classes, key=derive(recipe.seed, "signal"),
        rng=torch_rng(recipe.seed, "signal", name), **recipe.signal.arguments)
    return x, encoded, y


def _fraction(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"{key} must be a number between 0 and 1, got {value!r}")
    return float(value)


@lru_cache(maxsize=4)
def _load(name: str, arguments: tuple, roots: tuple[Path, ...], cache: Path, download: bool) -> Dataset:
    bound = bind("data", {"name": name, **dict(arguments)})
    return bound.function()(roots=list(roots), cache=cache, download=download, **bound.arguments)
