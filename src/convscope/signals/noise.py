"""Noise encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.1)."""

import math

import torch
from torch import Tensor

from convscope.family import NonNegative
from convscope.rng import torch_rng
from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           amplitude: NonNegative = 1e-2) -> Tensor:
    """x + amplitude * q_y, with one dense vector q per class, orthogonal, of rms 1 per element.

    Not clipped: the result leaves [0, 1] by a few amplitudes. Raises ValueError for more classes than elements.
    """
    label_N = carriers(x, y, n_classes)
    shape = tuple(x.shape[1:])
    shift_KD = (amplitude * directions(math.prod(shape), n_classes, key)).to(x.device, x.dtype)
    return shift_KD.view(n_classes, *shape)[label_N].add_(x)


def directions(size: int, n_classes: int, key: int) -> Tensor:
    """float64 [n_classes, size]: orthogonal rows of rms 1 (QR of a Gaussian matrix), fixed by key."""
    if n_classes > size:
        raise ValueError(f"noise has at most one orthogonal vector per element, got {n_classes} classes for {size} "
                         "elements; use larger images")
    gaussian = torch.randn(size, n_classes, dtype=torch.float64, generator=torch_rng(key, "noise"))
    q, r = torch.linalg.qr(gaussian)
    # A positive diagonal of r makes the factorisation unique: no LAPACK may choose other signs.
    return (q * r.diagonal().sign()).T * math.sqrt(size)
