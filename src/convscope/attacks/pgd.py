"""Projected gradient descent on the negative loss: FGSM in small steps (Madry et al. 2018)."""

from typing import Literal

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.attacks import checks, loss
from convscope.family import Count, NonNegative, Positive
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1
NORMS = ("linf", "l2")


def attack(model: nn.Module, x: Tensor, y: Target, *, rng: torch.Generator, eps: NonNegative = 0.03137254901960784,
           norm: Literal["linf", "l2"] = "linf", steps: Count = 10, step_size: Positive | None = None,
           random_start: bool = True, bounds: tuple[float, float] = (0.0, 1.0), batch_size: Count = 128,
           score: Score | None = None) -> Tensor:
    """Like x [B, ...]: the last of `steps` iterates that climb the cross-entropy of y within `eps` of x and the bounds.

    `eps` is the radius of the ball around each input in the chosen norm, on the scale of x; the default, 8/255, is
    usual for linf and small for l2. `step_size` None is 2.5 eps / steps, the authors' own rule. The start is uniform
    in the ball, or x itself. For l2 the projection is onto the ball and then to the bounds: this stays in both, though
    the nearest such point may be another. Raises ValueError for settings out of range, an unknown norm, x outside the
    bounds, and what `gradients.checked` refuses.
    """
    checks.budget(eps)
    checks.counts(steps=steps)
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    if step_size is not None:
        checks.above_zero(step_size=step_size)
    size = 2.5 * eps / steps if step_size is None else step_size  # Madry 2018, their challenge's code
    with gradients.borrowed(model, score) as network:
        x, y = gradients.checked(network, x, y)
        checks.bounds(x, bounds)
        start = _in_ball(x, eps, norm, rng) if random_start else torch.zeros_like(x)

        def climbed(index: Tensor, y: Tensor, at: int) -> Tensor:
            centre = x[index]
            x_adv = (centre + start[index]).clamp(*bounds)
            for _ in range(steps):  # Madry 2018, section 2.1
                delta = x_adv - centre + size * _steepest(loss.gradient(network, x_adv, y, at), norm)
                x_adv = (centre + _projected(delta, eps, norm)).clamp(*bounds)
            return x_adv

        return gradients.in_batches(climbed, torch.arange(len(x), device=x.device), y, batch_size)


def _steepest(gradient: Tensor, norm: str) -> Tensor:
    """The direction of length 1 in which the loss grows fastest; where there is no gradient, 0."""
    if norm == "linf":
        return gradient.sign()
    tiny = torch.finfo(gradient.dtype).tiny
    # By the largest value first: the squares of small gradients would be 0.
    scaled = gradient / gradient.abs().amax(dim=_inner(gradient), keepdim=True).clamp(min=tiny)
    return scaled / _length(scaled).clamp(min=tiny)


def _projected(delta: Tensor, eps: float, norm: str) -> Tensor:
    """The point of the ball of radius eps that is nearest to delta."""
    if norm == "linf":
        return delta.clamp(-eps, eps)
    return delta * (eps / _length(delta).clamp(min=torch.finfo(delta.dtype).tiny)).clamp(max=1)


def _in_ball(x: Tensor, eps: float, norm: str, rng: torch.Generator) -> Tensor:
    """Like x: for each input a point drawn uniformly in the ball of radius eps around 0."""
    if norm == "linf":
        return eps * (2 * torch.rand(x.shape, generator=rng, dtype=x.dtype, device=rng.device) - 1).to(x.device)
    direction = torch.randn(x.shape, generator=rng, dtype=x.dtype, device=rng.device)
    part = torch.rand(len(x), *[1] * (x.ndim - 1), generator=rng, dtype=x.dtype, device=rng.device)
    # The volume within radius r grows as r^d.
    return (eps * part ** (1 / x[0].numel()) * direction / _length(direction)).to(x.device)


def _length(delta: Tensor) -> Tensor:
    """[B, 1, ...]: the Euclidean norm of each."""
    return torch.linalg.vector_norm(delta, dim=_inner(delta), keepdim=True)


def _inner(delta: Tensor) -> tuple[int, ...]:
    return tuple(range(1, delta.ndim))
