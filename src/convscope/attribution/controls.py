"""Maps that know no network: what an attribution has to be better than."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.family import Bound
from convscope.rng import torch_rng

Explain = Callable[[nn.Module, Tensor, Tensor], Tensor]


def edges(x: Tensor) -> Tensor:
    """Like x [B, C, H, W]: the length of the image's gradient, by central differences."""
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return torch.hypot(padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1],
                       padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2])


def chance(x: Tensor, *, rng: torch.Generator) -> Tensor:
    """Like x: uniform in [0, 1)."""
    return torch.rand(x.shape, generator=rng)


def beside(methods: Mapping[str, Bound], *, seed: int) -> dict[str, Explain]:
    """Bound attributions by their names as functions of model, x and target; last the controls, edges and chance."""
    found = {name: lambda model, x, target, method=method: method.call(
        model=model, x=x, target=target, rng=torch_rng(seed, method.name)).expand_as(x)
        for name, method in methods.items()}
    return {**found, "edges": lambda model, x, target: edges(x),
            "chance": lambda model, x, target: chance(x, rng=torch_rng(seed, "chance"))}
