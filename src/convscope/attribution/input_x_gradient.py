"""Gradient times input: to first order, what each value of the input adds to the score (Shrikumar 2016, DeepLIFT)."""

from torch import Tensor, nn

from convscope import gradients
from convscope.attribution import gradient
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, batch_size: Count = 32,
              score: Score | None = None) -> Tensor:
    """Like x [B, ...]: x times its gradient; of a linear model without bias it sums to the score. As `gradient`."""
    return gradients.finite(x * gradient.attribute(model, x, target, batch_size=batch_size, score=score), "result")
