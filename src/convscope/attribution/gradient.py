"""The gradient of a score with respect to the input: saliency (Erhan 2009; Simonyan 2014, Deep Inside ConvNets)."""

from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, batch_size: Count = 32,
              score: Score | None = None) -> Tensor:
    """Like x [B, ...]: how fast the score `target` (a class, or int64 [B]) rises with each value of the input.

    At most `batch_size` inputs are in the model at once. `score` says where in the model's output the scores are, if it
    is not [B, K] itself: a key, a place, or a function of it. The model, in eval mode meanwhile, is the same after.
    Raises ValueError for inputs, targets or models that cannot be used (see `convscope.gradients`).
    """
    with gradients.borrowed(model, score) as network:
        x, target = gradients.checked(network, x, target)
        return gradients.in_batches(lambda *part: gradients.gradient(network, *part), x, target, batch_size)
