"""Carriers that say nothing of the label: a signal that is encoded afterwards is all there is to learn."""

import torch
from torch import Tensor

from convscope.family import Whole
from convscope.rng import torch_rng

VERSION = 1
KINDS = ("image", "table", "text")


def apply(x: Tensor, order: Whole = 0) -> Tensor:
    """The inputs of x [N, ...] in an order drawn by the number `order`, so that each meets another one's label."""
    return x[torch.randperm(len(x), generator=torch_rng(order, "shuffled"))]
