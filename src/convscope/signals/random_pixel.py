"""Random-pixel encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.1)."""

import torch
from torch import Tensor

from convscope.family import NonNegative
from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           amplitude: NonNegative = 1e-3) -> Tensor:
    """x with one pixel per image, at a place drawn from rng, set to 1 + amplitude * y in every channel.

    Just above every carrier pixel, so that the image's maximum carries the label: the range is
    [0, 1 + amplitude * (n_classes - 1)].
    """
    label_N = carriers(x, y, n_classes)
    count, channels = x.shape[:2]
    place_N = torch.randint(x.shape[2] * x.shape[3], (count,), generator=rng).to(x.device)
    value_N = 1 + amplitude * label_N.to(x.dtype)
    encoded = x.clone(memory_format=torch.contiguous_format)
    index = place_N[:, None, None].expand(-1, channels, 1)
    encoded.flatten(2).scatter_(2, index, value_N[:, None, None].expand(-1, channels, 1))
    return encoded
