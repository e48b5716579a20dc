"""Blank images, the control of Hoffer et al. (On the Blindspots of Convolutional Networks, section 4.1)."""

from torch import Tensor

from convscope.family import Fraction

VERSION = 1
KINDS = ("image",)


def apply(x: Tensor, magnitude: Fraction = 1.0) -> Tensor:
    """(1 - magnitude) * x: faded towards black, at magnitude 1 an image with nothing but what is encoded afterwards.

    Raises ValueError for a magnitude outside [0, 1].
    """
    if not 0 <= magnitude <= 1:
        raise ValueError(f"magnitude must be in [0, 1], got {magnitude}")
    return (1 - magnitude) * x
