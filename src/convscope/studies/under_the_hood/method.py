"""What did a trained ConvNet learn? Every technique of the lecture Under the hood (Fleuret, EE-559), on one network.

One cell trains a network, or reads pretrained weights, and looks at it in the ways that `techniques` names: each is a
function of `under_the_hood_techniques` that yields numbers and leaves the arrays of its sheet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound, ConfigError, bind, check_serves, whole
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.under_the_hood_report import figures, ledger, pages, tables
from convscope.training import pretrained
from convscope.training.recipe import Recipe, load_data, read_recipe

if TYPE_CHECKING:
    from convscope.models.classifier import Classifier

VERSION = 1
TECHNIQUES = ("lines", "filters", "activations", "embeddings", "attributions", "maximisation", "adversarial", "fooling",
              "receptive_fields")

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


@dataclass(frozen=True)
class Setup:
    """`images` are shown, `samples` embedded; `weights` names a file, or is auto (torchvision's cache), or None."""

    recipe: Recipe
    techniques: tuple[str, ...]
    methods: tuple[Bound, ...]
    images: int
    samples: int
    weights: str | None
    settings: Mapping[str, Any]


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    setup = _read(cfg)
    dataset = load_data(setup.recipe, cfg["env"])
    if dataset.kind != "image":
        raise ConfigError(f"under_the_hood is for images, {setup.recipe.data.name} is {dataset.kind} data; take "
                          "digits, or images of your own by image_folder")
    setup.recipe.check_kind(dataset.kind)
    for method in setup.methods:
        check_serves("attribution", method, dataset.kind, setup.recipe.data.name)
    found = setup.recipe.identity(dataset)
    if setup.weights is not None:
        file = pretrained.find(str(setup.recipe.model.arguments.get("arch", "")), setup.weights)
        found = {key: value for key, value in found.items() if key not in ("fit", "normalise")}
        found["weights"] = pretrained.digest(file)
    return {"version": VERSION, **found, "techniques": list(setup.techniques), "images": setup.images,
            "samples": setup.samples, "methods": [method.identity() for method in setup.methods],
            "settings": {name: dict(given) for name, given in setup.settings.items()}}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    recipe = _read(cfg).recipe
    return f"{recipe.data_label} | {recipe.model.label} | seed {recipe.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    """convnet or shallow."""
    return _read(cfg).recipe.kind


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """The training curve of the network; empty for pretrained weights."""
    from convscope.training import shared

    setup = _read(cfg)
    return [] if setup.weights else shared.curve(setup.recipe, load_data(setup.recipe, cfg["env"]), Store(run.root))


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields the numbers of every technique; leaves sheets.npz, the arrays of its contact sheets."""
    from convscope.studies import under_the_hood_techniques as techniques

    setup = _read(cfg)
    recipe, dataset = setup.recipe, load_data(setup.recipe, cfg["env"])
    model = _network(setup, dataset, run, cfg["env"], on_epoch)
    scene = techniques.scene(model, dataset, recipe, images=setup.images, samples=setup.samples, store=Store(run.root),
                             env=cfg["env"])

    def row(method: str, metric: str, value: float, unit: str, n: int, axes: Mapping[str, Any]) -> Row:
        return Row(study="under_the_hood", run_id=run.id, data=recipe.data_label, split="test",
                   model=recipe.model.label, method=method, condition="none", axes=dict(axes), seed=recipe.seed,
                   metric=metric, value=float(value), unit=unit, n=n)

    if not setup.weights:
        yield row("none", "accuracy", scene.accuracy, "fraction", len(dataset.splits["test"]), {})
    sheets: dict[str, np.ndarray] = {"images": scene.x.numpy(), "names": scene.names}
    for name in setup.techniques:
        look = getattr(techniques, name)
        settings = {"methods": setup.methods} if name == "attributions" else setup.settings.get(name, {})
        for metric, value, unit, n, axes in look(scene, sheets, **settings):
            yield row(name, metric, value, unit, n, axes)
    np.savez(run.folder / "sheets.npz", **sheets)  # pyright: ignore[reportArgumentType]


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """The sheets of the first seed of each data set and network, `<data>/<model>/<name>`; float16 beside the rows."""
    found: dict[str, np.ndarray] = {}
    for one in sorted(runs, key=lambda run: run.rows()[0].seed):
        row = one.rows()[0]
        key = f"{row.data}/{row.model}"
        if not any(name.startswith(f"{key}/") for name in found):
            with np.load(one.folder / "sheets.npz") as saved:
                found |= {f"{key}/{name}": array.astype(np.float16) if array.dtype.kind == "f" else array
                          for name, array in saved.items()}
    return found


def _read(cfg: Mapping[str, Any]) -> Setup:
    from convscope.studies.under_the_hood_settings import check

    recipe = read_recipe({**cfg, "signal": {"name": "clean"}})
    if recipe.kind == "classical":
        raise ConfigError(f"under_the_hood looks into networks, {recipe.model.name} is none; choose a network as model")
    chosen = cfg["techniques"]
    if not isinstance(chosen, (list, tuple)) or not chosen or not set(chosen) <= set(TECHNIQUES):
        raise ConfigError(f"techniques must be a list of some of {', '.join(TECHNIQUES)}, got {chosen!r}")
    if not isinstance(cfg["methods"], Mapping):
        raise ConfigError(f"methods must map names of attributions to their settings, got {cfg['methods']!r}")
    methods = tuple(bind("attribution", {"name": name, **(given or {})}) for name, given in cfg["methods"].items())
    weights = cfg.get("weights")
    if weights is not None and recipe.model.name != "imagenet":
        raise ConfigError(f"weights are for torchvision's networks, got model {recipe.model.name}; take model=imagenet_"
                          "vgg16, imagenet_resnet50, ..., or weights=null to train")
    settings = check({name: given for name, given in (cfg.get("settings") or {}).items() if name in chosen})
    return Setup(recipe, tuple(chosen), methods, whole("images", cfg["images"], least=1),
                 whole("samples", cfg["samples"], least=20), None if weights is None else str(weights), settings)


def _network(setup: Setup, dataset: Dataset, run: Run, env: Mapping[str, Any],
             on_epoch: Callable[[dict[str, float]], None] | None) -> "Classifier":
    """The trained network of the recipe, or torchvision's with its weights for ImageNet."""
    from convscope.training import shared

    if setup.weights is None:
        return shared.get_or_train(setup.recipe, dataset, Store(run.root), env=env, on_epoch=on_epoch)
    arch = str(setup.recipe.model.arguments["arch"])
    return pretrained.classifier(arch, Path(pretrained.find(arch, setup.weights)), input_shape=dataset.input_shape)
