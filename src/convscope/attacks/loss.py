"""The gradient of the cross-entropy, which every gradient attack climbs."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients


def gradient(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Like x: the gradient of each input's cross-entropy with respect to the input, of a borrowed network.

    The losses are summed, not averaged: an input's gradient depends on no other input. Raises ValueError where the
    network does not take such inputs, returns no [B, K], or has no such class.
    """
    x = x.detach().requires_grad_()
    score_BK = gradients.logits(network, x)
    if int(y.max()) >= score_BK.shape[1]:
        raise ValueError(f"labels must be in 0..{score_BK.shape[1] - 1}, one of the model's classes, got "
                         f"{int(y.max())}")
    return torch.autograd.grad(functional.cross_entropy(score_BK, y, reduction="sum"), x)[0]
