"""Hidden units of a network on the plane as lines, over the map of its decisions (the lecture's first example)."""

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients

VERSION = 1


def hidden_lines(model: nn.Module) -> Tensor:
    """float [H, 3]: (w1, w2, b) of every unit of the first linear layer, whose line is w1 x1 + w2 x2 + b = 0.

    Raises ValueError for a model whose first linear layer does not take points of the plane.
    """
    first = next((module for module in model.modules() if isinstance(module, nn.Linear)), None)
    if first is None or first.in_features != 2:
        found = "none" if first is None else f"one of {first.in_features} inputs"
        raise ValueError(f"lines need a first linear layer on the plane, of 2 inputs, got {found}")
    bias = torch.zeros(first.out_features) if first.bias is None else first.bias
    return torch.cat([first.weight, bias.to(first.weight)[:, None]], dim=1).detach().cpu().clone()


def decision_map(model: nn.Module, low: np.ndarray, high: np.ndarray, *, size: int = 100) -> np.ndarray:
    """float32 [size, size]: the softmax probability of class 1 on a grid from low [2] to high [2]; rows are x2."""
    x1, x2 = (torch.linspace(float(a), float(b), size) for a, b in zip(low, high, strict=True))
    grid = torch.stack(torch.meshgrid(x1, x2, indexing="xy"), dim=-1).view(-1, 2)
    with gradients.borrowed(model) as network, torch.no_grad():
        return gradients.logits(network, grid).softmax(dim=1)[:, 1].view(size, size).numpy()
