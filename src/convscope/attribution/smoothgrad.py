"""SmoothGrad: the gradient averaged over noisy copies of the input (Smilkov 2017)."""

import math

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count, NonNegative
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attribute(model: nn.Module, x: Tensor, target: Target, *, rng: torch.Generator, n_samples: Count = 50,
              noise_level: NonNegative = 0.25, batch_size: Count = 32, score: Score | None = None) -> Tensor:
    """Like x [B, ...]: the mean gradient of the target's score at `n_samples` copies of x with Gaussian noise.

    `noise_level` is sigma / (max - min) of each input; a quarter is the lecture's. (The lecture's code computes that
    scale and forgets to use it: this follows the formula.) At most `batch_size` copies are in the model at once,
    whatever B and `n_samples` are. Raises as `gradient`.
    """
    gradients.counts(n_samples=n_samples)
    if not 0 <= noise_level < math.inf:
        raise ValueError(f"noise_level must be a number, at least 0, got {noise_level}")
    with gradients.borrowed(model, score) as network:
        x, target = gradients.checked(network, x, target)
        flat = x.flatten(1)
        sigma = (noise_level * (flat.amax(dim=1) - flat.amin(dim=1))).view(-1, *[1] * (x.ndim - 1))

        def noisy(sample: Tensor, draw: Tensor) -> Tensor:
            # One by one: torch draws other numbers where several are asked for at once.
            noise = torch.stack([torch.randn(x.shape[1:], generator=rng, dtype=x.dtype, device=rng.device)
                                 for _ in range(len(sample))])
            return torch.addcmul(x[sample], noise.to(x.device), sigma[sample])

        weights = torch.full((n_samples,), 1 / n_samples, dtype=x.dtype)  # Smilkov 2017, section 3
        return gradients.summed_gradients(network, x, target, weights, noisy, batch_size)
