"""Optimizer and learning rate in iterations; the defaults of `fit` are He et al. 2016's for CIFAR-10 (section 4.2)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from convscope.family import Bound
from convscope.training.objective import Objective

if TYPE_CHECKING:  # configs are checked without torch
    import numpy as np
    import torch
    from torch import nn


@dataclass(frozen=True)
class Regime:
    """How weights move: `rate(step)` is a pure function, so that a resumed run needs no scheduler's state."""

    iterations: int
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    milestones: tuple[int, ...]
    decay: float
    warmup: int

    def __post_init__(self) -> None:
        whole = all(isinstance(m, int) and not isinstance(m, bool) and m > 0 for m in self.milestones)
        if not whole or list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must be rising iterations, as [32000, 48000], got {list(self.milestones)}")
        if not 0 <= self.warmup < self.iterations:
            raise ValueError(f"warmup must be at least 0 and below iterations ({self.iterations}), got {self.warmup}")
        if self.momentum >= 1:
            raise ValueError(f"momentum must be below 1, got {self.momentum}")

    def rate(self, step: int) -> float:
        """The learning rate of global step 0..iterations - 1: linear warmup, then the schedule."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.schedule == "steps":
            return self.lr * self.decay ** sum(step >= m for m in self.milestones)
        if self.schedule == "cosine":
            done = (step - self.warmup) / (self.iterations - self.warmup)
            return self.lr * (1 + math.cos(math.pi * done)) / 2
        if self.schedule == "inverse":
            return self.lr / (1 + self.decay * step)
        return self.lr

    def build(self, parameters: "Iterable[nn.Parameter]", *, fused: bool = False) -> "torch.optim.Optimizer":
        """The optimizer; weight decay on all parameters, biases and batch norm too, as in He et al.

        In adam and adamw, momentum is beta1.
        """
        import torch

        parameters = list(parameters)
        if self.optimizer == "sgd":
            return torch.optim.SGD(parameters, self.lr, self.momentum, weight_decay=self.weight_decay, fused=fused)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.optimizer]
        return kind(parameters, self.lr, (self.momentum, 0.999), weight_decay=self.weight_decay, fused=fused)


def regime_of(fit: Bound) -> Regime | None:
    """How a bound fit moves weights; None of a user's own. Raises ValueError for what does not fit together."""
    if fit.method.module != "convscope.training.fit":
        return None
    return Regime(**{field.name: fit.arguments[field.name] for field in fields(Regime)})


def check_fit(fit: Bound, objective: Objective) -> None:
    """Raises ValueError, one sentence, where a bound fit of ours cannot be run for this objective."""
    if regime_of(fit) is not None:
        objective.check_settings(**{key: fit.arguments[key] for key in ("holdout", "n_train", "validation")})


def check_split(fit: Bound, objective: Objective, y: "np.ndarray") -> None:
    """Raises ValueError where a bound fit of ours has nothing to train on, or to hold out, of samples with these y."""
    if regime_of(fit) is not None:
        settings = {key: fit.arguments[key] for key in ("holdout", "n_train", "validation")}
        objective.split(y, **settings, seed=0)
