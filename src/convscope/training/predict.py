"""Logits of a model over many inputs, in batches on the device."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope.training import machine


def logits(model: nn.Module, x: Tensor, *, batch_size: int | None = None, env: Mapping[str, Any]) -> np.ndarray:
    """float32 [N, K] logits of x [N, ...], in eval mode and full float32 precision.

    The model's mode, weights and place, and torch's settings, are the same afterwards. Raises ValueError without input.
    """
    if len(x) == 0:
        raise ValueError("there are no logits of no inputs: x is empty; give at least one input")
    device, batch_size = machine.device(env), batch_size or machine.chunk(x)
    with (machine.settings(env, values=machine.values(x, batch_size)), machine.borrowed(model, device),
          machine.evaluating(model), torch.no_grad()):
        # The weights stay as they are: a convolution follows its input's format.
        layout = torch.channels_last if machine.channels_last(env, model, x) else torch.preserve_format
        parts = [model(part.to(device).to(memory_format=layout)).float().cpu() for part in x.split(batch_size)]
    return torch.cat(parts).numpy()
