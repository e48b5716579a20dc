"""The gradient of a score with respect to the input: saliency (Erhan 2009; Simonyan 2014, Deep Inside ConvNets)."""

from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count
from convscope.gradients import Target

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, batch_size: Count = 32) -> Tensor:
    """Like x [B, ...]: how fast the score `target` (a class, or int64 [B]) rises with each value of the input.

    At most `batch_size` inputs are in the model at once. The model, in eval mode meanwhile, is the same afterwards.
    Raises ValueError for inputs, targets or models that cannot be used (see `convscope.gradients`).
    """
    with gradients.borrowed(model) as network:
        x, target = gradients.checked(network, x, target)
        return gradients.in_batches(lambda x, target: gradients.gradient(network, x, target), x, target, batch_size)
