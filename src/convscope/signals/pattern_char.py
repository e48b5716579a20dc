"""Pattern-char encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.2)."""

from itertools import pairwise, product

import numpy as np
import torch
from torch import Tensor

from convscope.signals.checks import texts

VERSION = 1
KINDS = ("text",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           positions: tuple = (50, 150, 200)) -> Tensor:
    """x with bit b of y, the least significant first, at positions[b]: 1 writes the space (index 0), 0 nothing.

    Positions count from 1, as in the paper; the first ceil(log2 n_classes) of them are used. Only a part of the label
    is told, since a clean text may have a space there: see `ceiling`.
    Raises ValueError unless positions are rising whole numbers, as many as the label has bits, within the texts.
    """
    label_N = texts(x, y, n_classes)
    encoded = x.clone()
    for b, place in enumerate(_places(positions, n_classes, x.shape[1])):
        encoded[:, place].masked_fill_((label_N >> b) & 1 == 1, 0)
    return encoded


def ceiling(x: np.ndarray | Tensor, y: np.ndarray | Tensor, *, n_classes: int,
            positions: tuple = (50, 150, 200)) -> float:
    """The best accuracy from the positions alone: that of the Bayes rule, given the spaces in clean texts x [N, T].

    The sum over all outcomes o in {space, other}^bits of max over y of P(y) * prod_b P(o_b | y). P(y) is the share of
    the class; P(space | y) is 1 where bit b of y is 1, else the rate of spaces there among the class's clean texts.
    Positions count as independent within a class. Raises ValueError as `encode` does.
    """
    at_NB = torch.from_numpy(np.asarray(x)[:, _places(positions, n_classes, x.shape[1])])
    label_N = texts(at_NB, torch.from_numpy(np.array(y)), n_classes)
    total_K = torch.bincount(label_N, minlength=n_classes).double()
    spaces_KB = torch.zeros(n_classes, at_NB.shape[1], dtype=torch.float64)
    spaces_KB.index_add_(0, label_N, (at_NB == 0).double())
    bits_KB = torch.arange(n_classes)[:, None] >> torch.arange(at_NB.shape[1]) & 1
    space_KB = torch.where(bits_KB == 1, 1.0, spaces_KB / total_K.clamp(min=1)[:, None])
    share_K = total_K / len(label_N)
    best = [(share_K * torch.where(torch.tensor(outcome), space_KB, 1 - space_KB).prod(dim=1)).max()
            for outcome in product([False, True], repeat=at_NB.shape[1])]
    return float(torch.stack(best).sum())


def _places(positions: tuple, n_classes: int, length: int) -> list[int]:
    """The columns of the bits, counted from 0; raises ValueError where the positions cannot hold them."""
    bits = (n_classes - 1).bit_length()
    whole = all(isinstance(p, int) and not isinstance(p, bool) and p >= 1 for p in positions)
    if not whole or any(a >= b for a, b in pairwise(positions)):
        raise ValueError(f"positions must be rising whole numbers, at least 1, got {list(positions)}")
    if len(positions) < bits:
        raise ValueError(f"{n_classes} classes need {bits} positions, one per bit of the label, got {len(positions)}; "
                         "add more")
    if bits and positions[bits - 1] > length:
        raise ValueError(f"positions must lie within the texts of {length} characters, got {positions[bits - 1]}; "
                         "use smaller positions or longer texts")
    return [position - 1 for position in positions[:bits]]
