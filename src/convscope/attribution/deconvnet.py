"""The deconvolutional network of a ConvNet (Zeiler and Fergus 2014, Visualizing and Understanding)."""

from torch import Tensor, nn

from convscope.attribution.relu_rules import deconvolution, gradient_by
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, batch_size: Count = 32,
              score: Score | None = None) -> Tensor:
    """Like x [B, ...]: the gradient of the target's score, of which every ReLU lets the positive part through.

    Raises ValueError for a network with other activations, besides what `gradient` raises.
    """
    return gradient_by(deconvolution, model, x, target, batch_size, score)
