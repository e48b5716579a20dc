"""Taps: what the layers of a network put out, recorded while it runs."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convscope import gradients, outputs

VERSION = 1
STEPS = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Linear)
WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)


def stages(model: nn.Module, x: Tensor, *, most: int = 12) -> list[str]:
    """Names of at most `most` modules at which to look, in the order in which they end.

    Residual (or other) blocks as wholes, and outside of them ReLUs, pooling and linear layers; thinned evenly where
    there are more, first and last kept. x [N, ...] is what the model takes; one input is enough.
    """
    ended: dict[str, list[int]] = {}  # name -> axes of its outputs
    with gradients.borrowed(model) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0)
        handles = [module.register_forward_hook(_noting(ended, name)) for name, module in network.named_modules()
                   if name]
        try:
            outputs.run(network, x[:1])
        finally:
            for handle in handles:
                handle.remove()
        modules = dict(network.named_modules())
    once = [name for name, axes in ended.items() if len(axes) == 1]
    wholes = [name for name in once if ended[name][0] > 2 and _has_layers(modules[name])]
    blocks = [name for name in wholes if not any(other.startswith(f"{name}.") for other in wholes)]
    kept = [name for name in once if name in blocks or (isinstance(modules[name], STEPS) and not any(
        name.startswith(f"{block}.") for block in blocks))]
    kept = kept or [name for name in once if not any(True for _ in modules[name].children())]
    if not kept:
        raise ValueError(f"{type(model).__name__} has no module that runs once: name its layers")
    places = torch.linspace(0, len(kept) - 1, min(most, len(kept))).round().int().tolist()
    return [kept[place] for place in places]


def record(model: nn.Module, x: Tensor, names: Sequence[str], *, batch_size: int = 256,
           reduce: Callable[[Tensor], Tensor] = lambda activation: activation) -> dict[str, Tensor]:
    """The outputs [N, ...] of these modules for x [N, ...], on the CPU; `reduce` is applied to each batch of each.

    Raises ValueError for a module that there is not (with the nearest names), that does not run, runs more than once or
    gives no tensor, and for inputs that the model does not take.
    """
    taken: dict[str, list[Tensor]] = {name: [] for name in names}
    with gradients.borrowed(model) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0)

        def take(name: str) -> Callable[..., None]:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                if not isinstance(output, Tensor):
                    raise ValueError(f"the output of {name} must be a tensor, got {type(output).__name__}; choose a "
                                     "part of it")
                # A ReLU that works in place would overwrite what is kept.
                taken[name].append(reduce(output.detach()).to("cpu", copy=True))
            return hook

        handles = []
        try:
            for name in names:
                handles.append(gradients.layer(network, name).register_forward_hook(take(name)))
            parts = x.split(batch_size)
            for part in parts:
                outputs.run(network, part)
        finally:
            for handle in handles:
                handle.remove()
    for name, found in taken.items():
        if len(found) != len(parts):
            raise ValueError(f"the layer {name} must run once for an input, it ran {len(found) / len(parts):g} times; "
                             "choose another")
    return {name: torch.cat(found) for name, found in taken.items()}


def _noting(ended: dict[str, list[int]], name: str) -> Callable[..., None]:
    def hook(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            ended[name] = [*ended.pop(name, []), output.ndim]  # moved to the end
    return hook


def _has_layers(module: nn.Module) -> bool:
    """Whether the module is more than its parts in a row, and holds at least two layers with weights."""
    return not isinstance(module, nn.Sequential) and sum(isinstance(part, WEIGHTED) for part in module.modules()) > 1
