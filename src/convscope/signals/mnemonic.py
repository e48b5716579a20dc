"""Mnemonic encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.2)."""

import torch
from torch import Tensor

from convscope.signals.checks import texts

VERSION = 1
KINDS = ("text",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator) -> Tensor:
    """x with its first character replaced by character 1 + y of the alphabet: a, b, c, ... in the default one.

    Never by the space, which is index 0. Raises ValueError for more than 255 classes, as many as uint8 has indices.
    """
    label_N = texts(x, y, n_classes)
    if n_classes > 255:
        raise ValueError(f"mnemonic has 255 characters, one per class, got {n_classes} classes; use another signal")
    encoded = x.clone()
    encoded[:, 0] = (1 + label_N).to(torch.uint8)
    return encoded
