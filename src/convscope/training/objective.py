"""What a training minimises, what it holds out to be judged by, and with which weights it ends.

Classifiers minimise cross-entropy; a share of each class is held out. Forecasters minimise the squared error of windows
in the order of time; the last ones are held out.
"""

from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from convscope.data.dataset import balanced_subset
from convscope.rng import numpy_rng

if TYPE_CHECKING:  # configs are checked without torch
    from torch import Tensor, nn

AT_ONCE = 4096  # windows evaluated together

Metrics = tuple[tuple[str, str, str], ...]


class Objective(Protocol):
    """`metrics` are the columns of a curve as (name, split, unit), the last one the held-out score.

    With `ends_best` a training ends with the weights of the best held-out score, else with its last ones.
    """

    name: ClassVar[str]
    metrics: ClassVar[Metrics]
    ends_best: ClassVar[bool]
    sign: ClassVar[int]  # 1 where a higher held-out score is the better one, else -1

    def check_settings(self, *, holdout: float, n_train: int | None, validation: int) -> None:
        """Raises ValueError, one sentence, for a way to hold samples out that is not this objective's."""
        ...

    def check(self, model: "nn.Module", x: "Tensor", y: "Tensor") -> None:
        """Raises ValueError, one sentence, for samples x [N, ...] and y [N] that cannot be trained on."""
        ...

    def split(self, y: np.ndarray, *, holdout: float, n_train: int | None, validation: int,
              seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the samples to train on and of those held out."""
        ...

    def targets(self, y: "Tensor") -> "Tensor":
        """y as `loss` takes it."""
        ...

    def loss(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """The mean loss of a minibatch, for a gradient."""
        ...

    def hits(self, output: "Tensor", y: "Tensor") -> "Tensor | None":
        """How many of a minibatch are right; None where that is no question."""
        ...

    def score(self, model: "nn.Module", x: "Tensor", y: "Tensor") -> float:
        """The held-out score of samples on the model's device, in eval mode."""
        ...

class CrossEntropy:
    """Of classifiers: logits [B, K] against labels [B]; the held-out score is the accuracy."""

    name: ClassVar = "cross-entropy"
    metrics: ClassVar[Metrics] = (
        ("train_loss", "train", "nats"), ("train_accuracy", "train", "fraction"),
        ("holdout_accuracy", "holdout", "fraction"))
    ends_best: ClassVar = False
    sign: ClassVar = 1

    def check_settings(self, *, holdout: float, n_train: int | None, validation: int) -> None:
        if validation:
            raise ValueError(f"validation={validation} holds out the last windows of a series; a classifier's samples "
                             "have no order: take holdout, a share of each class")

    def check(self, model: "nn.Module", x: "Tensor", y: "Tensor") -> None:
        import torch

        from convscope.models.classifier import Classifier

        if len(x) != len(y) or len(x) == 0 or y.ndim != 1:
            raise ValueError("expected as many inputs [N, ...] as labels [N], got "
                             f"{list(x.shape)} and {list(y.shape)}")
        if not (x.is_floating_point() or (x.dtype == torch.uint8 and x.ndim == 2)) or y.is_floating_point():
            raise ValueError("expected floating point inputs, or texts as uint8 [N, T], and whole labels, got "
                             f"{x.dtype} {list(x.shape)} and {y.dtype}")
        classes = len(model.class_names) if isinstance(model, Classifier) else None
        if int(y.min()) < 0 or (classes is not None and int(y.max()) >= classes):
            raise ValueError(f"labels must be in 0..{(classes or int(y.max()) + 1) - 1}, "
                             f"got {int(y.min())}..{int(y.max())}")

    def split(self, y: np.ndarray, *, holdout: float, n_train: int | None, validation: int,
              seed: int) -> tuple[np.ndarray, np.ndarray]:
        """n_train samples are drawn first, then the share to hold out of them, both class-balanced."""
        if n_train is not None and not 1 <= n_train <= len(y):
            raise ValueError(f"n_train must be between 1 and the {len(y)} training samples there are, got {n_train}")
        if n_train is not None and n_train < (classes := len(np.unique(y))):
            raise ValueError(f"n_train must be at least the number of classes, {classes}, got {n_train}: a class would "
                             "have no sample")
        drawn = np.arange(len(y)) if n_train is None else balanced_subset(y, n_train, numpy_rng(seed, "n_train"))
        if holdout == 0:
            return drawn, drawn[:0]
        n_held = round(holdout * len(drawn))
        if not 0 < n_held < len(drawn):
            raise ValueError(f"holdout={holdout:g} of {len(drawn)} samples holds out {n_held} of them; "
                             "choose a share that leaves some on both sides")
        held = balanced_subset(y[drawn], n_held, numpy_rng(seed, "holdout"))
        return np.delete(drawn, held), drawn[held]

    def targets(self, y: "Tensor") -> "Tensor":
        return y.long()

    def loss(self, output: "Tensor", y: "Tensor") -> "Tensor":
        from torch.nn import functional

        return functional.cross_entropy(output, y)

    def hits(self, output: "Tensor", y: "Tensor") -> "Tensor | None":
        return (output.argmax(1) == y).sum()

    def score(self, model: "nn.Module", x: "Tensor", y: "Tensor") -> float:
        import torch

        from convscope.training import machine

        size = machine.chunk(x)
        with torch.no_grad(), machine.evaluating(model):
            hits = [(model(part).argmax(1) == label).sum()
                    for part, label in zip(x.split(size), y.split(size), strict=True)]
        return torch.stack(hits).sum().item() / len(y)

class SquaredError:
    """Of forecasters: forecasts [B, 1] against values [B], windows in the order of time; scored by the squared error.

    The last `validation` windows are held out, and the training ends with the weights that forecast them best.
    """

    name: ClassVar = "squared error"
    metrics: ClassVar[Metrics] = (("train_loss", "train", ""), ("validation_loss", "validation", ""))
    ends_best: ClassVar = True
    sign: ClassVar = -1

    def check_settings(self, *, holdout: float, n_train: int | None, validation: int) -> None:
        if holdout or n_train is not None:
            given = f"holdout={holdout:g}" if holdout else f"n_train={n_train}"
            raise ValueError(f"{given} draws samples by their class, which the windows of a series do not have; take "
                             "validation, the number of last windows to hold out")

    def check(self, model: "nn.Module", x: "Tensor", y: "Tensor") -> None:
        if x.ndim != 3 or y.shape != x.shape[:1] or not x.is_floating_point() or not y.is_floating_point():
            raise ValueError(f"expected windows [N, C, T] and their targets [N], floating point both, got {x.dtype} "
                             f"{list(x.shape)} and {y.dtype} {list(y.shape)}")

    def split(self, y: np.ndarray, *, holdout: float, n_train: int | None, validation: int,
              seed: int) -> tuple[np.ndarray, np.ndarray]:
        if len(y) <= validation:
            raise ValueError(f"validation={validation} leaves none of the {len(y)} windows to train on; lower it")
        return np.arange(len(y) - validation), np.arange(len(y) - validation, len(y))

    def targets(self, y: "Tensor") -> "Tensor":
        return y

    def loss(self, output: "Tensor", y: "Tensor") -> "Tensor":
        from torch.nn import functional

        if output.shape != (len(y), 1):
            raise ValueError(f"a forecaster must return [B, 1], got {list(output.shape)} for {len(y)} windows")
        return functional.mse_loss(output[:, 0], y)

    def hits(self, output: "Tensor", y: "Tensor") -> "Tensor | None":
        return None

    def score(self, model: "nn.Module", x: "Tensor", y: "Tensor") -> float:
        import torch

        from convscope.training import machine

        with torch.no_grad(), machine.evaluating(model):
            wrong = torch.cat([model(part)[:, 0] for part in x.split(AT_ONCE)]) - y
        return wrong.double().square().mean().item()
