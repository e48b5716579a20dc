import math

import pytest
import torch
from torch import nn

from convscope.training.regime import Regime


def regime(**change):
    return Regime(**{"iterations": 100, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4,
                     "schedule": "steps", "milestones": (40, 70), "decay": 0.1, "warmup": 0, **change})


def test_rates_equal_torchs_schedulers():
    kinds = {"steps": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [40, 70], 0.1),
             "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 100),
             "constant": lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)}
    for schedule, kind in kinds.items():
        optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)
        theirs, expected = kind(optimizer), []
        for _ in range(100):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            theirs.step()
        assert [regime(schedule=schedule).rate(step) for step in range(100)] == pytest.approx(expected)


def test_warmup_rises_linearly_and_joins_the_schedule():
    rates = [regime(warmup=10, schedule="cosine").rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.01 * i for i in range(1, 11)])
    assert rates[10] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.05 * (1 + math.cos(math.pi * 89 / 90)))
    assert regime(warmup=50).rate(50) == pytest.approx(0.01)  # milestones count from the start


def test_weight_decay_reaches_every_parameter():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for kind in ("sgd", "adam", "adamw"):
        optimizer = regime(optimizer=kind, momentum=0.8).build(model.parameters())
        assert [len(g["params"]) for g in optimizer.param_groups] == [4]
        assert optimizer.param_groups[0]["weight_decay"] == 1e-4
        assert optimizer.param_groups[0].get("momentum", optimizer.param_groups[0].get("betas", [0])[0]) == 0.8
