"""What is wrong with a network is found, and what is right is left alone."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.rng import torch_rng
from convscope.training.checkup import check_takes, dead_units, evaluation, range_test
from convscope.training.regime import Regime

ENV = {"device": "cpu", "threads": 1, "channels_last": False}


def regime(lr: float = 0.1) -> Regime:
    return Regime(100, "sgd", lr, 0.9, 0.0, "constant", (), 0.1, 0)


def inputs(n: int = 64) -> Tensor:
    return torch.rand(n, 3, 8, 8, generator=torch_rng(0, "x"))


class Net(nn.Module):
    def __init__(self, *, always: bool = False, running: bool = True) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=running)
        self.relu, self.head, self.always = nn.ReLU(), nn.Linear(8, 2), always

    def forward(self, x: Tensor) -> Tensor:
        h = functional.dropout(self.relu(self.norm(self.conv(x))), 0.5, training=self.always or self.training)
        return self.head(h.mean((2, 3)))


@pytest.mark.parametrize(("model", "random", "mixed"), [
    (Net(), False, False), (Net(always=True), True, False), (Net(running=False), False, True),
    (Net(always=True, running=False), True, True)])
def test_modes_at_evaluation(model: nn.Module, random: bool, mixed: bool) -> None:
    model.train()
    found = evaluation(model, inputs(), seed=0, env=ENV)
    assert (found.random, found.mixed) == (random, mixed) and model.training
    assert found == evaluation(model, inputs(), seed=0, env=ENV)


def test_dead_units_are_counted() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 5), nn.ReLU(), nn.Linear(5, 2))
    first, second = model[0], model[3]
    assert isinstance(first, nn.Conv2d) and isinstance(second, nn.Linear) and first.bias is not None
    with torch.no_grad():
        first.bias[:2] = -100
        first.bias[2:] = 100
        second.bias[:] = 1e6
        second.bias[3] = -1e6
    found = {units.name: (units.dead, units.total) for units in dead_units(model, inputs(), env=ENV)}
    assert found == {"1": (2, 6), "4": (1, 5)}
    assert not model[1]._forward_hooks


def test_bounded_relus_have_dead_units_too() -> None:
    x = torch.tensor([[-1.0, 2.0, 9.0, -3.0], [-2.0, -1.0, 8.0, 0.0]])
    model = nn.Sequential(nn.ReLU6(), nn.Hardtanh(-1, 1), nn.Hardtanh(0, 1), nn.Threshold(0, 0), nn.Threshold(0.5, 0))
    assert [(u.name, u.dead, u.total) for u in dead_units(model, x, env=ENV)] == [
        ("0", 2, 4), ("2", 2, 4), ("3", 2, 4)]


def test_a_relu_that_is_used_twice_is_dead_only_if_it_is_so_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(x) + self.relu(-x)

    x = torch.tensor([[-1.0, 2.0, 0.0]])
    assert [(u.dead, u.total) for u in dead_units(Twice(), x, env=ENV)] == [(1, 3)]


def test_range_test_of_a_line() -> None:
    """On separable points the loss falls, then rises when the rate is too large; the model is left as it was."""
    x = torch.randn(256, 4, generator=torch_rng(0, "x"))
    y = (x[:, 0] > 0).long()
    model = nn.Linear(4, 2)
    before = model.weight.clone()
    found = range_test(model, 5 * x, y, regime(), seed=0, env=ENV, high=1e4, steps=150)
    assert torch.equal(model.weight, before) and found.lr[0] == 1e-5 and np.all(np.diff(found.lr) > 0)
    assert found.fall > 0.3 and 1e-4 < found.steepest < found.diverged < 1e4
    assert len(found.lr) == len(found.loss) < 150 and found.loss[-1] > 2 * found.loss[0]
    gentle = range_test(model, x, y, regime(), seed=0, env=ENV, high=1e-4)
    assert math.isnan(gentle.diverged) and len(gentle.lr) == 120 and gentle.fall < 0.5
    again = range_test(model, 5 * x, y, regime(), seed=0, env=ENV, high=1e4, steps=150)
    np.testing.assert_array_equal(found.loss, again.loss)


def test_range_test_stops_at_a_loss_that_is_not_finite() -> None:
    x = 1e38 * torch.randn(64, 2, generator=torch_rng(0, "x"))
    found = range_test(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), x, torch.arange(64) % 2, regime(),
                       seed=0, env=ENV, high=10.0)
    assert not math.isnan(found.diverged) and len(found.lr) < 120


def test_inputs_that_do_not_fit_are_refused_in_one_sentence() -> None:
    model = Net().train()
    check_takes(model, inputs(2), env=ENV)
    assert model.training and next(model.parameters()).grad is None
    with pytest.raises(ValueError, match=r"does not take inputs \[B, 1, 8, 8\] \(.+\); build it for") as error:
        check_takes(model, inputs(2)[:, :1], env=ENV)
    assert "\n" not in str(error.value)
