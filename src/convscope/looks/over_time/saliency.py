"""Saliency: which channel of the input the output looks at, and which its filters do."""

from collections.abc import Iterator

import torch
from torch import Tensor

from convscope.features import influence
from convscope.looks.over_time.scene import CLUSTERED, Number, Scene, Sheets, evenly

VERSION = 1


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
    """Which channel does the output look at, and which do filters: by the gradient, and by it times the spread."""
    if scene.spread is None or len(scene.spread) < 2:
        return
    x = scene.x[:scene.asked.inputs]
    output = influence.input_saliency(scene.model, x).sum(dim=2)
    for kind, weight in (("raw", torch.ones_like(scene.spread)), ("times spread", scene.spread)):
        yield "on_signal", float(_first(output * weight).mean()), "fraction", len(x), {"of": "output", "by": kind}
    some = evenly(x, CLUSTERED)
    for name, layer in influence.filter_influence(scene.model, some[:1]).items():
        found = torch.stack([influence.input_saliency(scene.model, some, layer=name, filter=k).sum(dim=2)
                             for k in range(layer.raw.shape[1])], dim=1)  # [B, F, C]
        for kind, weight in (("raw", torch.ones_like(scene.spread)), ("times spread", scene.spread)):
            seen = found.sum(dim=2) > 0
            share = _first(found * weight)
            axes = {"of": name, "by": kind}
            yield "on_signal", float(share[seen].mean()), "fraction", int(seen.sum()), axes
            yield "filters_on_signal", float((share[seen] > 0.5).float().mean()), "fraction", int(seen.sum()), axes


def _first(by_channel: Tensor) -> Tensor:
    """The first channel's share of the sum over channels, the last axis."""
    return by_channel[..., 0] / by_channel.sum(dim=-1).clamp(min=1e-30)
