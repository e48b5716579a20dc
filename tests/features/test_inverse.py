"""Windows for a wanted forecast and against a right one, by hand on a linear forecaster."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.features import inverse
from convscope.models import traffic_cnn
from convscope.rng import seeded, torch_rng

T = 12


def with_difference(raw: Tensor) -> Tensor:
    """[B, 2, T]: the raw channel and its difference, 0 at the last step."""
    return torch.stack([raw, torch.cat([raw.diff(dim=1), torch.zeros_like(raw[:, :1])], dim=1)], dim=1)


def linear(channels: int = 1) -> nn.Module:
    with seeded(0, "init"):
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * T, 1))


def raw(n: int = 4, steps: int = T) -> Tensor:
    return torch.randn(n, steps, generator=torch_rng(0, "raw"))


def forecast(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)[:, 0]


def network() -> nn.Module:
    with seeded(1, "init"):
        return traffic_cnn.build(input_shape=(2, 20), width=0.25)


def curvature(x: Tensor, start: Tensor) -> Tensor:
    return (x - start)[:, 0].diff(n=2, dim=1).square().mean(dim=1)


def test_the_wanted_forecast_is_reached() -> None:
    model, x, wanted = linear(), raw()[:, None], torch.tensor([-1.0, 0.0, 1.0, 2.0])
    found = inverse.optimise(model, x, wanted)
    assert found.shape == x.shape and not found.requires_grad
    torch.testing.assert_close(forecast(model, found), wanted, rtol=0, atol=5e-2)
    assert bool(((forecast(model, x) - wanted).abs() > 0.1).any())
    nonlinear, x = network(), with_difference(raw(3, 20))
    target = forecast(nonlinear, x) + torch.tensor([-0.5, 0.0, 0.5])
    found = inverse.optimise(nonlinear, x, target, derive=with_difference)
    torch.testing.assert_close(forecast(nonlinear, found), target, rtol=0, atol=5e-2)
    torch.testing.assert_close(found, with_difference(found[:, 0]))


def test_the_first_step_by_hand() -> None:
    """Adam's first step is lr times the sign of the gradient: of w, toward the wanted value, through derive."""
    model, x = linear(2), with_difference(raw())
    now, lr = forecast(model, x), 0.01
    wanted = now + torch.tensor([1.0, -1.0, 2.0, -2.0])
    a, b = model[1].weight[0].detach().view(2, T)  # pyright: ignore[reportIndexIssue]
    # forecast = a . r + sum over t < T - 1 of b_t (r_{t+1} - r_t)
    w = a.clone()
    w[:-1] -= b[:-1]
    w[1:] += b[:-1]
    expected = x[:, 0] + lr * (wanted - now).sign()[:, None] * w.sign()
    found = inverse.optimise(model, x, wanted, derive=with_difference, steps=1, lr=lr)
    torch.testing.assert_close(found[:, 0], expected, rtol=0, atol=1e-5)


def test_smoothness() -> None:
    """The prior makes the change a straight line, which costs nothing and reaches the wanted value all the same."""
    model, x = linear(), raw()[:, None]
    wanted = forecast(model, x) + torch.tensor([-1.0, 1.0, 0.5, -0.5])
    rough, smooth = (inverse.optimise(model, x, wanted, smoothness=s, steps=1000) for s in (0.0, 1.0))
    assert bool((curvature(smooth, x) < 0.01 * curvature(rough, x)).all())
    torch.testing.assert_close(forecast(model, smooth), wanted, rtol=0, atol=0.05)
    assert bool((curvature(rough, x) > 1e-3).all())


def test_windows_do_not_influence_each_other() -> None:
    model, x, wanted = network(), with_difference(raw(3, 20)), torch.tensor([0.0, 5.0, -5.0])
    for make in (lambda x, y: inverse.optimise(model, x, y, derive=with_difference, steps=20),
                 lambda x, y: inverse.adversarial(model, x, y, derive=with_difference, eps=0.1, steps=5)):
        single = torch.cat([make(x[i:i + 1], wanted[i:i + 1]) for i in range(3)])
        torch.testing.assert_close(make(x, wanted), single, rtol=0, atol=1e-4)


def test_fast_gradient_sign_by_hand() -> None:
    model, x, eps = linear(2), with_difference(raw()), 0.1
    now = forecast(model, x)
    y = now + torch.tensor([1.0, -1.0, 0.5, -0.5])
    a, b = model[1].weight[0].detach().view(2, T)  # pyright: ignore[reportIndexIssue]
    w = a.clone()
    w[:-1] -= b[:-1]
    w[1:] += b[:-1]
    gradient = 2 * (now - y)[:, None] * w  # of (forecast - y)^2
    expected = with_difference(x[:, 0] + eps * gradient.sign())
    found = inverse.adversarial(model, x, y, derive=with_difference, eps=eps)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    # A linear forecast moves by eps * |w|_1, away from y.
    torch.testing.assert_close((forecast(model, found) - y).abs(), (now - y).abs() + eps * w.abs().sum())


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("lr", [None, 0.5])
def test_budget_and_bounds(steps: int, lr: float | None) -> None:
    model, x, eps = network(), with_difference(raw(6, 20)), 0.1
    y = forecast(model, x) + 0.3
    bounds = (float(x[:, 0].min()), float(x[:, 0].max()))
    found = inverse.adversarial(model, x, y, derive=with_difference, eps=eps, steps=steps, lr=lr, bounds=bounds)
    change = (found - x)[:, 0].abs()
    assert float(change.max()) <= eps + 1e-6 and float(change.max()) > 0.99 * eps
    assert float(found[:, 0].min()) >= bounds[0] - 1e-6 and float(found[:, 0].max()) <= bounds[1] + 1e-6
    torch.testing.assert_close(found, with_difference(found[:, 0]))
    free = inverse.adversarial(model, x, y, derive=with_difference, eps=eps, steps=steps, lr=lr)
    assert float(free[:, 0].max()) > bounds[1] + 1e-3 or float(free[:, 0].min()) < bounds[0] - 1e-3  # bounds do bind


def test_several_steps_are_at_least_as_strong() -> None:
    model, x = network(), with_difference(raw(32, 20))
    y = forecast(model, x) + 0.1
    errors = [(forecast(model, inverse.adversarial(model, x, y, derive=with_difference, eps=0.5, steps=steps)) - y) ** 2
              for steps in (1, 20)]
    before = (forecast(model, x) - y) ** 2
    assert float(errors[1].mean()) > float(errors[0].mean()) > float(before.mean())
    assert float((errors[1] >= errors[0] - 1e-6).float().mean()) > 0.8


def test_no_gradient_and_no_budget() -> None:
    model, x = linear(), raw()[:, None]
    torch.testing.assert_close(inverse.adversarial(model, x, forecast(model, x), eps=0.0), x)
    torch.testing.assert_close(inverse.adversarial(model, x, forecast(model, x) + 1, eps=0.0, steps=3), x)


@pytest.mark.parametrize("make", [
    lambda model, x, y: inverse.optimise(model, x, y, derive=with_difference, steps=2),
    lambda model, x, y: inverse.adversarial(model, x, y, derive=with_difference, eps=0.1, steps=2)])
def test_model_and_inputs_unchanged(make: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
    model, x = network().train(), with_difference(raw(3, 20))
    y, before, copied = torch.zeros(3), copy.deepcopy(model.state_dict()), x.clone()
    first = make(model, x, y)
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(x, copied) and torch.equal(first, make(model, x, y)) and not torch.equal(first, x)


ONE = torch.zeros(4)
X = raw()[:, None]


@pytest.mark.parametrize(("x", "y", "more", "message"), [
    (X[:, 0], ONE, {}, r"x must be windows \[B, C, T\], got \[4, 12\]"),
    (X, ONE[:3], {}, r"must be finite numbers \[4\], one for each window, got \[3\]"),
    (X, ONE[:, None], {}, r"must be finite numbers \[4\], one for each window, got \[4, 1\]"),
    (X, ONE * torch.nan, {}, "must be finite numbers"),
    (X, 1.0, {}, r"must be finite numbers \[4\], one for each window, got float"),
    (X * torch.nan, ONE, {}, "x must be finite"),
    (with_difference(raw()), ONE, {}, r"derive must make windows \[4, 2, 12\] of x\[:, 0\], as x, got torch.float32"),
    (X, ONE, {"derive": lambda raw: raw.detach()[:, None]}, "derive must be differentiable"),
    (X, ONE, {"derive": lambda raw: 2 * raw[:, None]}, r"derive must give x back from x\[:, 0\], it is off by up to"),
    (X, ONE, {"steps": 0}, "steps must be at least 1, got 0"),
    (X, ONE, {"lr": 0}, "lr must be a number above 0, got 0")])
def test_refused(x: Tensor, y: Any, more: dict[str, Any], message: str) -> None:
    for make in (inverse.optimise, lambda *args, **more: inverse.adversarial(*args, **{"eps": 0.1, **more})):
        with pytest.raises(ValueError, match=message):
            make(linear(), x, y, **more)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: inverse.optimise(linear(), X, ONE, smoothness=-1), "smoothness must be a number, at least 0, got -1"),
    (lambda: inverse.adversarial(linear(), X, ONE, eps=-1), "eps must be a number, at least 0, got -1"),
    (lambda: inverse.adversarial(linear(), X, ONE, eps=1, bounds=(1, 0)), r"bounds must be \(lowest, highest\) .* got"),
    (lambda: inverse.adversarial(linear(), X, ONE, eps=1, bounds=(0, 1)),
     r"the raw channel of x must be within the bounds \[0, 1\], got \[-"),
    (lambda: inverse.optimise(nn.Sequential(nn.Flatten(), nn.Linear(T, 2)), X, ONE),
     r"the model must give one forecast for each window, \[4, 1\], got \[4, 2\]")])
def test_refused_settings(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
