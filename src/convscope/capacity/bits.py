"""How many bits a network can hold, by four rules (Friedland, Metere, Krell 2018, A Practical Approach to Sizing Neural
Networks; debugging paper, Algorithm 1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from convscope.capacity.graph import Operation, operations

VERSION = 1


@dataclass(frozen=True)
class Layer:
    """One layer with parameters: it holds `capacity` = min(parameters, bits_in) bits and lets `bits_out` through."""

    name: str
    kind: str
    parameters: int
    bits_in: float
    capacity: float
    bits_out: float


@dataclass(frozen=True)
class Capacity:
    """`total` bits of all layers; `parameters` of the whole model, batch norms included."""

    total: float
    parameters: int
    layers: tuple[Layer, ...]


def capacity_bits(model: nn.Module, input_shape: Sequence[int], *, mode: Literal["rules", "algorithm1"] = "rules",
                  output_bits: Literal["product", "sum"] = "product", bn: Literal["fold", "layer"] = "fold",
                  input_bits: float | None = None) -> Capacity:
    """The bits of a network for inputs [*input_shape], layer by layer along its real graph.

    `rules`: a neuron passes at most one bit, so that bits_out = min(neurons of the output, bits that reach it); a layer
    holds at most its parameters and at most what reaches it; the first one is bounded by `input_bits` alone. Where
    paths meet, by addition or concatenation, their bits add up, but are no more than left the last operation that all
    of them share. A batch norm behind a convolution is its bias (`bn="layer"`: a layer of its own).
    `algorithm1` is the paper's: the least output so far bounds all that follows, inbound bits are the largest, and
    every batch norm is a layer. `output_bits="sum"` adds up an output's shape, as the paper prints, where it must be
    multiplied.
    Raises ValueError for a model that cannot be traced, inputs that do not fit it, or an unknown option.
    """
    for name, value, choices in (("mode", mode, ("rules", "algorithm1")), ("bn", bn, ("fold", "layer")),
                                 ("output_bits", output_bits, ("product", "sum"))):
        if value not in choices:
            raise ValueError(f"{name} must be {' or '.join(choices)}, got {value!r}")
    if input_bits is not None and not input_bits > 0:
        raise ValueError(f"input_bits must be above 0, or None for no bound, got {input_bits!r}")
    found = operations(model, input_shape, fold=bn == "fold" and mode == "rules")
    size = math.prod if output_bits == "product" else sum
    first = math.inf if input_bits is None else float(input_bits)
    bounded = _bottleneck if mode == "algorithm1" else _paths
    reach, passed = bounded(found, [size(one.shape) for one in found], first)
    layers = tuple(Layer(one.name, one.kind, one.parameters, bits, min(one.parameters, bits), out)
                   for one, bits, out in zip(found, reach, passed, strict=True) if one.parameters)
    return Capacity(sum(layer.capacity for layer in layers), sum(p.numel() for p in model.parameters()), layers)


def _paths(found: Sequence[Operation], sizes: Sequence[int], first: float) -> tuple[list[float], list[float]]:
    """Bits that reach each operation and bits that leave it, path by path."""
    reach: list[float] = []
    passed: list[float] = []
    dominator: list[int] = []  # the last operation that every path to this one passes
    depth: list[int] = []
    for one, size in zip(found, sizes, strict=True):
        if not one.inputs:
            reach.append(first)
            passed.append(first)  # the input itself: not a layer
            dominator.append(-1)
            depth.append(0)
            continue
        shared = one.inputs[0]
        for other in one.inputs[1:]:
            a, b = shared, other
            while a != b:
                a, b = (dominator[a], b) if depth[a] >= depth[b] else (a, dominator[b])
            shared = a
        bits = sum(passed[i] for i in one.inputs)
        reach.append(bits if len(one.inputs) == 1 else min(bits, passed[shared]))
        unbounded = math.isinf(reach[-1]) and not one.parameters  # a flattened input is still the input
        passed.append(math.inf if unbounded else min(size, reach[-1]))
        dominator.append(shared)
        depth.append(depth[shared] + 1)
    return reach, passed


def _bottleneck(found: Sequence[Operation], sizes: Sequence[int], first: float) -> tuple[list[float], list[float]]:
    """The paper's Algorithm 1: one bound for all, the least output so far."""
    reach: list[float] = []
    passed: list[float] = []
    least = first
    for one, size in zip(found, sizes, strict=True):
        reach.append(max((passed[i] for i in one.inputs), default=first))
        if one.inputs and (one.parameters or math.isfinite(least)):  # a flattened input is still the input
            least = min(least, size)
        passed.append(least)
    return reach, passed
