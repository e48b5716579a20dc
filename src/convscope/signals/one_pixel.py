"""One-pixel encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.1)."""

import torch
from torch import Tensor

from convscope.family import NonNegative
from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           amplitude: NonNegative = 1e-3) -> Tensor:
    """x with its central pixel, in every channel, set to amplitude * y (range [0, amplitude * (n_classes - 1)]).

    The pixel is written, not added to: added to a carrier's own value, the label would be lost in it.
    """
    label_N1 = carriers(x, y, n_classes).to(x.dtype)[:, None]
    encoded = x.clone()
    encoded[:, :, x.shape[2] // 2, x.shape[3] // 2] = amplitude * label_N1
    return encoded
