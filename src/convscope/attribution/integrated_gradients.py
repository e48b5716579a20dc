"""Integrated gradients: the gradient along the way from a baseline to the input (Sundararajan 2017, Axiomatic
Attribution)."""

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, baseline: float = 0.0, n_steps: Count = 50,
              batch_size: Count = 32, score: Score | None = None) -> Tensor:
    """Like x [B, ...]: how much each value of x adds to score(x) - score(baseline); the values sum to that difference.

    The integral is a Gauss-Legendre sum of `n_steps` points. `baseline` is a value for every place, or a tensor that
    broadcasts to x. At most `batch_size` points are in the model at once. Raises as `gradient`.
    """
    gradients.counts(n_steps=n_steps)
    with gradients.borrowed(model, score) as network:
        x, target = gradients.checked(network, x, target)
        start = torch.as_tensor(baseline, dtype=x.dtype, device=x.device)
        try:
            start = start.expand_as(x)
        except RuntimeError:
            raise ValueError(f"the baseline must be a number or fit x {list(x.shape)}, got {list(start.shape)}"
                             ) from None
        place, weight = np.polynomial.legendre.leggauss(n_steps)
        steps = torch.from_numpy((place + 1) / 2).to(x)

        def between(sample: Tensor, draw: Tensor) -> Tensor:
            return torch.lerp(start[sample], x[sample], steps[draw].view(-1, *[1] * (x.ndim - 1)))

        mean = gradients.summed_gradients(network, x, target, torch.from_numpy(weight / 2), between, batch_size)
        return gradients.finite((x - start) * mean, "result")  # Sundararajan 2017, eq. 1
