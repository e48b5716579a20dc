"""Does the model agree with an attribution? Deletion and insertion curves, and the check by random weights."""

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.gradients import Target
from convscope.outputs import Score
from convscope.rng import seeded

VERSION = 1


def deletion(model: nn.Module, x: Tensor, target: Target, heat: Tensor, *, steps: int = 32, fill: float = 0.0,
             batch_size: int = 256, score: Score | None = None) -> Tensor:
    """[B, steps + 1]: the target's softmax probability while the hottest places are covered with `fill`, all at last.

    heat is [B, H, W] for x [B, C, H, W]. A good attribution makes it fall early (Petsiuk 2018, RISE). Ties are covered
    in the order of places. Raises ValueError for heat of another shape, besides what `gradient` raises.
    """
    return _curve(model, x, target, heat, steps, fill, batch_size, score, insert=False)


def insertion(model: nn.Module, x: Tensor, target: Target, heat: Tensor, *, steps: int = 32, fill: float = 0.0,
              batch_size: int = 256, score: Score | None = None) -> Tensor:
    """[B, steps + 1]: as `deletion`, from a covered image on which the hottest places are laid open first."""
    return _curve(model, x, target, heat, steps, fill, batch_size, score, insert=True)


def area(curve: Tensor) -> Tensor:
    """[B]: the area under curves [B, S] over [0, 1], by trapezoids."""
    return torch.trapezoid(curve, dim=1) / (curve.shape[1] - 1)


def randomised(model: nn.Module, *, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Copies of the model in which more and more layers, from the output on, have new random weights (Adebayo 2018).

    Yields (name of the layer drawn last, the copy); the last copy knows nothing of the training. A layer is a module
    with weights of its own that can draw them (`reset_parameters`), in the order in which modules are registered.
    """
    with gradients.borrowed(model) as network:
        copied = copy.deepcopy(network)
    layers = [(name, module) for name, module in copied.named_modules()
              if callable(getattr(module, "reset_parameters", None)) and any(True for _ in module.parameters(False))]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no layer that can draw new weights (reset_parameters)")
    for name, module in reversed(layers):
        with seeded(seed, "randomised", name):
            module.reset_parameters()  # pyright: ignore[reportCallIssue]
        yield name, copied


def left_with_random_weights(model: nn.Module, heat: Tensor, explain: Callable[[nn.Module], Tensor], *,
                             seed: int) -> Tensor:
    """[B]: rank correlation of heat [B, H, W] with what `explain` gives for the model with all weights random."""
    *_, (_, random) = randomised(model, seed=seed)
    return rank_correlation(heat, explain(random))


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """[B]: Spearman's correlation of two heats [B, H, W], ties at their mean rank; 0 where one is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(heat.flatten(1).cpu().numpy(), axis=1) for heat in (a, b)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    norm = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return torch.from_numpy((centred[0] * centred[1]).sum(axis=1) / np.where(norm > 0, norm, 1))


def _curve(model: nn.Module, x: Tensor, target: Target, heat: Tensor, steps: int, fill: float, batch_size: int,
           score: Score | None, *, insert: bool) -> Tensor:
    with gradients.borrowed(model, score) as network, torch.no_grad():
        x, target = gradients.checked(network, x, target)
        if x.ndim != 4 or heat.shape != (len(x), *x.shape[2:]):
            raise ValueError(f"heat must be [B, H, W] for images [B, C, H, W], got {list(heat.shape)} for "
                             f"{list(x.shape)}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        order = heat.flatten(1).argsort(dim=1, descending=True, stable=True)
        rank_BP = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1], device=order.device)
                                                   .expand_as(order))
        count = torch.linspace(0, order.shape[1], steps + 1).round().to(x.device)
        found = x.new_empty(len(x), steps + 1)
        for pair in torch.arange(found.numel(), device=x.device).split(batch_size):
            sample, step = pair // (steps + 1), pair % (steps + 1)
            first = (rank_BP[sample] < count[step, None]).view(len(pair), 1, *x.shape[2:])
            covered = x[sample].masked_fill(~first if insert else first, fill)
            prob = gradients.class_scores(network, covered, sample).softmax(dim=1)
            found.view(-1)[pair] = prob.gather(1, target[sample, None])[:, 0]
        return found
