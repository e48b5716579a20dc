"""No signal: the clean row of every table."""

import torch
from torch import Tensor

from convscope.signals.checks import carriers, texts

VERSION = 1
KINDS = ("image", "text")


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator) -> Tensor:
    """A copy of x: the labels are checked and left out, so that clean and encoded cells take one path."""
    check = texts if x.ndim == 2 else carriers
    check(x, y, n_classes)
    return x.clone()
