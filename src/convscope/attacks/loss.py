"""The gradient of the cross-entropy, which every gradient attack climbs."""

from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients


def gradient(network: nn.Module, x: Tensor, y: Tensor, at: int | Tensor = 0) -> Tensor:
    """Like x: the gradient of each input's cross-entropy with respect to the input, of a borrowed network.

    The losses are summed, not averaged: an input's gradient depends on no other input. `at` is the number of the first
    input among all, or of each. Raises ValueError where the network does not take such inputs, returns no scores of two
    classes or more, has no such class, or where scores or gradients are not finite.
    """
    x = x.detach().requires_grad_()
    score_BK = gradients.class_scores(network, x, at)
    if int(y.max()) >= score_BK.shape[1]:
        raise ValueError(f"labels must be in 0..{score_BK.shape[1] - 1}, one of the model's classes, got "
                         f"{int(y.max())}")
    return gradients.slope(network, functional.cross_entropy(score_BK, y, reduction="sum"), x, at)
