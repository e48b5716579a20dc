"""Grad-CAM: a layer's channels weighted by their mean gradients (Selvaraju 2017)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients
from convscope.attribution import maps
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1
KINDS = ("image",)


def attribute(model: nn.Module, x: Tensor, target: Target, *, layer: str | None = None, positive: bool = True,
              batch_size: Count = 32, score: Score | None = None) -> Tensor:
    """[B, 1, H, W] for x [B, C, H, W]: where the layer's output speaks for the target, bilinearly upsampled.

    `layer` is a module's name; by default the one that runs last of those whose output is a map of more than one place;
    `last_map` says which. Pooled copies of a map are passed over, and a patch embedding is not taken by itself.
    `positive` keeps what speaks for the target, as the paper; else the map is signed. Raises ValueError for a layer
    that there is not (with the nearest names) or whose output is not [B, F, h, w], also where its channels are last,
    and by default for networks that go on with tokens behind their last map, besides what `gradient` raises.
    """
    with gradients.borrowed(model, score) as network:
        x, target = gradients.checked(network, x, target)
        if x.ndim != 4:
            raise ValueError(f"grad_cam is for images [B, C, H, W], got {list(x.shape)}")
        name = last_map(network, x[:1]) if layer is None else layer
        tapped = gradients.layer(network, name)
        if layer is not None:
            maps.refuse_channels_last(network, x[:1], name)

        def one(x: Tensor, target: Tensor, at: int) -> Tensor:
            with _taken(tapped, name) as taken:
                score_B = gradients.scores(network, x, target, at)
            if len(taken) != 1:
                raise ValueError(f"the layer {name} must run once for an input, it ran {len(taken)} times; choose "
                                 "another")
            map_BFhw = taken[0]
            gradient_BFhw = gradients.slope(network, score_B, map_BFhw, at, name)
            weight_BF = gradient_BFhw.mean(dim=(2, 3))                                  # Selvaraju 2017, eq. 1
            cam_B1hw = torch.einsum("bf,bfhw->bhw", weight_BF, map_BFhw.detach())[:, None]
            cam_B1hw = cam_B1hw.relu() if positive else cam_B1hw                        # eq. 2
            return functional.interpolate(cam_B1hw, size=x.shape[2:], mode="bilinear", align_corners=False)

        return gradients.in_batches(one, x, target, batch_size)


def last_map(network: nn.Module, x: Tensor) -> str:
    """The name of the layer that is taken by default (see `maps.last`), for inputs x [B, C, H, W]; one is enough."""
    return maps.last(network, x[:1])


@contextmanager
def _taken(module: nn.Module, name: str) -> Iterator[list[Tensor]]:
    """The module's outputs, as leaves where the graph begins: what runs before it keeps nothing for gradients."""
    taken: list[Tensor] = []

    def take(_: nn.Module, __: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 4:
            found = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"the output of {name} must be a map [B, F, h, w], got {found}; choose a convolution")
        taken.append(output.detach().requires_grad_())
        return taken[-1].clone()  # a ReLU that works in place comes next in many networks

    handle = module.register_forward_hook(take)
    try:
        yield taken
    finally:
        handle.remove()
