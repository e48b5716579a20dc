"""A network that forecasts a series: what it is given, and how it is trained once and shared by every study.

A model may say what it is given by two functions beside its `build`, `needs(horizon, per_day)`, the number of rows
before its own that a forecast takes, and `inputs(values, rows, horizon, per_day)`, [N, C, T] of standardised values.
Without them it is given windows as in TSViz: the values, and their differences.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.loading import data_identity, data_label
from convscope.data.series import Series, two_channels, windows
from convscope.family import Bound
from convscope.provenance import command_line
from convscope.rng import seeded
from convscope.rows import Row
from convscope.runs import Run, Store, perform, write_bytes, write_text

if TYPE_CHECKING:
    from torch import Tensor, nn

VERSION = 1
CURVE = ("epoch", "step", "lr", "train_loss", "validation_loss")


@dataclass(frozen=True)
class Task:
    """A network, the series it forecasts `horizon` rows ahead, and how it is trained, from one seed.

    It is trained on rows below `stop`; the series is standardised by the mean and deviation (ddof 0) of these rows.
    """

    data: Bound
    series: Series
    model: Bound
    fit: Bound
    window: int
    horizon: int
    stop: int
    seed: int

    @property
    def mean(self) -> float:
        return float(self.series.values[:self.stop].mean())

    @property
    def std(self) -> float:
        return float(self.series.values[:self.stop].std())

    @property
    def needs(self) -> int:
        """Rows before its own that a forecast takes; raises ValueError for a series that the model is not for."""
        own = self._own("needs")
        if own is None:
            return self.window + self.horizon - 1
        return own(horizon=self.horizon, per_day=self.series.per_day)

    @property
    def own_inputs(self) -> bool:
        """Whether the model says itself what it is given."""
        return self._own("inputs") is not None

    def inputs(self, rows: np.ndarray) -> "Tensor":
        """float32 [len(rows), C, T]: what the network is given to forecast these rows."""
        import torch

        standard = (self.series.values - self.mean) / self.std
        own = self._own("inputs")
        found = (two_channels(windows(standard, rows, length=self.window, horizon=self.horizon)) if own is None
                 else own(standard, rows, horizon=self.horizon, per_day=self.series.per_day))
        return torch.from_numpy(np.ascontiguousarray(found, dtype=np.float32))

    def targets(self, rows: np.ndarray) -> "Tensor":
        """float32 [len(rows)]: the standardised values of these rows."""
        import torch

        return torch.from_numpy(((self.series.values[rows] - self.mean) / self.std).astype(np.float32))

    def build(self) -> "nn.Module":
        """The untrained network of the task's seed."""
        shape = tuple(self.inputs(np.array([self.needs])).shape[1:])
        with seeded(self.seed, "init"):
            return self.model.call(n_classes=1, input_shape=shape, zero=-self.mean / self.std)

    def forecast(self, model: "nn.Module", rows: np.ndarray, *, at_once: int = 2048) -> np.ndarray:
        """float64 [len(rows)], in the series' unit."""
        import torch

        model.eval()
        with torch.no_grad():
            parts = [model(self.inputs(part))[:, 0].double().numpy()
                     for part in np.split(rows, range(at_once, len(rows), at_once))]
        return np.concatenate(parts) * self.std + self.mean

    def identity(self) -> dict[str, Any]:
        """What a run's hash holds of it."""
        return {"data": data_identity(self.data, self.series, seed=self.seed), "model": self.model.identity(),
                "fit": self.fit.identity(), "window": self.window, "horizon": self.horizon, "stop": self.stop,
                "seed": self.seed}

    def _own(self, name: str) -> Callable[..., Any] | None:
        return getattr(importlib.import_module(self.model.method.module), name, None)


def get_or_fit(task: Task, store: Store, *, env: Mapping[str, Any],
               on_epoch: Callable[[dict[str, float]], None] | None = None) -> "nn.Module":
    """The trained network of a task, in eval mode on the CPU: read from its run, or trained and stored as one.

    Of two processes that want it, one trains and the other waits; an interrupted training goes on where it stopped.
    """
    import safetensors.torch

    run = _run(task, store)
    perform(run, lambda run: _train(task, run, env, on_epoch), notes={"seed": task.seed, "command": command_line()})
    model = task.build()
    model.load_state_dict(safetensors.torch.load((run.folder / "weights.safetensors").read_bytes()))
    return model.eval()


def curve(task: Task, store: Store) -> list[dict[str, float]]:
    """The epochs of a trained network: epoch, step, lr, train_loss, validation_loss if any; empty before it is."""
    file = _run(task, store).folder / "curve.csv"
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [{k: float(v) for k, v in zip(CURVE, line.split(","), strict=True) if v} for line in lines[1:]]


def _run(task: Task, store: Store) -> Run:
    return store.run("train", {"version": VERSION, **task.identity()})


def _train(task: Task, run: Run, env: Mapping[str, Any],
           on_epoch: Callable[[dict[str, float]], None] | None) -> Iterator[Row]:
    import safetensors.torch

    from convscope.training.fit import remove_resume_point
    from convscope.training.objective import SquaredError

    rows = np.arange(task.needs, task.stop)
    if not len(rows):
        raise ValueError(f"{task.model.name} needs {task.needs} rows before the first that it forecasts, the series "
                         f"has {task.stop} to train on; take a longer series or a shorter window")
    model = task.build()
    fitted = task.fit.function()(model, task.inputs(rows), task.targets(rows), seed=task.seed, env=env,
                                 folder=run.folder, on_epoch=on_epoch, objective=SquaredError(),
                                 **task.fit.arguments)
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    write_bytes(run.folder / "weights.safetensors", safetensors.torch.save(state))
    write_text(run.folder / "curve.csv", "".join(
        ",".join(line) + "\n" for line in [CURVE, *([repr(e[k]) if k in e else "" for k in CURVE]
                                                    for e in fitted.curve)]))
    remove_resume_point(run.folder)
    kept = fitted.curve[(fitted.best_epoch or len(fitted.curve)) - 1]
    for metric, split, n in (("train_loss", "train", fitted.n_train), ("validation_loss", "validation", fitted.n_held)):
        if metric in kept:
            yield Row(study="train", run_id=run.id, data=data_label(task.data), split=split, model=task.model.label,
                      method="forecast", condition="none", axes={}, seed=task.seed, metric=metric, value=kept[metric],
                      unit="", n=n)
