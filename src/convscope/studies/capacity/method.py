"""How much can a network hold? Capacity in bits against data complexity (debugging paper, section 3.2 and Figure 2).

One cell counts one network on one data set's inputs, three ways, and finds the width at which a network of that family
holds as many bits as the data need: the paper's model warehouse. Nothing is trained.
"""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np

from convscope.family import Bound, ConfigError, bind, whole
from convscope.rng import derive, numpy_rng, seeded
from convscope.rows import Row
from convscope.studies.capacity.report import LAYERS
from convscope.studies.study import Cell
from convscope.training.parts import Parts, Shape

VERSION = 1
PARTS = ("data", "model", "input_shape", "n_classes")
# How the paper can be read: its four rules, its algorithm, and the algorithm as printed.
MODES: Mapping[str, Mapping[str, Any]] = {
    "rules": {}, "algorithm1": {"mode": "algorithm1"}, "literal": {"mode": "algorithm1", "output_bits": "sum"}}
LARGEST = 2 * 10**9  # weights, and values of an input: 8 GB


def run(cell: Cell, *, max_samples: Annotated[int, "at least 2"]) -> Iterator[Row]:
    """Yields parameters and bits of the network, then bits of the data and the width that matches them.

    The bits of the data stand at all training samples, and at `max_samples`, as many as the paper's table has.
    Keeps name, kind, parameters, bits_in, capacity and bits_out of every layer, by the four rules.
    """
    from convscope.capacity.bits import capacity_bits
    from convscope.complexity import thresholds

    row, network = partial(cell.row, split="train"), _build(cell)
    counted = {name: capacity_bits(network, cell.dataset.input_shape, **options) for name, options in MODES.items()}
    layers = counted["rules"].layers
    cell.keep(**{name: np.array([getattr(layer, name) for layer in layers]) for name in LAYERS})
    yield row("parameters", counted["rules"].parameters, "parameters", 1, method="rules")
    for name, found in counted.items():
        yield row("capacity_bits", found.total, "bits", 1, method=name)
    if cell.subject.data is None:
        return
    split = cell.dataset.splits["train"]
    samples: dict[str, Any] = {"all": slice(None)}
    if len(split) > max_samples:
        samples["sample"] = np.sort(numpy_rng(cell.seed, "subset").permutation(len(split))[:max_samples])
    for called, index in samples.items():
        needed = thresholds.measure(split.stored[index], split.y[index])
        at = {"n": needed.n, "axes": {"target": called}}
        yield row("complexity_bits", needed.complexity_bits, "bits", **at, method="needs")
        for metric, value, unit in _match(cell, needed.complexity_bits):
            yield row(metric, value, unit, **at, method="match")


def check(cell: Cell) -> None:
    """Refuses inputs that the network cannot take, and what fits no memory: it is built without any."""
    import torch

    values = math.prod(cell.dataset.input_shape)
    if values > LARGEST:
        raise ConfigError(f"an input must have at most {LARGEST:,} values, got {values:,}; take a smaller input_shape")
    with torch.device("meta"), seeded(0, "init"):
        weights = sum(weight.numel() for weight in _build(cell).parameters())
    if weights > LARGEST:
        raise ConfigError(f"{cell.subject.model_label} would have {weights:,} weights on inputs of {values:,} "
                          f"values, at most {LARGEST:,} can be counted; take a smaller network or input")


def subject(cfg: Mapping[str, Any]) -> Parts:
    """A network, and what it takes: a data set's inputs, or inputs of a given shape without data."""
    model, seed = bind("models", cfg["model"]), whole("seed", cfg["seed"])
    if model.method.constants.get("KIND") == "classical":
        raise ConfigError(f"{model.name} is no network: capacity counts layers; choose a ConvNet or a shallow network")
    sizes, classes = cfg.get("input_shape"), cfg.get("n_classes")
    if (sizes is None) != (classes is None):
        raise ConfigError("input_shape and n_classes come together: give both for a network without data, or neither")
    if sizes is None:
        return Parts(data=bind("data", cfg["data"]), parts={"model": model}, seed=seed)
    if not isinstance(sizes, (list, tuple)) or not sizes:
        raise ConfigError(f"input_shape must be a list of whole numbers, such as [3,224,224], got {sizes!r}")
    shape = Shape(tuple(whole("each of input_shape", size, least=1) for size in sizes),
                  whole("n_classes", classes, least=2))
    return Parts(data=None, shape=shape, parts={"model": model}, seed=seed)


def _build(cell: Cell, **arguments: Any) -> Any:
    """The network with these arguments besides its own. Its weights come from the seed; counting looks at none."""
    model: Bound = cell.subject.parts["model"]
    with seeded(derive(cell.seed, "init"), "init"):
        return Bound(model.method, {**model.arguments, **arguments}).call(
            n_classes=cell.dataset.n_classes, input_shape=cell.dataset.input_shape)


def _match(cell: Cell, bits: float) -> list[tuple[str, float, str]]:
    """The width whose network holds about `bits`, and what that has: bits alone where no width of the family does.

    Nothing of a network without a width.
    """
    from convscope.capacity.sizing import size_to

    if "width" not in cell.subject.parts["model"].method.defaults:
        return []
    needed = ("complexity_bits", bits, "bits")
    try:
        sized = size_to(bits, lambda width: _build(cell, width=width), input_shape=cell.dataset.input_shape)
    except ValueError:
        return [needed]
    return [needed, ("width", sized.width, ""), ("matched_bits", sized.capacity.total, "bits"),
            ("matched_parameters", sized.capacity.parameters, "parameters")]
