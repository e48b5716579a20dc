"""Guided backpropagation (Springenberg et al. 2014, Striving for Simplicity)."""

from torch import Tensor, nn

from convscope.attribution.relu_rules import gradient_by, guided
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, batch_size: Count = 32,
              score: Score | None = None) -> Tensor:
    """Like x [B, ...]: the gradient of the target's score, of which every active ReLU lets the positive part through.

    Raises ValueError for a network with other activations, besides what `gradient` raises.
    """
    return gradient_by(guided, model, x, target, batch_size, score)
