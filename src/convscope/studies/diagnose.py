"""What is wrong with this network on these data? (debugging paper, sections 2 and 3: a debugger for machine learning)

Measures a user's own data and model, trains the model once on the labels and once on permuted ones, and reports
findings: what was measured, what it means, what to do. What was not measured is not claimed.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import ConfigError, bind
from convscope.metrics.accuracy import accuracy
from convscope.rng import derive, numpy_rng, torch_rng
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.diagnose_report import figures, ledger, pages, tables
from convscope.training.recipe import Recipe, load_data, read_recipe

VERSION = 1
PROBED = 512     # inputs for the checks of evaluation
CLOUD = 5000     # samples for the overlap of classes
FAMILIES = ("lenet", "alexnet", "vgg", "resnet", "mlp")  # offered in a wanted size

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    recipe = _read(cfg)
    dataset = load_data(recipe, cfg["env"])
    recipe.check_kind(dataset.kind)
    if dataset.kind == "text":
        raise ConfigError(f"diagnose is for images and tables, {recipe.data.name} is text data; what a text model "
                          "misses shows experiments/blindspots.py --config-name blindspots_text")
    return {"version": VERSION, **recipe.identity(dataset), "permuted": bool(cfg["permuted"])}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    recipe = _read(cfg)
    return f"{recipe.model.label} on {recipe.data_label} | seed {recipe.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    """convnet or shallow."""
    return _read(cfg).kind


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """The training curve of the model on its labels."""
    from convscope.training import shared

    recipe = _read(cfg)
    return shared.curve(recipe.task(load_data(recipe, cfg["env"])), Store(run.root))


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields one row per measured number; leaves curves.npz, the learning-rate range test and the training curve."""
    recipe = _read(cfg)
    dataset = load_data(recipe, cfg["env"])
    found: list[tuple[str, float, str, int, dict[str, Any]]] = [*_data(dataset)]
    found += _complexity(dataset, recipe.seed)
    found += _network(recipe, dataset)
    found += _training(recipe, dataset, run, cfg["env"], on_epoch)
    if cfg["permuted"] and any(metric == "accuracy" for metric, *_ in found):
        found += _permuted(recipe, dataset, cfg["env"])
    for metric, value, unit, n, axes in found:
        yield Row(study="diagnose", run_id=run.id, data=recipe.data_label, split=axes.pop("split", "train"),
                  model=recipe.model.label, method="diagnose", condition="none", axes=axes, seed=recipe.seed,
                  metric=metric, value=float(value), unit=unit, n=n)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """The range test and the training curve of each run: `<data>/<model>/<seed>/<name>`."""
    found: dict[str, np.ndarray] = {}
    for one in runs:
        row = one.rows()[0]
        with np.load(one.folder / "curves.npz") as saved:
            found |= {f"{row.data}/{row.model}/{row.seed}/{name}": array for name, array in saved.items()}
    return found


def _read(cfg: Mapping[str, Any]) -> Recipe:
    recipe = read_recipe({**cfg, "signal": {"name": "clean"}})
    if recipe.kind == "classical":
        raise ConfigError(f"diagnose looks into networks, {recipe.model.name} is none; choose a network as model")
    if not isinstance(cfg["permuted"], bool):
        raise ConfigError(f"permuted must be true or false, got {cfg['permuted']!r}")
    return recipe


def _data(dataset: Dataset) -> Iterator[tuple[str, float, str, int, dict[str, Any]]]:
    """Sizes, classes, equal samples (by the hash of their content), and the scales of a table's columns."""
    kept: dict[str, Counter[str]] = {}
    for name, split in dataset.splits.items():
        yield "samples", len(split), "samples", len(split), {"split": name}
        for k, count in enumerate(np.bincount(split.y, minlength=dataset.n_classes)):
            yield "class_samples", count, "samples", len(split), {"split": name, "class": dataset.class_names[k]}
        kept[name] = Counter(str(one)[:16] for one in split.ids)  # an id is the hash, and -2, -3 of equal ones
        yield "equal", len(split) - len(kept[name]), "samples", len(split), {"split": name}
        labels: dict[str, set[int]] = {}
        for one, label in zip(split.ids, split.y, strict=True):
            labels.setdefault(str(one)[:16], set()).add(int(label))
        yield "contradicting", sum(len(found) > 1 for found in labels.values()), "contents", len(split), {"split": name}
    test = kept["test"]
    yield "leaked", sum(test[one] for one in test if one in kept["train"]), "samples", test.total(), {"split": "test"}
    if dataset.kind == "table":
        spread = dataset.splits["train"].stored.std(axis=0, dtype=np.float64)
        yield "constant_features", int((spread == 0).sum()), "features", len(spread), {}
        if (spread > 0).any():
            yield "scales", float(spread.max() / spread[spread > 0].min()), "", len(spread), {}


def _complexity(dataset: Dataset, seed: int) -> Iterator[tuple[str, float, str, int, dict[str, Any]]]:
    from convscope.complexity import csg, thresholds

    split = dataset.splits["train"]
    told = thresholds.measure(split.stored, split.y)
    yield "complexity_bits", told.complexity_bits, "bits", told.n, {}
    yield "threshold_ratio", told.ratio, "", told.n, {}
    index = np.sort(numpy_rng(seed, "subset").permutation(len(split))[:CLOUD])
    if np.bincount(split.y[index], minlength=dataset.n_classes).min() > 3:
        x = split.x(index)
        if (x != x[:1]).any():
            overlap = csg.measure(x, split.y[index], rng=numpy_rng(seed, "csg"))
            yield "csg", overlap.csg, "", len(index), {}
            close = overlap.w - 2 * np.eye(len(overlap.w))
            a, b = sorted(map(int, np.unravel_index(int(close.argmax()), close.shape)))
            yield "overlap", float(overlap.w[a, b]), "", len(index), {
                "class": dataset.class_names[a], "other": dataset.class_names[b]}


def _network(recipe: Recipe, dataset: Dataset) -> Iterator[tuple[str, float, str, int, dict[str, Any]]]:
    """Capacity, and networks that hold what the data need: nothing where the model cannot be traced."""
    from convscope.capacity.bits import capacity_bits
    from convscope.complexity import thresholds

    split = dataset.splits["train"]
    wanted = thresholds.measure(split.stored, split.y).complexity_bits

    def build(model: Mapping[str, Any]) -> Any:
        return bind("models", model).call(n_classes=dataset.n_classes, input_shape=dataset.input_shape, alphabet="")

    own = {"name": recipe.model.name, **recipe.model.arguments}
    try:
        counted = capacity_bits(build(own), dataset.input_shape)
    except ValueError:  # its graph cannot be read: the page says so
        return
    yield "parameters", counted.parameters, "parameters", 1, {}
    yield "capacity_bits", counted.total, "bits", 1, {}
    for family in dict.fromkeys([recipe.model.name, *FAMILIES]):
        given = own if family == recipe.model.name else {"name": family}
        bound = bind("models", given)
        if "width" in bound.method.defaults and bound.method.serves(dataset.kind):
            yield from _sized(bound.label if family != recipe.model.name else recipe.model.label, given, build, wanted,
                              dataset.input_shape)


def _sized(label: str, given: Mapping[str, Any], build: Callable[[Mapping[str, Any]], Any], wanted: float,
           input_shape: tuple[int, ...]) -> Iterator[tuple[str, float, str, int, dict[str, Any]]]:
    from convscope.capacity.sizing import size_to

    try:
        sized = size_to(wanted, lambda width: build({**given, "width": width}), input_shape=input_shape)
    except ValueError:  # out of reach, or images that the family does not take
        return
    family = " ".join(word for word in label.split() if not word.startswith("width="))
    yield "alternative_width", sized.width, "", 1, {"family": family}
    yield "alternative_bits", sized.capacity.total, "bits", 1, {"family": family}
    yield "alternative_parameters", sized.capacity.parameters, "parameters", 1, {"family": family}


def _training(recipe: Recipe, dataset: Dataset, run: Run, env: Mapping[str, Any],
              on_epoch: Callable[[dict[str, float]], None] | None
              ) -> Iterator[tuple[str, float, str, int, dict[str, Any]]]:
    """Learning-rate range test, training, modes at evaluation, dead units, and accuracy on both splits."""
    import torch

    from convscope.training import checkup, shared
    from convscope.training.predict import logits

    task = recipe.task(dataset)
    x, y = task.samples()
    untrained = task.build()
    checkup.check_takes(untrained, x[:2], env=env)
    regime = _regime(recipe)
    saved: dict[str, np.ndarray] = {}
    if regime is not None:
        assert recipe.fit is not None
        tested = checkup.range_test(untrained, x, y, regime, seed=recipe.seed, env=env,
                                    batch_size=recipe.fit.arguments["batch_size"])
        saved |= {"lr": tested.lr, "loss": tested.loss}
        yield "lr", regime.lr, "", 1, {}
        yield "lr_steepest", tested.steepest, "", len(tested.lr), {}
        yield "lr_fall", tested.fall, "", len(tested.lr), {}
        if not math.isnan(tested.diverged):
            yield "lr_diverged", tested.diverged, "", len(tested.lr), {}
    del untrained
    try:
        model = shared.get_or_train(task, Store(run.root), env=env, on_epoch=on_epoch)
    except FloatingPointError:
        np.savez(run.folder / "curves.npz", **saved)  # pyright: ignore[reportArgumentType]
        yield "not_finite", 1, "", len(x), {}
        return
    epochs = shared.curve(task, Store(run.root))
    saved |= {f"curve_{key}": np.array([epoch[key] for epoch in epochs]) for key in ("step", "train_loss",
                                                                                       "train_accuracy")}
    np.savez(run.folder / "curves.npz", **saved)  # pyright: ignore[reportArgumentType]
    split = dataset.splits["test"]
    probe = torch.from_numpy(split.x(_spread(len(split), PROBED)))
    modes = checkup.evaluation(model, probe, seed=recipe.seed, env=env)
    yield "repeated", modes.repeated, "", len(probe), {"split": "test", "wrong": modes.random}
    yield "mixed_in", modes.mixed_in, "", len(probe), {"split": "test", "wrong": modes.mixed}
    for units in checkup.dead_units(model, probe, env=env):
        yield "units", units.total, "units", len(probe), {"split": "test", "layer": units.name}
        yield "dead_units", units.dead, "units", len(probe), {"split": "test", "layer": units.name}
    for name, inputs, labels in (("train", x, y.numpy()), ("test", torch.from_numpy(split.x()), split.y)):
        scores = logits(model, inputs, env=env)
        yield "accuracy", accuracy(scores.argmax(1), labels), "fraction", len(labels), {"split": name}
        yield "loss", _cross_entropy(scores, labels), "nats", len(labels), {"split": name}


def _permuted(recipe: Recipe, dataset: Dataset, env: Mapping[str, Any]
              ) -> Iterator[tuple[str, float, str, int, dict[str, Any]]]:
    """The same training on permuted labels (Zhang et al. 2017, Understanding deep learning requires rethinking
    generalization): how much the network memorises, and whether test labels reach it by another way."""
    import torch

    from convscope.training.predict import logits

    assert recipe.fit is not None
    task = recipe.task(dataset)
    (x, y), model = task.samples(), task.build()
    wrong = y[torch.randperm(len(y), generator=torch_rng(recipe.seed, "permutation"))]
    recipe.fit.function()(model, x, wrong, seed=derive(recipe.seed, "permuted") % 2**31, env=env,
                          **recipe.fit.arguments)
    split = dataset.splits["test"]
    learnt = accuracy(logits(model, x, env=env).argmax(1), wrong.numpy())
    leaked = accuracy(logits(model, torch.from_numpy(split.x()), env=env).argmax(1), split.y)
    yield "permuted_train_accuracy", learnt, "fraction", len(y), {}
    yield "permuted_test_accuracy", leaked, "fraction", len(split), {"split": "test"}


def _regime(recipe: Recipe) -> Any:
    """How the weights move, where the fit is ours; a user's own has no learning rate that we know."""
    from dataclasses import fields

    from convscope.training.regime import Regime

    if recipe.fit is None or recipe.fit.method.module != "convscope.training.fit":
        return None
    return Regime(**{field.name: recipe.fit.arguments[field.name] for field in fields(Regime)})


def _spread(n: int, most: int) -> np.ndarray:
    """At most so many of n numbers, evenly spread: over the classes, in which samples are ordered."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))


def _cross_entropy(scores: np.ndarray, y: np.ndarray) -> float:
    top = scores.max(axis=1, keepdims=True).astype(np.float64)
    log = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return float(np.mean(log - scores[np.arange(len(y)), y]))
