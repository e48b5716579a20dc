"""Gradient ascent on the cross-entropy, the simplest adversarial example (Szegedy et al. 2014; Fleuret's lecture)."""

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.attacks import checks, loss
from convscope.family import Count, Positive
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attack(model: nn.Module, x: Tensor, y: Target, *, lr: Positive = 0.1, steps: Count = 15,
           std: float | Sequence[float] = 1.0, bounds: tuple[float, float] | None = None,
           score: Score | None = None) -> Tensor:
    """Like x [B, C, ...]: the inputs after the last of `iterations`, which explains the settings and what is raised."""
    return deque(iterations(model, x, y, lr=lr, steps=steps, std=std, bounds=bounds, score=score), maxlen=1).pop()


def iterations(model: nn.Module, x: Tensor, y: Target, *, lr: Positive = 0.1, steps: Count = 15,
               std: float | Sequence[float] = 1.0, bounds: tuple[float, float] | None = None,
               score: Score | None = None) -> Iterator[Tensor]:
    """x_0 = x, x_1, ..., x_steps, each like x [B, C, ...]; the model is borrowed only while a step is computed.

    The lecture's y is the class that the model itself predicts, and its lr = 0.1 is for normalised inputs
    z = (x - mean) / std. There a step is lr * dL/dz = lr * std * dL/dx, which is lr * std^2 * dL/dx in pixels: give
    the model's own `std`, one number or one for each channel. `bounds` None leaves values unclipped, as the lecture.

    Raises ValueError at once for settings out of range, a std that does not fit, x outside the bounds, and what
    `gradients.checked` refuses; for a class that the model has not, at the first step. (The lecture averages the
    loss over the batch: this is the same for one image, and keeps the images of a batch apart.)
    """
    checks.counts(steps=steps)
    checks.above_zero(lr=lr)
    with gradients.borrowed(model, score) as network:
        x, y = gradients.checked(network, x, y)
        rate = lr * _per_channel(std, x) ** 2
    if bounds is not None:
        checks.bounds(x, bounds)
    return _climb(model, x, y, rate, steps, bounds, score)


def _climb(model: nn.Module, x: Tensor, y: Tensor, rate: Tensor, steps: int,
           bounds: tuple[float, float] | None, score: Score | None) -> Iterator[Tensor]:
    yield x
    for _ in range(steps):
        with gradients.borrowed(model, score) as network:
            x = x + rate * loss.gradient(network, x, y)  # x_{k+1} = x_k + eta grad_x L(f(x_k; w), y)
            x = gradients.finite(x, "result") if bounds is None else x.clamp(*bounds)
        yield x


def _per_channel(std: float | Sequence[float], x: Tensor) -> Tensor:
    """std as a tensor that multiplies x channel by channel."""
    values = torch.as_tensor(std, dtype=x.dtype, device=x.device)
    if values.ndim and values.shape != (x.shape[1],) or not bool(((values > 0) & values.isfinite()).all()):
        raise ValueError(f"std must be a number above 0, or {x.shape[1]} of them, one for each channel, got {std}; "
                         "give the one that the model normalises by")
    return values.view(-1, *[1] * (x.ndim - 2))
