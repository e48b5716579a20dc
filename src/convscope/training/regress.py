"""Trains a forecaster on windows in the order of time: mean squared error, the last windows for early stopping.

A plain loop: a step of these networks takes 0.3 to 2 ms, as much as Lightning adds, and too little to share among
threads: beside other work two were forty times slower than one.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.family import Count, NonNegative, Positive, Whole
from convscope.rng import seeded
from convscope.training import machine
from convscope.training.batches import DeviceBatches
from convscope.training.progress import Progress
from convscope.training.regime import Regime

VERSION = 1
AT_ONCE = 4096  # windows evaluated together


@dataclass(frozen=True)
class Regressed:
    """One entry of `curve` per epoch: epoch (from 1), step, lr, train_loss, validation_loss if any (mean squares)."""

    curve: list[dict[str, float]]
    best_epoch: int | None
    n_train: int
    n_held: int


def fit(model: nn.Module, x: Tensor, y: Tensor, *, seed: int, env: Mapping[str, Any], folder: Path | None = None,
        on_epoch: Callable[[dict[str, float]], None] | None = None, iterations: Count = 20000,
        batch_size: Count = 64, optimizer: Literal["sgd", "adam", "adamw"] = "adam", lr: Positive = 1e-3,
        momentum: NonNegative = 0.9, weight_decay: NonNegative = 0.0,
        schedule: Literal["constant", "cosine", "inverse"] = "constant", decay: NonNegative = 1e-3, warmup: Whole = 0,
        validation: Whole = 2000, patience: Count | None = 30) -> Regressed:
    """Trains `model` in place to forecast y [N] from x [N, C, T], windows in the order of time, [B, 1] its output.

    The last `validation` windows are not trained on: the model ends with the weights that forecast them best, after
    `patience` epochs without a better one or `iterations` steps; with validation=0 with the last weights. The schedule
    inverse is lr / (1 + decay * step). With `folder`, resume.ckpt is kept there, and the same call goes on from it.
    Raises ValueError for unusable arguments and FloatingPointError where the loss is not finite.
    """
    regime = Regime(iterations, optimizer, lr, momentum, weight_decay, schedule, (), decay, warmup)
    _check(x, y, validation)
    device, n = machine.device(env), len(x) - validation
    with (machine.settings(env, values=0), seeded(seed, "training"), torch.enable_grad(),
          machine.borrowed(model, device)):
        x, y = x.to(device), y.to(device)
        batches = DeviceBatches(x[:n], y[:n], batch_size=batch_size, iterations=iterations, seed=seed)
        identity = repr((regime, seed, batch_size, validation, patience, list(x.shape), _shapes(model)))
        state = _State(model.train(), regime, folder and folder / "resume.ckpt", identity)
        _run(state, batches, (x[n:], y[n:]), env, patience, on_epoch)
        if state.best is not None:
            model.load_state_dict(state.best)
    return Regressed(state.curve, state.best_epoch, n, validation)


class _State:
    """Model, optimizer, curve and the best weights so far: what an interrupted training goes on from."""

    def __init__(self, model: nn.Module, regime: Regime, path: Path | None, identity: str) -> None:
        self.model, self.regime, self.path, self.identity = model, regime, path, identity
        self.optimizer = regime.build([p for p in model.parameters() if p.requires_grad])
        self.curve: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_epoch: int | None = None
        self.best_loss = float("inf")
        self.saved = time.monotonic()
        self.step = self._load() if path is not None and path.is_file() else 0

    def keep(self, loss: float, epoch: int) -> None:
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def save(self, step: int, every: float) -> None:
        """Writes the resume point where `every` seconds have gone by."""
        if self.path is None or time.monotonic() - self.saved < every:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        with temporary.open("wb") as file:
            torch.save({"identity": self.identity, "step": step, "model": self.model.state_dict(),
                        "optimizer": self.optimizer.state_dict(), "curve": self.curve, "best": self.best,
                        "best_epoch": self.best_epoch, "best_loss": self.best_loss}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self.saved = time.monotonic()

    def _load(self) -> int:
        assert self.path is not None
        try:
            kept = torch.load(self.path, map_location=next(self.model.parameters()).device, weights_only=True)
        except Exception:  # whatever a damaged file brings up: it is not trusted
            kept = {}
        if kept.get("identity") != self.identity:
            why = "belongs to another training" if kept else "is damaged"
            print(f"{self.path} {why}: training starts from the beginning", file=sys.stderr)
            return 0
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.curve, self.best, self.best_epoch = kept["curve"], kept["best"], kept["best_epoch"]
        self.best_loss = kept["best_loss"]
        return kept["step"]


def _run(state: _State, batches: DeviceBatches, held: tuple[Tensor, Tensor], env: Mapping[str, Any],
         patience: int | None, report: Callable[[dict[str, float]], None] | None) -> None:
    batches.step = state.step
    progress = Progress(batches.iterations, batch_size=batches.batch_size,
                        shown=machine.choice(env, "progress") is not False)
    progress.start(batches.step)
    try:
        while batches.step < batches.iterations and not _over(state, patience):
            epoch = batches.step // len(batches)
            total = _epoch(state, batches)
            numbers = {"epoch": epoch + 1, "step": batches.step, "lr": state.regime.rate(batches.step - 1),
                       "train_loss": total}
            if len(held[0]):
                numbers["validation_loss"] = _loss(state.model, *held)
                state.keep(numbers["validation_loss"], epoch + 1)
            state.curve.append(numbers)
            if report is not None:
                report(dict(numbers))
            progress.show(batches.step, numbers)
            state.save(batches.step, float(env.get("checkpoint_seconds", 60)))
    finally:
        progress.close()


def _over(state: _State, patience: int | None) -> bool:
    return patience is not None and state.best_epoch is not None and len(state.curve) - state.best_epoch >= patience


def _epoch(state: _State, batches: DeviceBatches) -> float:
    """The mean loss of one epoch's steps."""
    losses = []
    for step, x, y in batches:
        for group in state.optimizer.param_groups:
            group["lr"] = state.regime.rate(step)
        forecast_B1 = state.model(x)
        if forecast_B1.shape != (len(x), 1):
            raise ValueError(f"a forecaster must return [B, 1], got {list(forecast_B1.shape)} for {len(x)} windows")
        loss = functional.mse_loss(forecast_B1[:, 0], y)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        losses.append(loss.detach())
    mean = torch.stack(losses).double().mean().item()
    if mean != mean or mean == float("inf"):
        raise FloatingPointError(f"the training loss is {mean} at step {batches.step} of {batches.iterations}; try a "
                                 f"lower lr than {state.regime.lr:g}")
    return mean


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad(), machine.evaluating(model):
        wrong = torch.cat([model(part)[:, 0] for part in x.split(AT_ONCE)]) - y
    return wrong.double().square().mean().item()


def _check(x: Tensor, y: Tensor, validation: int) -> None:
    if x.ndim != 3 or y.shape != x.shape[:1] or not x.is_floating_point() or not y.is_floating_point():
        raise ValueError(f"expected windows [N, C, T] and their targets [N], floating point both, got {x.dtype} "
                         f"{list(x.shape)} and {y.dtype} {list(y.shape)}")
    if len(x) <= validation:
        raise ValueError(f"validation={validation} leaves none of the {len(x)} windows to train on; lower it")


def _shapes(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(k, tuple(v.shape)) for k, v in model.state_dict().items()]
