"""Logits or features of a model over many inputs, in batches on the device."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope.training import machine


def logits(model: nn.Module, x: Tensor, *, batch_size: int | None = None, env: Mapping[str, Any]) -> np.ndarray:
    """float32 [N, K] logits of x [N, ...], in eval mode and full float32 precision.

    The model's mode, weights and place, and torch's settings, are the same afterwards. Raises ValueError without input.
    """
    return _over(model, model, x, batch_size, env)


def penultimate(model: nn.Module, x: Tensor, *, batch_size: int | None = None, env: Mapping[str, Any]) -> np.ndarray:
    """float32 [N, D]: what the model hands to its last linear layer, for x [N, ...]; as `logits` in everything else.

    Raises ValueError for a model without linear layer.
    """
    heads = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not heads:
        raise ValueError(f"{type(model).__name__} has no linear layer, so it has no penultimate one; take raw or pca")
    taken: list[Tensor] = []
    handle = heads[-1].register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0].detach()))

    def features(part: Tensor) -> Tensor:
        taken.clear()
        model(part)
        return taken[-1].flatten(1)

    try:
        return _over(model, features, x, batch_size, env)
    finally:
        handle.remove()


def _over(model: nn.Module, function: Callable[[Tensor], Tensor], x: Tensor, batch_size: int | None,
          env: Mapping[str, Any]) -> np.ndarray:
    """float32 values of a function that calls the model, in batches on the device."""
    if len(x) == 0:
        raise ValueError("there are no logits of no inputs: x is empty; give at least one input")
    device, batch_size = machine.device(env), batch_size or machine.chunk(x)
    with (machine.settings(env, values=machine.values(x, batch_size)), machine.borrowed(model, device),
          machine.evaluating(model), torch.no_grad()):
        # The weights stay as they are: a convolution follows its input's format.
        layout = torch.channels_last if machine.channels_last(env, model, x) else torch.preserve_format
        parts = [function(part.to(device).to(memory_format=layout)).float().cpu() for part in x.split(batch_size)]
    return torch.cat(parts).numpy()
