"""Trains any network; the defaults are the CIFAR-10 regime of He et al. 2016 (Deep Residual Learning, section 4.2)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from convscope import heartbeat
from convscope.family import Count, Fraction, NonNegative, Positive, Whole
from convscope.rng import seeded
from convscope.training import machine
from convscope.training.adapt import adapt
from convscope.training.batches import DeviceBatches
from convscope.training.objective import CrossEntropy, Objective
from convscope.training.progress import Progress
from convscope.training.regime import Regime

if TYPE_CHECKING:
    from convscope.training.module import Training

VERSION = 1


@dataclass(frozen=True)
class Fitted:
    """What a training leaves beside the weights. `best_state` and `best_epoch` are None where nothing was held out.

    One entry of `curve` per epoch: epoch (from 1), step, lr, and the objective's metrics, the held-out score if any.
    `seconds` counts the parts before interruptions too; `n_train` samples were trained on, `n_held` held out.
    """

    curve: list[dict[str, float]]
    best_state: dict[str, Tensor] | None
    best_epoch: int | None
    seconds: float
    samples_per_second: float
    resumed_from_step: int
    n_train: int
    n_held: int


def fit(model: nn.Module, x: Tensor, y: Tensor, *, seed: int, env: Mapping[str, Any], folder: Path | None = None,
        on_epoch: Callable[[dict[str, float]], None] | None = None, objective: Objective | None = None,
        iterations: Count = 64000, batch_size: Count = 128, optimizer: Literal["sgd", "adam", "adamw"] = "sgd",
        lr: Positive = 0.1, momentum: NonNegative = 0.9, weight_decay: NonNegative = 1e-4,
        schedule: Literal["steps", "cosine", "constant", "inverse"] = "steps", milestones: tuple = (32000, 48000),
        decay: Positive = 0.1, warmup: Whole = 0, precision: Literal["fp32", "tf32", "bf16"] = "fp32",
        holdout: Fraction = 0.0, n_train: Count | None = None, validation: Whole = 0,
        patience: Count | None = None) -> Fitted:
    """Trains `model` in place on x [N, ...] and y [N] by the objective; without one, a classifier by cross-entropy.

    A classifier ends with its last weights, `best_state` the best by holdout: a share of each class that is not trained
    on, after `n_train` samples are drawn, class-balanced. A forecaster (SquaredError) ends with the weights that are
    best on the last `validation` windows, which are not trained on. Where something is held out, `patience` epochs
    without a better score end the training early. The schedule inverse is lr / (1 + decay * step).
    With `folder`, resume.ckpt is kept there at epoch ends, and the same call continues from it, on a CPU to the same
    bits; call `remove_resume_point(folder)` once the weights are safe. on_epoch may see an epoch again after a kill.
    Raises ValueError for unusable arguments and FloatingPointError, with the step, where the loss is not finite.
    """
    objective = CrossEntropy() if objective is None else objective
    regime = Regime(iterations, optimizer, lr, momentum, weight_decay, schedule, tuple(milestones), decay, warmup)
    kept, held = _split(objective, model, x, y, seed=seed, holdout=holdout, n_train=n_train, validation=validation)
    x_train, device = _take(x, kept), machine.device(env)
    identity = {**asdict(regime), "objective": objective.name, "seed": seed, "batch_size": batch_size,
                "precision": precision, "n": len(kept), "held": len(held), "patience": patience,
                "shapes": {k: v.shape for k, v in model.state_dict().items()}}
    with (machine.settings(env, values=machine.values(x_train, batch_size), precision=precision),
          seeded(seed, "training"), torch.enable_grad()):
        adapt(model, x_train)
        last = machine.channels_last(env, model, x, precision=precision)
        with machine.borrowed(model, device, channels_last=last):
            batches = DeviceBatches(x_train.to(device), objective.targets(_take(y, kept).to(device)),
                                    batch_size=batch_size, iterations=iterations, seed=seed, channels_last=last)
            training = _train(
                model.train(), regime, batches, objective, env=env, bf16=precision == "bf16", folder=folder,
                held=(_take(x, held).to(device), _take(y, held).to(device)) if len(held) else None,
                patience=patience, report=on_epoch, identity=identity)
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise FloatingPointError(f"the weights are not finite after step {batches.step}; try a lower lr than {lr:g}")
    samples = batches.step * batches.batch_size
    return Fitted(training.curve, training.best, training.best_epoch, training.seconds,
                  samples / max(training.seconds, 1e-9), training.resumed_from, len(kept), len(held))


def remove_resume_point(folder: Path) -> None:
    """Removes what an interrupted fit would continue from: call it once the weights are saved, not before."""
    for name in ("resume.ckpt", ".resume.ckpt.tmp"):
        (folder / name).unlink(missing_ok=True)


def _train(model: nn.Module, regime: Regime, batches: DeviceBatches, objective: Objective, *, env: Mapping[str, Any],
           bf16: bool, held: tuple[Tensor, Tensor] | None, patience: int | None, folder: Path | None,
           report: Callable[[dict[str, float]], None] | None, identity: Mapping[str, Any]) -> "Training":
    from convscope.training import loop, module  # Lightning takes seconds to import: only who trains pays for it

    progress = Progress(regime.iterations, batch_size=batches.batch_size,
                        shown=machine.choice(env, "progress") is not False)
    call = machine.compiled(env, model, *batches.batch(0), loss=objective.loss, iterations=regime.iterations)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    training = module.Training(
        model, call, regime, batches, objective, bf16=bf16, held=held, patience=patience, progress=progress,
        report=report, resume=folder / "resume.ckpt" if folder else None,
        every=float(env.get("checkpoint_seconds", 60)), identity=loop.identity(**identity))
    try:
        with heartbeat.phase(progress.told):
            loop.run(training, next(model.parameters()).device)
    finally:
        progress.close()
    if objective.ends_best and training.best is not None:
        model.load_state_dict(training.best)
    return training


def _split(objective: Objective, model: nn.Module, x: Tensor, y: Tensor, *, seed: int, holdout: float,
           n_train: int | None, validation: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the samples to train on and of those held out; raises ValueError for what cannot be trained."""
    objective.check_settings(holdout=holdout, n_train=n_train, validation=validation)
    objective.check(model, x, y)
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no weights to train")
    return objective.split(y.cpu().numpy(), holdout=holdout, n_train=n_train, validation=validation, seed=seed)


def _take(values: Tensor, index: np.ndarray) -> Tensor:
    """values[index], without a copy where that is everything in order."""
    return values if len(index) == len(values) else values[torch.from_numpy(index).to(values.device)]
