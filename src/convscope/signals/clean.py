"""No signal: the clean row of every table."""

import torch
from torch import Tensor

from convscope.signals.checks import carriers, rows, texts, windows

VERSION = 1
KINDS = ("image", "table", "text", "windows")


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator) -> Tensor:
    """A copy of x: the labels are checked and left out, so that clean and encoded cells take one path."""
    flat = rows if x.is_floating_point() else texts
    check = {2: flat, 3: windows}.get(x.ndim, carriers)
    check(x, y, n_classes)
    return x.clone()
