"""Recursive highlighting (Siddiqui et al. 2019, TSViz, section 5): what caused one value of a 1-D ConvNet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients, relus
from convscope.family import Fraction
from convscope.models.classifier import Classifier

VERSION = 1
SAME = (nn.Dropout, nn.Dropout1d, nn.Identity)
TRACED = (nn.Conv1d, nn.Linear, nn.ReLU, nn.ReLU6, nn.MaxPool1d, nn.Flatten, nn.BatchNorm1d, *SAME)


@dataclass(frozen=True)
class _Step:
    """One call of a layer: what it got and gave; in a probing run `gave` holds the places 1, 2, ... of its values."""

    name: str
    module: nn.Module
    got: Tensor
    gave: Tensor


def highlight(model: nn.Module, x: Tensor, *, layer: str | None = None, filter: int = 0, position: int = 0,
              threshold: Fraction = 0.0) -> dict[str, Tensor]:
    """Name -> how much each value of "input" and of each layer up to the one asked for caused one value; from 0 to 1.

    x is one input [1, C, T]. The value is one position of one filter of a layer, or without a layer the model's output
    number `filter`; in its own layer it alone has relevance, 1. Maps are shaped as what the layers give, [C, T] or [K].
    Going down, a value's relevance is divided among those it was computed from: through convolutions and linear layers
    in proportion to |weight x value below|, biases left out; through max-pooling the whole goes to the arg max; ReLUs,
    also bounded ones, pass it where they are above 0, batch norms where scale and value are not 0. So each layer's
    total stays 1, less what had no cause but biases. Entries below `threshold` times a map's maximum are dropped and
    not followed further. A layer that runs again is called `name#2`.

    The model is a chain of Conv1d, ReLU (also as a function), MaxPool1d, BatchNorm1d, Dropout, Flatten and Linear;
    between two of them values may be reordered, chosen or padded with 0 (a transpose before a flatten), which a run
    with numbered places shows. A Classifier's normalisation is one to one. Raises ValueError for other networks, with
    the name of what cannot be traced, and for other inputs, layers and places.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be in 0..1, a part of the maximum, got {threshold}")
    with gradients.borrowed(model) as network:
        x, _ = gradients.checked(network, x, 0)
        if x.ndim != 3 or len(x) != 1:
            raise ValueError(f"x must be one input [1, C, T], got {list(x.shape)}")
        with torch.no_grad():
            steps, output = _recorded(network, x, probing=False)
            probes, probed_output = _recorded(network, x, probing=True)
        if layer is None:
            relevance = _back_to(steps[-1], probes[-1], output, probed_output, "the model's output",
                                 _one(output, "the model's output", filter, position))
        else:
            last = _last(network, steps, layer)
            steps, probes = steps[:last + 1], probes[:last + 1]
            relevance = _one(steps[-1].gave, layer, filter, position)
        maps: dict[str, Tensor] = {}
        for i in range(len(steps) - 1, 0, -1):
            relevance = maps[steps[i].name] = _kept(relevance, threshold)
            relevance = _back_to(steps[i - 1], probes[i - 1], steps[i].got, probes[i].got, steps[i].name,
                                 _shared(steps[i], relevance))
        maps["input"] = _kept(relevance, threshold)
    return {name: maps[name][0].cpu() for name in reversed(maps)}


def _shared(step: _Step, relevance: Tensor) -> Tensor:
    """Like what a layer got: its relevance, divided among the values it was computed from."""
    module, got = step.module, step.got
    if isinstance(module, (nn.Conv1d, nn.Linear)):
        if isinstance(module, nn.Linear) and got.ndim != 2:
            raise ValueError(f"cannot trace {step.name}: a Linear must get [1, D], got {list(got.shape)}: flatten")
        weight, below = module.weight.abs(), got.abs().requires_grad_()
        whole = (functional.linear(below, weight) if isinstance(module, nn.Linear)
                 else module._conv_forward(below, weight, None))  # with the module's own padding, stride and groups
        part = torch.where(whole > 0, relevance / whole, 0.0).detach()
        return torch.autograd.grad(whole, below, part)[0] * below.detach()
    if isinstance(module, nn.MaxPool1d):
        place = functional.max_pool1d(got, module.kernel_size, module.stride, module.padding, module.dilation,
                                      module.ceil_mode, return_indices=True)[1]
        return torch.zeros_like(got).scatter_add(2, place, relevance)
    if relus.cuts_at_0(module):
        return relevance * (got > 0)
    if isinstance(module, nn.BatchNorm1d):
        scale = torch.ones(got.shape[1]) if module.weight is None else module.weight
        return relevance * ((scale.to(got).view(1, -1, *[1] * (got.ndim - 2)) * got) != 0)
    if isinstance(module, (nn.Flatten, *SAME)):
        return relevance.reshape_as(got)
    raise ValueError(f"cannot trace {step.name}, a {type(module).__name__}: highlighting goes through chains of "
                     f"{', '.join(kind.__name__ for kind in TRACED)}")


def _back_to(step: _Step, probe: _Step, got: Tensor, numbered: Tensor, name: str, relevance: Tensor) -> Tensor:
    """Like what `step` gave: the relevance of what was made of it before `name` got it.

    `numbered` says where each of the values `got` came from: a place 1, 2, ..., or 0 for padding.
    """
    gave = step.gave.flatten()
    place = numbered.flatten().round().clamp(0, len(gave)).long()
    table = torch.cat([gave.new_zeros(1), gave])
    plain = torch.equal(table[place], got.flatten())
    if not torch.equal(place.to(numbered), numbered.flatten()) or not (
            plain or torch.equal(table.relu()[place], got.flatten())):
        raise ValueError(f"cannot trace what runs between {step.name} and {name}: besides ReLUs, values may only be "
                         "reordered there; make it a layer, in a plain chain")
    found = torch.zeros_like(table).index_add(0, place, relevance.flatten())[1:]
    return (found if plain else found * (gave > 0)).view_as(step.gave)


def _recorded(network: nn.Module, x: Tensor, *, probing: bool) -> tuple[list[_Step], Tensor]:
    """Each call of a layer without parts, in order, after the input as a step of its own; and the network's output.

    Probing, each gives the numbers of its places, which what runs between the layers then carries to the next.
    """
    inner = network.network if isinstance(network, Classifier) else network
    steps: list[_Step] = []
    waiting: list[Tensor] = []
    runs: dict[str, int] = {}

    def begin(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        steps.append(_Step("input", inner, args[0], _places(args[0]) if probing else args[0].clone()))
        return (steps[-1].gave.clone(), *args[1:])

    def before(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            if len(args) != 1 or not isinstance(args[0], Tensor):
                raise ValueError(f"cannot trace {name}, a {type(module).__name__}: it must get one tensor")
            waiting.append(args[0].clone())  # a layer may work in place
        return hook

    def after(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, _: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise ValueError(f"cannot trace {name}, a {type(module).__name__}: it must give one tensor")
            runs[name] = runs.get(name, 0) + 1
            called = name if runs[name] == 1 else f"{name}#{runs[name]}"
            steps.append(_Step(called, module, waiting.pop(), _places(output) if probing else output.clone()))
            return steps[-1].gave.clone()
        return hook

    with _hooked() as handles:
        handles.append(inner.register_forward_pre_hook(begin))
        for name, module in inner.named_modules(prefix="network" if inner is not network else ""):
            if not any(True for _ in module.children()) and module is not inner:
                handles.append(module.register_forward_pre_hook(before(name)))
                handles.append(module.register_forward_hook(after(name)))
        output = gradients.logits(network, x)
    if len(steps) < 2:
        raise ValueError(f"cannot trace {type(network).__name__}: it has no layers that are modules")
    return steps, output


@contextmanager
def _hooked() -> Iterator[list[Any]]:
    handles: list[Any] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def _places(values: Tensor) -> Tensor:
    return torch.arange(1, values.numel() + 1, device=values.device).to(values.dtype).view_as(values)


def _last(network: nn.Module, steps: list[_Step], layer: str) -> int:
    """The number of the layer's step; raises ValueError for one that there is not, has parts, or runs again."""
    gradients.layer(network, layer)
    names = [step.name for step in steps[1:]]
    if layer not in names or f"{layer}#2" in names:
        runs = sum(name.split("#")[0] == layer for name in names)
        raise ValueError(f"the layer {layer} must be one without parts that runs once, it ran {runs} times as such; "
                         f"choose one of {', '.join(dict.fromkeys(name.split('#')[0] for name in names))}")
    return names.index(layer) + 1


def _one(values: Tensor, name: str, filter: int, position: int) -> Tensor:
    """Like the values [1, F] or [1, F, T]: 1 at this place, 0 elsewhere."""
    n_filters, length = values.shape[1], values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or not (0 <= filter < n_filters and 0 <= position < length):
        raise ValueError(f"{name} has filters 0..{n_filters - 1} with positions 0..{length - 1}, got filter {filter}, "
                         f"position {position}")
    relevance = torch.zeros_like(values)
    relevance[(0, filter, position)[:values.ndim]] = 1
    return relevance


def _kept(relevance: Tensor, threshold: float) -> Tensor:
    return torch.where(relevance >= threshold * relevance.max(), relevance, 0.0)
