"""Live taps: what layers put out, before or behind their activation, in the graph of the scores that come of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients, relus

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
# Calls of torch with which the next layer begins, as a module or not: no later ReLU belongs to the one before.
LAYER = {functional.conv1d, functional.conv2d, functional.conv3d, functional.conv_transpose1d,
         functional.conv_transpose2d, functional.conv_transpose3d, functional.linear, torch.matmul, Tensor.matmul,
         Tensor.__matmul__}
BEHIND: tuple[relus.Kind, ...] = ("relu", "bounded")


def named(network: nn.Module, layers: Sequence[str] | None) -> list[str]:
    """The names given, each once; without any, those of every Conv1d and Conv2d."""
    if layers is not None:
        if isinstance(layers, str) or not len(layers):
            raise ValueError(f"layers must be a list of names, at least one, got {layers!r}")
        return list(dict.fromkeys(layers))
    names = [name for name, module in network.named_modules() if isinstance(module, CONVOLUTIONS)]
    if not names:
        raise ValueError(f"{type(network).__name__} has no Conv1d or Conv2d that runs once: name its layers")
    return names


def run(network: nn.Module, x: Tensor, names: Sequence[str], behind: Sequence[relus.Kind] = (), *,
        strict: bool = True) -> tuple[Tensor, dict[str, Tensor]]:
    """The scores [B, K] of x and what each layer put out [B, F, ...], in the scores' graph, of a borrowed network.

    `behind` says behind which kinds of activations: the first that torch calls before the next layer begins, of as many
    filters. Not strict: without layers that do not run once. Raises ValueError for layers that give no filters, for
    activations that may be ReLUs but cannot be told, and where scores are not finite.
    """
    taps = _Taps(behind)
    with _hooked(network, names, taps), taps if behind else nullcontext():
        score_BK = gradients.logits(network, x)
    if not bool(score_BK.isfinite().all()):
        where = (~score_BK.isfinite().all(dim=1)).nonzero()[0].item()
        raise ValueError(f"the model's scores must be finite, got NaN or infinity for input {where} of the batch")
    often = [name for name in names if taps.runs[name] != 1]
    if strict and often:
        raise ValueError(f"the layer {often[0]} must run once for an input, it ran {taps.runs[often[0]]} times; choose "
                         "another")
    if names and len(often) == len(names):
        raise ValueError(f"{type(network).__name__} has no Conv1d or Conv2d that runs once: name its layers")
    return score_BK, {name: found for name, found in taps.taken.items() if taps.runs[name] == 1}


class _Taps(relus.Watch):
    """What layers put out; while active, their activation's output takes its place, until another layer begins."""

    def __init__(self, behind: Sequence[relus.Kind]) -> None:
        super().__init__()
        self.behind, self.recording = behind, torch.is_grad_enabled()
        self.runs: Counter[str] = Counter()
        self.taken: dict[str, Tensor] = {}
        self.waiting: list[str] = []  # layers that have ended, for whose activation it is not too late
        self.gate: tuple[Tensor, dict[str, Tensor]] | None = None  # a bounded ReLU, and what it took the place of

    def ended(self, name: str, module: nn.Module, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim < 2 or not output.is_floating_point() or (
                isinstance(module, nn.Linear) and output.ndim > 2):
            found = (f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}" if isinstance(output, Tensor)
                     else type(output).__name__)
            raise ValueError(f"the layer {name} must give filters [B, F, ...], got {found}; choose another")
        self.runs[name] += 1
        self.taken[name] = _live(output)
        self.waiting.append(name)
        return self.taken[name].clone()  # so that a ReLU that works in place leaves what is kept alone

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in LAYER:
            self.waiting.clear()
            self.gate = None
        last, found = self.gate, super().__torch_function__(func, types, args, kwargs)
        if self.gate is not last and self.gate is not None:
            self.gate = found, self.gate[1]  # what the network goes on with
        elif last is not None and any(value is last[0] for value in args):
            self._scales(getattr(func, "__name__", "").strip("_"), args, found, *last)
        return found

    def _scales(self, name: str, args: Any, found: Any, gate: Tensor, before: dict[str, Tensor]) -> None:
        """A bounded ReLU that scales another value was no activation of its own: x relu6(x + 3) / 6 is a hard swish."""
        if name == "mul" and any(isinstance(v, Tensor) and v is not gate and v.shape == gate.shape for v in args):
            self.taken |= before
            self.gate = None
        elif name in ("mul", "div"):
            self.gate = found, before  # by a number, perhaps

    def meet(self, call: relus.Call) -> Tensor:
        fitting = [name for name in self.waiting if self.taken[name].shape[:2] == call.s.shape[:2]]
        if fitting and call.kind == "unclear":
            raise ValueError(f"what {', '.join(fitting)} gives is cut at 0 by {call.name}, in a way that cannot be "
                             "told from a ReLU; write torch.relu there")
        value = call.s.relu() if call.kind == "relu" else call.run()
        if fitting and call.kind in self.behind and value.shape[:2] == call.s.shape[:2]:
            if torch.is_grad_enabled() != self.recording:
                raise ValueError(f"what {', '.join(fitting)} gives goes through {call.name} where torch records no "
                                 "gradient (no_grad, a torch.autograd.Function); write torch.relu there")
            self.waiting.clear()
            before, value = {name: self.taken[name] for name in fitting}, _live(value)
            self.taken |= dict.fromkeys(fitting, value)
            value = value.clone()  # also a network that drops what a call in place returns goes on through it
            if call.kind == "bounded" and "other" not in self.behind:
                self.gate = value, before
        return value if call.factor == 1 else call.factor * value


def _live(value: Tensor) -> Tensor:
    """The value in its graph or, where nothing before takes a gradient (texts, x itself), at the start of one."""
    return value if value.requires_grad else value.detach().requires_grad_()


@contextmanager
def _hooked(network: nn.Module, names: Sequence[str], taps: _Taps) -> Iterator[None]:
    handles = []
    try:
        for name in names:
            handles.append(gradients.layer(network, name).register_forward_hook(
                lambda module, _, output, name=name: taps.ended(name, module, output)))
        yield
    finally:
        for handle in handles:
            handle.remove()
