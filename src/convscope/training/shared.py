"""The one place that joins training and the run store: a network is trained once and shared by every study."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from convscope.family import Bound
from convscope.provenance import command_line
from convscope.rows import Row
from convscope.runs import Run, Store, perform, write_text
from convscope.training.objective import Objective

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convscope.training.fit import Fitted

VERSION = 1
Network = TypeVar("Network", bound="nn.Module")


class Task(Protocol[Network]):
    """A network that is trained by `fit` (None: not at all) toward an objective, and what it is trained on."""

    @property
    def fit(self) -> Bound | None: ...

    @property
    def seed(self) -> int: ...

    @property
    def objective(self) -> Objective: ...

    @property
    def labels(self) -> dict[str, str]:
        """data, model, method and condition of the training's rows."""
        ...

    def identity(self) -> dict[str, Any]:
        """What the training run's hash holds."""
        ...

    def build(self) -> Network:
        """The untrained network, from the seed alone."""
        ...

    def samples(self) -> "tuple[Tensor, Tensor]":
        """x [N, ...] and y [N] to train on."""
        ...

    def save(self, folder: Path, model: Network, fitted: "Fitted") -> None: ...

    def load(self, folder: Path) -> Network:
        """The saved network, in eval mode on the CPU."""
        ...


def get_or_train(task: Task[Network], store: Store, *, env: Mapping[str, Any],
                 on_epoch: Callable[[dict[str, float]], None] | None = None) -> Network:
    """The trained network of a task, in eval mode on the CPU: read from its run, or trained and stored as one.

    Of two processes that want it, one trains and the other waits. An interrupted training goes on where it stopped.
    `on_epoch` sees every epoch's numbers as it ends; `curve` reads them of a network that is trained already.
    """
    run = _run(task, store)
    perform(run, lambda run: _train(task, run, env, on_epoch), notes={"seed": task.seed, "command": command_line()})
    return task.load(run.folder)


def curve(task: Task[Any], store: Store) -> list[dict[str, float]]:
    """The epochs of a trained network: epoch, step, lr, and its objective's metrics, the held-out score if any.

    Empty for a model without training run, and before there is one.
    """
    file = _run(task, store).folder / "curve.csv"
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    keys = lines[0].split(",")
    return [{k: float(v) for k, v in zip(keys, line.split(","), strict=True) if v} for line in lines[1:]]


def _run(task: Task[Any], store: Store) -> Run:
    return store.run("train", {"version": VERSION, **task.identity()})


def _train(task: Task[Any], run: Run, env: Mapping[str, Any],
           on_epoch: Callable[[dict[str, float]], None] | None) -> Iterator[Row]:
    from convscope.training.fit import remove_resume_point

    assert task.fit is not None, "a classical model has no training run"
    objective, model = task.objective, task.build()
    x, y = task.samples()
    fitted: Fitted = task.fit.call(model=model, x=x, y=y, seed=task.seed, env=env, folder=run.folder,
                                   on_epoch=on_epoch, objective=objective)
    task.save(run.folder, model, fitted)
    columns = ("epoch", "step", "lr", *(name for name, _, _ in objective.metrics))
    lines = [columns, *([repr(epoch[k]) if k in epoch else "" for k in columns] for epoch in fitted.curve)]
    write_text(run.folder / "curve.csv", "".join(",".join(line) + "\n" for line in lines))
    remove_resume_point(run.folder)
    ended = fitted.best_epoch if objective.ends_best else None
    epoch = fitted.curve[ended - 1 if ended else -1]
    for metric, split, unit in objective.metrics:
        if metric in epoch:
            yield Row(study="train", run_id=run.id, **task.labels, split=split, axes={}, seed=task.seed, metric=metric,
                      value=epoch[metric], unit=unit, n=fitted.n_train if split == "train" else fitted.n_held)
