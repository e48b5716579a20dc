"""Trains a classifier; the defaults are the CIFAR-10 regime of He et al. 2016 (Deep Residual Learning, section 4.2)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from convscope.data.dataset import balanced_subset
from convscope.family import Count, Fraction, NonNegative, Positive, Whole
from convscope.models.classifier import Classifier
from convscope.rng import numpy_rng, seeded
from convscope.training import machine
from convscope.training.adapt import adapt
from convscope.training.batches import DeviceBatches
from convscope.training.progress import Progress
from convscope.training.regime import Regime

VERSION = 1


@dataclass(frozen=True)
class Fitted:
    """What a training leaves beside the weights. `best_state` is None without a holdout.

    One entry of `curve` per epoch: epoch (from 1), step, lr, train_loss, train_accuracy, holdout_accuracy if any.
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
        on_epoch: Callable[[dict[str, float]], None] | None = None, iterations: Count = 64000, batch_size: Count = 128,
        optimizer: Literal["sgd", "adam", "adamw"] = "sgd", lr: Positive = 0.1, momentum: NonNegative = 0.9,
        weight_decay: NonNegative = 1e-4, schedule: Literal["steps", "cosine", "constant"] = "steps",
        milestones: tuple = (32000, 48000), decay: Positive = 0.1, warmup: Whole = 0,
        precision: Literal["fp32", "tf32", "bf16"] = "fp32", holdout: Fraction = 0.0,
        n_train: Count | None = None) -> Fitted:
    """Trains `model` in place on x [N, ...] and y [N]; it holds the last weights, `best_state` the best by holdout.

    `n_train` samples are drawn first, class-balanced; `holdout` is a share of each class that is not trained on. With
    `folder`, resume.ckpt is kept there at epoch ends, and the same call continues from it, on a CPU to the same bits;
    call `remove_resume_point(folder)` once the weights are safe. on_epoch may see an epoch again after a kill.
    Raises ValueError for unusable arguments and FloatingPointError, with the step, where the loss is not finite.
    """
    regime = Regime(iterations, optimizer, lr, momentum, weight_decay, schedule, tuple(milestones), decay, warmup)
    _check(model, x, y)
    kept, held = _split(y.cpu().numpy(), n_train, holdout, seed)
    x_train, device = _take(x, kept), machine.device(env)
    identity = {**asdict(regime), "seed": seed, "batch_size": batch_size, "precision": precision, "n": len(kept),
                "held": len(held), "shapes": {k: v.shape for k, v in model.state_dict().items()}}
    with (machine.settings(env, values=machine.values(x_train, batch_size), precision=precision),
          seeded(seed, "training"), torch.enable_grad()):
        adapt(model, x_train)
        last = machine.channels_last(env, model, x, precision=precision)
        with machine.borrowed(model, device, channels_last=last):
            batches = DeviceBatches(x_train.to(device), _take(y, kept).to(device).long(), batch_size=batch_size,
                                    iterations=iterations, seed=seed, channels_last=last)
            training = _train(
                model.train(), regime, batches, env=env, bf16=precision == "bf16", folder=folder, report=on_epoch,
                holdout=(_take(x, held).to(device), _take(y, held).to(device)) if len(held) else None,
                identity=identity)
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise FloatingPointError(f"the weights are not finite after step {iterations}; try a lower lr than {lr:g}")
    samples = iterations * batches.batch_size
    return Fitted(training.curve, training.best, training.best_epoch, training.seconds,
                  samples / max(training.seconds, 1e-9), training.resumed_from, len(kept), len(held))


def remove_resume_point(folder: Path) -> None:
    """Removes what an interrupted fit would continue from: call it once the weights are saved, not before."""
    for name in ("resume.ckpt", ".resume.ckpt.tmp"):
        (folder / name).unlink(missing_ok=True)


def _train(model: nn.Module, regime: Regime, batches: DeviceBatches, *, env: Mapping[str, Any], bf16: bool,
           holdout: tuple[Tensor, Tensor] | None, folder: Path | None,
           report: Callable[[dict[str, float]], None] | None, identity: Mapping[str, Any]) -> Any:
    from convscope.training import loop, module  # Lightning takes seconds to import: only who trains pays for it

    progress = Progress(regime.iterations, batch_size=batches.batch_size,
                        shown=machine.choice(env, "progress") is not False)
    call = machine.compiled(env, model, *batches.batch(0), iterations=regime.iterations)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    training = module.Training(
        model, call, regime, batches, bf16=bf16, holdout=holdout, progress=progress, report=report,
        resume=folder / "resume.ckpt" if folder else None, every=float(env.get("checkpoint_seconds", 60)),
        identity=loop.identity(**identity))
    try:
        loop.run(training, next(model.parameters()).device)
    finally:
        progress.close()
    return training


def _split(y: np.ndarray, n_train: int | None, holdout: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the samples to train on and of those held out."""
    if n_train is not None and not 1 <= n_train <= len(y):
        raise ValueError(f"n_train must be between 1 and the {len(y)} training samples there are, got {n_train}")
    drawn = np.arange(len(y)) if n_train is None else balanced_subset(y, n_train, numpy_rng(seed, "n_train"))
    if holdout == 0:
        return drawn, drawn[:0]
    n_held = round(holdout * len(drawn))
    if not 0 < n_held < len(drawn):
        raise ValueError(f"holdout={holdout:g} of {len(drawn)} samples holds out {n_held} of them; "
                         "choose a share that leaves some on both sides")
    held = balanced_subset(y[drawn], n_held, numpy_rng(seed, "holdout"))
    return np.delete(drawn, held), drawn[held]


def _take(values: Tensor, index: np.ndarray) -> Tensor:
    """values[index], without a copy where that is everything in order."""
    return values if len(index) == len(values) else values[torch.from_numpy(index).to(values.device)]


def _check(model: nn.Module, x: Tensor, y: Tensor) -> None:
    if len(x) != len(y) or len(x) == 0 or y.ndim != 1:
        raise ValueError(f"expected as many inputs [N, ...] as labels [N], got {list(x.shape)} and {list(y.shape)}")
    if not (x.is_floating_point() or (x.dtype == torch.uint8 and x.ndim == 2)) or y.is_floating_point():
        raise ValueError("expected floating point inputs, or texts as uint8 [N, T], and whole labels, got "
                         f"{x.dtype} {list(x.shape)} and {y.dtype}")
    if next((p for p in model.parameters() if p.requires_grad), None) is None:
        raise ValueError("the model has no weights to train")
    classes = len(model.class_names) if isinstance(model, Classifier) else None
    if int(y.min()) < 0 or (classes is not None and int(y.max()) >= classes):
        raise ValueError(f"labels must be in 0..{(classes or int(y.max()) + 1) - 1}, "
                         f"got {int(y.min())}..{int(y.max())}")
