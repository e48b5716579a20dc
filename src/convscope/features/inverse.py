"""Windows made for a forecaster: toward a wanted forecast, and away from a right one (Siddiqui et al. 2019, TSViz).

A window [C, T] holds the raw signal in channel 0; the others (its difference, say) follow from it. So only the raw
channel is free, and `derive` makes the window of it: raw [B, T] -> x [B, C, T], differentiable, channel 0 as it came.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count, NonNegative, Positive

VERSION = 1
Derive = Callable[[Tensor], Tensor]


def alone(raw_BT: Tensor) -> Tensor:
    """[B, 1, T]: the window of a raw channel without company."""
    return raw_BT[:, None]


def optimise(model: nn.Module, x: Tensor, wanted: Tensor, *, derive: Derive = alone, steps: Count = 300,
             lr: Positive = 0.05, smoothness: NonNegative = 0.1) -> Tensor:
    """Windows like x [B, C, T], from which they start, whose forecasts come near `wanted` [B], in the model's units.

    Adam minimises, for each window by itself, (forecast - wanted)^2 + smoothness * the mean squared second difference
    of the change of the raw channel: a shift or a tilt of the whole window costs nothing, a kink does. That the change
    is to be smooth and not the window is our choice, since a signal that is rough by nature should stay so. Raises
    ValueError for a derive that does not give x back from its raw channel, a model without one forecast [B, 1],
    settings out of range, and what `gradients.checked` refuses.
    """
    _above_zero(lr=lr)
    _counts(steps)
    if not 0 <= smoothness < math.inf:
        raise ValueError(f"smoothness must be a number, at least 0, got {smoothness}; 0 asks for none")
    with gradients.borrowed(model) as network:
        x, wanted = _checked(network, x, wanted, derive, "wanted")
        start_BT = x[:, 0]
        raw_BT = start_BT.clone().requires_grad_()
        optimizer = torch.optim.Adam([raw_BT], lr=lr)
        for _ in range(steps):
            bend_BT = (raw_BT - start_BT).diff(n=2, dim=1)
            rough = bend_BT.square().sum() / max(bend_BT.shape[1], 1)
            error = (_forecast(network, derive(raw_BT)) - wanted).square().sum()
            raw_BT.grad = gradients.slope(network, error + smoothness * rough, raw_BT)
            optimizer.step()
        return gradients.finite(derive(raw_BT.detach()).detach(), "window")


def adversarial(model: nn.Module, x: Tensor, y: Tensor, *, eps: NonNegative, derive: Derive = alone, steps: Count = 1,
                lr: Positive | None = None, bounds: tuple[float, float] | None = None) -> Tensor:
    """Windows like x [B, C, T], the raw channel within `eps` of x's, whose forecasts are far from y [B].

    Each of `steps` moves every raw value by `lr` to where the squared error grows, through derive: one step is the fast
    gradient sign method (Goodfellow et al. 2015), several its iterative form (Kurakin et al. 2017). `lr` None is
    2.5 eps / steps, cut at eps, so one step moves by eps. `bounds` are those of the raw channel, in the model's units.
    A window whose forecast is y exactly has no gradient and stays. Raises ValueError as `optimise` does, and for an x
    that is not within the bounds.
    """
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be a number, at least 0, got {eps}; give the largest change of the raw channel")
    _counts(steps)
    if lr is not None:
        _above_zero(lr=lr)
    size = 2.5 * eps / steps if lr is None else lr  # as in attacks.pgd, Madry et al. 2018
    with gradients.borrowed(model) as network:
        x, y = _checked(network, x, y, derive, "y")
        raw_BT = x[:, 0]
        low, high = _bounds(raw_BT, bounds)
        delta_BT = torch.zeros_like(raw_BT)
        for _ in range(steps):
            moved_BT = (raw_BT + delta_BT).requires_grad_()
            error = (_forecast(network, derive(moved_BT)) - y).square().sum()
            direction_BT = gradients.slope(network, error, moved_BT).sign()  # Goodfellow 2015, section 4
            delta_BT = (delta_BT + size * direction_BT).clamp(-eps, eps)
            delta_BT = (raw_BT + delta_BT).clamp(low, high) - raw_BT
        return derive(raw_BT + delta_BT).detach()


def _forecast(network: nn.Module, x: Tensor) -> Tensor:
    """[B]: the one forecast of each window."""
    forecast_B1 = gradients.logits(network, x)
    if forecast_B1.shape[1] != 1:
        raise ValueError(f"the model must give one forecast for each window, [{len(x)}, 1], got "
                         f"{list(forecast_B1.shape)}; wrap it so that it gives the one to look at")
    return forecast_B1[:, 0]


def _checked(network: nn.Module, x: Tensor, values: Tensor, derive: Derive, name: str) -> tuple[Tensor, Tensor]:
    x, _ = gradients.checked(network, x, 0)
    if x.ndim != 3:
        raise ValueError(f"x must be windows [B, C, T], got {list(x.shape)}; one channel is x[:, None]")
    if not isinstance(values, Tensor) or values.shape != x.shape[:1] or not bool(values.isfinite().all()):
        found = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{name} must be finite numbers [{len(x)}], one for each window, got {found}")
    raw_BT = x[:, 0].clone().requires_grad_()
    made = derive(raw_BT)
    if made.shape != x.shape or made.dtype != x.dtype:
        raise ValueError(f"derive must make windows {list(x.shape)} of x[:, 0], as x, got {made.dtype} "
                         f"{list(made.shape)}; give the function that made x of its raw channel")
    if not made.requires_grad:
        raise ValueError("derive must be differentiable, its result has no gradient; use torch functions throughout")
    off = float((made.detach() - x).abs().max())
    if not off <= 1e-3 * float(x.abs().max()):
        raise ValueError(f"derive must give x back from x[:, 0], it is off by up to {off:.3g}; give the function that "
                         "made x of its raw channel")
    return x, values.detach().to(x)


def _bounds(raw: Tensor, bounds: tuple[float, float] | None) -> tuple[float, float]:
    low, high = (-math.inf, math.inf) if bounds is None else bounds
    if not low < high:
        raise ValueError(f"bounds must be (lowest, highest) value of the raw channel, got {bounds}")
    least, most = float(raw.min()), float(raw.max())
    if least < low or most > high:
        raise ValueError(f"the raw channel of x must be within the bounds [{low:g}, {high:g}], got [{least:.3f}, "
                         f"{most:.3f}]; give wider ones, in the units of x")
    return low, high


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0, got {value}; give a small positive one")


def _counts(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}; give a whole number from 1 on")
