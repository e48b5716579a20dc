"""Activations as images: some channels of a layer over the input that they come from."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from convscope.features import taps

VERSION = 1


def channels(activation: Tensor, count: int, *, by: str = "activity", rng: np.random.Generator | None = None
             ) -> list[int]:
    """`count` channels of activations [N, F, h, w] (fewer where there are fewer): the most active, or drawn by rng.

    Activity is the mean absolute value over inputs and places; `by="random"` draws without looking, as the lecture.
    """
    if activation.ndim != 4 or count < 1:
        raise ValueError(f"expected maps [N, F, h, w] and a count of at least 1, got {list(activation.shape)}, {count}")
    if by == "random":
        if rng is None:
            raise ValueError('by="random" needs an rng: pass numpy.random.default_rng(seed)')
        return sorted(rng.permutation(activation.shape[1])[:count].tolist())
    if by != "activity":
        raise ValueError(f"channels are chosen by activity or random, got {by!r}")
    return activation.abs().mean(dim=(0, 2, 3)).argsort(descending=True, stable=True)[:count].tolist()


def images(model: nn.Module, x: Tensor, layer: str, chosen: Sequence[int]) -> Tensor:
    """[N, len(chosen), h, w]: these channels of the layer's output for x, as they are."""
    activation = taps.record(model, x, [layer])[layer]
    if activation.ndim != 4:
        raise ValueError(f"the output of {layer} must be maps [N, F, h, w], got {list(activation.shape)}; choose a "
                         "convolution")
    if wrong := [channel for channel in chosen if not 0 <= channel < activation.shape[1]]:
        raise ValueError(f"{layer} has the channels 0..{activation.shape[1] - 1}, got {wrong[0]}")
    return activation[:, torch.as_tensor(list(chosen), dtype=torch.int64)]
