"""What did a trained ConvNet learn? Every technique of the lecture Under the hood (Fleuret, EE-559), on one network.

One cell trains a network, or reads pretrained weights, and looks at it in the ways that `techniques` names: each is a
file of the folder techniques, which yields numbers and leaves the arrays of its sheet.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound, ConfigError, Count, bind, check_serves
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.study import Cell, first_seed
from convscope.training import pretrained
from convscope.training.recipe import Recipe, read_recipe
from convscope.values import Checker

VERSION = 1
MODELS = ("convnet", "shallow")
PARTS = ("data", "condition", "model", "fit", "baseline_fit", "baseline_fraction", "normalise", "weights", "settings")
SAID = ("data", "model", "seed", "kind", "title", "data_label", "model_label")  # by a recipe, of what it trains


@dataclass(frozen=True)
class Network:
    """The network that is looked at, trained by its recipe or given with `weights`, and the techniques by their names.

    `weights` names a file of torchvision's for ImageNet, or is auto (torchvision's cache).
    """

    recipe: Recipe
    techniques: Mapping[str, Bound]
    weights: str | None
    data: Bound
    model: Bound
    seed: int
    kind: str
    title: str
    data_label: str
    model_label: str

    def load(self, env: Mapping[str, Any]) -> Dataset:
        return self.recipe.load(env)

    def identity(self, data: Dataset) -> dict[str, Any]:
        """The network, and of the techniques what differs from their defaults and first versions."""
        found = self.recipe.identity(data)
        if self.weights is not None:
            found = {key: value for key, value in found.items() if key not in ("fit", "normalise")}
            found["weights"] = pretrained.digest(self.file)
        settings = {name: one.given | ({} if one.method.version == 1 else {"version": one.method.version})
                    for name, one in self.techniques.items()}
        return {**found, "settings": {name: given for name, given in settings.items() if given}}

    @property
    def task(self) -> Any:
        """How the store trains it, a function of the data; given weights have no such thing."""
        if self.weights is not None:
            raise AttributeError("a network of given weights is not trained")
        return self.recipe.task

    @property
    def file(self) -> Path:
        """Of the given weights; raises FileNotFoundError where there is none."""
        return pretrained.find(str(self.model.arguments["arch"]), str(self.weights))


def subject(cfg: Mapping[str, Any]) -> Network:
    """The network and the techniques of a config; raises ConfigError, also for settings of techniques not chosen."""
    recipe, weights, settings = read_recipe(cfg), cfg.get("weights"), cfg.get("settings") or {}
    if weights is not None and recipe.model.name != "imagenet":
        raise ConfigError(f"weights are for torchvision's networks, got model {recipe.model.name}; take model=imagenet_"
                          "vgg16, imagenet_resnet50, ..., or weights=null to train")
    if isinstance(settings, Mapping):
        settings = {**dict.fromkeys(cfg["techniques"]), **settings}
    bound = Checker({}, bind).value("settings", 'dict[str, Annotated[Bound, "techniques"]]', settings)
    return Network(recipe, {name: bound[name] for name in cfg["techniques"]}, weights,
                   **{name: getattr(recipe, name) for name in SAID})


def check(cell: Cell) -> None:
    """Raises ConfigError for data that are no images, and for an attribution that is not for them."""
    if cell.dataset.kind != "image":
        raise ConfigError(f"under_the_hood is for images, {cell.subject.data.name} is {cell.dataset.kind} data; take "
                          "digits, or images of your own by image_folder")
    for method in cell.settings.arguments["methods"].values():
        check_serves("attribution", method, cell.dataset.kind, cell.subject.data.name)


def run(cell: Cell, *, techniques: list[str], methods: dict[str, Annotated[Bound, "attribution"]], images: Count,
        samples: Annotated[int, "at least 20"]) -> Iterator[Row]:
    """Yields the numbers of every technique, `images` being shown and `samples` embedded; keeps the sheets' arrays."""
    from convscope.studies.under_the_hood.scene import see

    network: Network = cell.subject
    own = network.weights is None
    model = cell.network() if own else pretrained.classifier(
        str(network.model.arguments["arch"]), network.file, input_shape=cell.dataset.input_shape)
    scene = see(cell, model, images=images, samples=samples, methods=methods)
    if own:
        yield cell.row("accuracy", scene.accuracy, "fraction", len(cell.dataset.splits["test"]))
    sheets: dict[str, np.ndarray] = {"images": scene.x.numpy(), "names": scene.named(scene.pred)}
    for name in techniques:
        for number in network.techniques[name].call(scene=scene, sheets=sheets):
            yield cell.row(*number, method=name)
    cell.keep(**sheets)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """The sheets of the first seed of each data set and network, `<data>/<model>/<name>`; float16 beside the rows."""
    return {name: array.astype(np.float16) if array.dtype.kind == "f" else array
            for name, array in first_seed(runs).items()}
