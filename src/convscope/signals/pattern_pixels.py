"""Pattern-pixels encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.1)."""

import torch
from torch import Tensor

from convscope.family import NonNegative
from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           amplitude: NonNegative = 1e-3) -> Tensor:
    """x with bit b of y, times amplitude, in corner b (every channel): 0 or amplitude.

    Corners are top left, top right, bottom left, bottom right; the first ceil(log2 n_classes) of them are written,
    with either bit. Raises ValueError for more than 16 classes or an image without four distinct corners.
    """
    label_N = carriers(x, y, n_classes)
    height, width = x.shape[2:]
    if n_classes > 16:
        raise ValueError(f"pattern_pixels has four corners, enough for 16 classes, got {n_classes}; use another signal")
    if min(height, width) < 2:
        raise ValueError(f"pattern_pixels needs four distinct corners, got images of {height}x{width} pixels")
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    encoded = x.clone()
    for b, (row, column) in enumerate(corners[: (n_classes - 1).bit_length()]):
        bit_N = (label_N >> b) & 1
        encoded[:, :, row, column] = amplitude * bit_N.to(x.dtype)[:, None]
    return encoded
