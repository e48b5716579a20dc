"""What did a trained ConvNet learn? Every technique of the lecture Under the hood (Fleuret, EE-559), on one network.

One cell trains a network, or reads pretrained weights, and looks at it in the ways that `techniques` names: each is a
file of convscope.looks.images, which yields numbers and leaves the arrays of its sheet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound, ConfigError, bind, check_serves
from convscope.rows import Row
from convscope.studies.study import Cell
from convscope.studies.study import first_seed_in_half as arrays
from convscope.training import pretrained
from convscope.training.recipe import Recipe, read_recipe
from convscope.values import Checker

if TYPE_CHECKING:
    from torch import nn

__all__ = ["arrays", "check", "rehearse", "run", "subject"]

VERSION = 1
MODELS = ("convnet", "shallow")
Shown = Annotated[int, "at least 1 and at most 100"]
Embedded = Annotated[int, "at least 20 and at most 10000"]  # by t-SNE
PARTS = ("data", "condition", "model", "fit", "baseline_fit", "baseline_fraction", "normalise", "weights", "settings")


@dataclass(frozen=True)
class Looked(Recipe):
    """A network that is trained by its recipe, and the techniques by which it is looked at, by their names."""

    techniques: Mapping[str, Bound] = field(default_factory=dict)

    def identity(self, dataset: Dataset) -> dict[str, Any]:
        """That of the network, and of the techniques what differs from their defaults and first versions."""
        settings = {name: one.given | ({} if one.method.version == 1 else {"version": one.method.version})
                    for name, one in self.techniques.items()}
        return {**super().identity(dataset), "settings": {name: given for name, given in settings.items() if given}}


@dataclass(frozen=True)
class Given(Looked):
    """One with `weights` of torchvision's for ImageNet: a file, or auto for torchvision's cache."""

    weights: str = pretrained.AUTO

    def identity(self, dataset: Dataset) -> dict[str, Any]:
        told = {key: value for key, value in super().identity(dataset).items() if key not in ("fit", "normalise")}
        return {**told, "weights": pretrained.digest(self._file)}

    def network(self, dataset: Dataset) -> Any:
        return pretrained.classifier(str(self.model.arguments["arch"]), self._file, input_shape=dataset.input_shape)

    @property
    def _file(self) -> Path:
        return pretrained.find(str(self.model.arguments["arch"]), self.weights)


def subject(cfg: Mapping[str, Any]) -> Looked:
    """The network and the techniques of a config; raises ConfigError, also for settings of techniques not chosen."""
    recipe, weights, settings = read_recipe(cfg), cfg.get("weights"), cfg.get("settings") or {}
    if weights is not None and recipe.model.name != "imagenet":
        raise ConfigError(f"weights are for torchvision's networks, got model {recipe.model.name}; take model=imagenet_"
                          "vgg16, imagenet_resnet50, ..., or weights=null to train")
    if isinstance(settings, Mapping):
        settings = {**dict.fromkeys(cfg["techniques"]), **settings}
    bound = Checker({}, bind).value("settings", 'dict[str, Annotated[Bound, "looks/images"]]', settings)
    own = {one.name: getattr(recipe, one.name) for one in fields(recipe)}
    techniques = {name: bound[name] for name in cfg["techniques"]}
    return Looked(**own, techniques=techniques) if weights is None else Given(
        **own, techniques=techniques, weights=str(weights))


def check(cell: Cell) -> None:
    """Raises ConfigError for data that are no images, and for an attribution that is not for them."""
    if cell.dataset.kind != "image":
        raise ConfigError(f"under_the_hood is for images, {cell.subject.data.name} is {cell.dataset.kind} data; take "
                          "digits, or images of your own by image_folder")
    for method in cell.settings.arguments["methods"].values():
        check_serves("attribution", method, cell.dataset.kind, cell.subject.data.name)


def rehearse(cell: Cell, model: "nn.Module") -> None:
    """Raises ValueError for an attribution that is not for this network."""
    if "attributions" in cell.settings.arguments["techniques"]:
        import torch

        from convscope.attribution import trial

        x = torch.from_numpy(cell.dataset.splits["test"].x(slice(1)))
        trial.run(cell.settings.arguments["methods"].values(), model, x)


def run(cell: Cell, *, techniques: list[str], methods: dict[str, Annotated[Bound, "attribution"]], images: Shown,
        samples: Embedded) -> Iterator[Row]:
    """Yields the numbers of every technique, `images` being shown and `samples` embedded; keeps the sheets' arrays."""
    from convscope.looks.images.scene import see

    model = cell.network()
    scene = see(model, cell.dataset, images=images, samples=samples, methods=methods, seed=cell.seed, store=cell.store,
                env=cell.env)
    if not isinstance(cell.subject, Given):
        yield cell.row("accuracy", scene.accuracy, "fraction", len(cell.dataset.splits["test"]))
    sheets: dict[str, np.ndarray] = {"images": scene.x.numpy(), "names": scene.named(scene.pred)}
    for name in techniques:
        for number in cell.subject.techniques[name].call(scene=scene, sheets=sheets):
            yield cell.row(*number, method=name)
    cell.keep(**sheets)
