"""What is wrong with this network on these data? (debugging paper, sections 2 and 3: a debugger for machine learning)

Measures a user's own data and model, trains the model once on the labels and once on permuted ones; `findings` says of
each number what it means and what to do. What was not measured is not claimed.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data import audit
from convscope.data.dataset import Dataset
from convscope.family import Bound, ConfigError, bind
from convscope.metrics.accuracy import accuracy, cross_entropy
from convscope.rng import derive, numpy_rng, torch_rng
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.study import Cell, kept
from convscope.training.recipe import training_set
from convscope.training.regime import regime_of

if TYPE_CHECKING:
    from torch import Tensor, nn

VERSION = 1
KINDS = ("image", "table", "windows")
MODELS = ("convnet", "shallow")
PARTS = ("data", "condition", "model", "fit", "baseline_fit", "baseline_fraction", "normalise")
PROBED = 512     # inputs for the checks of evaluation
CLOUD = 5000     # samples for the overlap of classes
UNITS = {"samples": "samples", "class_samples": "samples", "equal": "samples", "contradicting": "contents",
         "leaked": "samples", "constant_features": "features", "complexity_bits": "bits", "capacity_bits": "bits",
         "alternative_bits": "bits", "parameters": "parameters", "alternative_parameters": "parameters",
         "units": "units", "dead_units": "units", "loss": "nats", "accuracy": "fraction",
         "permuted_train_accuracy": "fraction", "permuted_test_accuracy": "fraction"}
FAMILIES = ("lenet", "alexnet", "vgg", "resnet", "mlp")  # offered in a wanted size


def check(cell: Cell) -> None:
    """Raises ConfigError, with the experiment to take instead, for texts."""
    if cell.dataset.kind == "text":
        raise ConfigError(f"diagnose is for images and tables, {cell.subject.data.name} is text data; what a text "
                          "model misses shows experiments/blindspots.py --config-name blindspots_text")


def run(cell: Cell, *, permuted: bool) -> Iterator[Row]:
    """Yields one row per measured number; keeps the learning-rate range test and the training curve.

    With `permuted`, the network is trained a second time, on permuted labels.
    """
    shown: dict[str, np.ndarray] = {}
    yield from _samples(cell)
    yield from _complexity(cell)
    yield from _capacity(cell)
    yield from _range_test(cell, shown)
    try:
        model = cell.network()
    except FloatingPointError:
        cell.keep(**shown)
        yield from _rows(cell, len(training_set(cell.subject, cell.dataset)[2]), {"not_finite": 1})
        return
    epochs = cell.curve()
    cell.keep(**shown, **{f"curve_{key}": np.array([epoch[key] for epoch in epochs])
                          for key in ("step", "train_loss", "train_accuracy")})
    yield from _modes(cell, model)
    yield from _scores(cell, model)
    if permuted:
        yield from _permuted(cell)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """The range test and the training curve of each run: `<data>/<model>/<seed>/<name>`."""
    return {f"{row.data}/{row.model}/{row.seed}/{name}": array
            for one in runs for row in one.rows()[:1] for name, array in kept(one).items()}


def _rows(cell: Cell, n: int, values: Mapping[str, float], axes: Mapping[str, Any] | None = None, *,
          split: str = "train") -> Iterator[Row]:
    """A row for each of the named values."""
    for metric, value in values.items():
        yield cell.row(metric, value, UNITS.get(metric, ""), n, axes, method="diagnose", split=split)


def _samples(cell: Cell) -> Iterator[Row]:
    """Sizes, classes, equal samples (by the hash of their content), and the scales of a table's columns."""
    dataset: Dataset = cell.dataset
    train, test = dataset.splits["train"], dataset.splits["test"]
    for name, split in dataset.splits.items():
        yield from _rows(cell, len(split), {"samples": len(split)}, split=name)
        for called, count in zip(dataset.class_names, np.bincount(split.y, minlength=dataset.n_classes), strict=True):
            yield from _rows(cell, len(split), {"class_samples": count}, {"class": called}, split=name)
        told = zip(("equal", "contradicting"), audit.equal(split.ids, split.y), strict=True)
        yield from _rows(cell, len(split), dict(told), split=name)
    yield from _rows(cell, len(test), {"leaked": audit.leaked(train.ids, test.ids)}, split="test")
    if dataset.kind == "table":
        constant, scales = audit.scales(train.stored)
        yield from _rows(cell, train.stored.shape[1], {"constant_features": constant} | (
            {} if scales is None else {"scales": scales}))


def _complexity(cell: Cell) -> Iterator[Row]:
    """How much there is to learn, and which classes overlap."""
    from convscope.complexity import csg

    names, split = cell.dataset.class_names, cell.dataset.splits["train"]
    told = _thresholds(cell)
    yield from _rows(cell, told.n, {"complexity_bits": told.complexity_bits, "threshold_ratio": told.ratio})
    index = np.sort(numpy_rng(cell.seed, "subset").permutation(len(split))[:CLOUD])
    x, y = split.x(index), split.y[index]
    if np.bincount(y, minlength=len(names)).min() > 3 and (x != x[:1]).any():
        overlap = csg.measure(x, y, rng=numpy_rng(cell.seed, "csg"))
        close = overlap.w - 2 * np.eye(len(overlap.w))
        a, b = sorted(map(int, np.unravel_index(int(close.argmax()), close.shape)))
        yield from _rows(cell, len(index), {"csg": overlap.csg})
        yield from _rows(cell, len(index), {"overlap": overlap.w[a, b]}, {"class": names[a], "other": names[b]})


def _capacity(cell: Cell) -> Iterator[Row]:
    """Capacity, and networks that hold the bits that the data need: nothing where the model cannot be traced."""
    from convscope.capacity.bits import capacity_bits
    from convscope.capacity.sizing import size_to

    own, dataset, wanted = cell.subject.model, cell.dataset, _thresholds(cell).complexity_bits

    def build(model: Bound, **changed: Any) -> Any:
        return bind("models", {"name": model.name, **model.arguments, **changed}).call(
            n_classes=dataset.n_classes, input_shape=dataset.input_shape, alphabet="")

    try:
        counted = capacity_bits(build(own), dataset.input_shape)
    except ValueError:  # its graph cannot be read: the page says so
        return
    yield from _rows(cell, 1, {"parameters": counted.parameters, "capacity_bits": counted.total})
    for model in [own, *(bind("models", {"name": name}) for name in FAMILIES if name != own.name)]:
        if "width" not in model.method.defaults or not model.method.serves(dataset.kind):
            continue
        try:
            sized = size_to(wanted, lambda width, model=model: build(model, width=width),
                            input_shape=dataset.input_shape)
        except ValueError:  # out of reach, or images that the family does not take
            continue
        family = " ".join(word for word in model.label.split() if not word.startswith("width="))
        yield from _rows(cell, 1, {
            "alternative_width": sized.width, "alternative_bits": sized.capacity.total,
            "alternative_parameters": sized.capacity.parameters}, {"family": family})


def _range_test(cell: Cell, shown: dict[str, np.ndarray]) -> Iterator[Row]:
    """The learning-rate range test, where the fit is ours: a user's own has no learning rate that we know.

    Adds its curve to `shown`. Raises ValueError where the network does not take the data.
    """
    from convscope.training import checkup

    fit, (model, x, y) = cell.subject.fit, _untrained(cell)
    checkup.check_takes(model, x[:2], env=cell.env)
    regime = regime_of(fit)
    if regime is None:
        return
    tested = checkup.range_test(model, x, y, regime, seed=cell.seed, env=cell.env,
                                batch_size=fit.arguments["batch_size"])
    shown |= {"lr": tested.lr, "loss": tested.loss}
    yield from _rows(cell, 1, {"lr": regime.lr})
    yield from _rows(cell, len(tested.lr), {"lr_steepest": tested.steepest, "lr_fall": tested.fall} | (
        {} if math.isnan(tested.diverged) else {"lr_diverged": tested.diverged}))


def _modes(cell: Cell, model: "nn.Module") -> Iterator[Row]:
    """What is on at evaluation that should be off, and which units are never active, by a few test samples."""
    import torch

    from convscope.training import checkup

    split = cell.dataset.splits["test"]
    spread = np.linspace(0, len(split) - 1, min(len(split), PROBED)).astype(int)  # over the classes, which are in order
    probe = torch.from_numpy(split.x(np.unique(spread)))
    found = checkup.evaluation(model, probe, seed=cell.seed, env=cell.env)
    rows = partial(_rows, cell, len(probe), split="test")
    yield from rows({"repeated": found.repeated}, {"wrong": found.random})
    yield from rows({"mixed_in": found.mixed_in}, {"wrong": found.mixed})
    for units in checkup.dead_units(model, probe, env=cell.env):
        yield from rows({"units": units.total, "dead_units": units.dead}, {"layer": units.name})


def _scores(cell: Cell, model: "nn.Module") -> Iterator[Row]:
    """Accuracy and cross-entropy on both splits."""
    import torch

    from convscope.training.predict import logits

    _, x, y = training_set(cell.subject, cell.dataset)
    test = cell.dataset.splits["test"]
    for name, inputs, labels in (("train", x, y.numpy()), ("test", torch.from_numpy(test.x()), test.y)):
        scores = logits(model, inputs, env=cell.env)
        yield from _rows(cell, len(labels), {"accuracy": accuracy(scores.argmax(1), labels),
                                             "loss": cross_entropy(scores, labels)}, split=name)


def _permuted(cell: Cell) -> Iterator[Row]:
    """The same training on permuted labels (Zhang et al. 2017, Understanding deep learning requires rethinking
    generalization): how much the network memorises, and whether test labels reach it by another way."""
    import torch

    from convscope.training.predict import logits

    fit, test, (model, x, y) = cell.subject.fit, cell.dataset.splits["test"], _untrained(cell)
    wrong = y[torch.randperm(len(y), generator=torch_rng(cell.seed, "permutation"))]
    fit.function()(model, x, wrong, seed=derive(cell.seed, "permuted") % 2**31, env=cell.env, **fit.arguments)
    learnt = accuracy(logits(model, x, env=cell.env).argmax(1), wrong.numpy())
    leaked = accuracy(logits(model, torch.from_numpy(test.x()), env=cell.env).argmax(1), test.y)
    yield from _rows(cell, len(y), {"permuted_train_accuracy": learnt})
    yield from _rows(cell, len(test), {"permuted_test_accuracy": leaked}, split="test")


def _thresholds(cell: Cell) -> Any:
    from convscope.complexity import thresholds

    split = cell.dataset.splits["train"]
    return thresholds.measure(split.stored, split.y)


def _untrained(cell: Cell) -> tuple["nn.Module", "Tensor", "Tensor"]:
    """The network before training, and the training split (x, labels)."""
    task = cell.subject.task(cell.dataset)
    return task.build(), *task.samples()
