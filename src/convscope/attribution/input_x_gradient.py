"""Gradient times input: to first order, what each value of the input adds to the score (Shrikumar 2016, DeepLIFT)."""

from torch import Tensor, nn

from convscope.attribution import gradient
from convscope.family import Count
from convscope.gradients import Target

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, batch_size: Count = 32) -> Tensor:
    """Like x [B, ...]: x times its gradient; of a linear model without bias it sums to the score. As `gradient`."""
    return x * gradient.attribute(model, x, target, batch_size=batch_size)
