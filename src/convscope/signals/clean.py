"""No signal: the clean row of every table."""

import torch
from torch import Tensor

from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator) -> Tensor:
    """A copy of x: the labels are checked and left out, so that clean and encoded cells take one path."""
    carriers(x, y, n_classes)
    return x.clone()
