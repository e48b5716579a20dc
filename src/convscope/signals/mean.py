"""Mean encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.1)."""

import torch
from torch import Tensor

from convscope.family import NonNegative
from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           amplitude: NonNegative = 1e-3) -> Tensor:
    """x - mean(x) + amplitude * y, the mean over all elements of an image: the new mean is amplitude * y.

    Range (-1, 1 + amplitude * (n_classes - 1)); never round the result to 1/255, which destroys the signal.
    """
    label_N = carriers(x, y, n_classes)
    mean_N = x.mean(dim=(1, 2, 3), dtype=torch.float64)  # in float32 the sum's error approaches a small amplitude
    shift_N = amplitude * label_N.to(torch.float64) - mean_N
    return x + shift_N.to(x.dtype)[:, None, None, None]
