"""The one place that joins training and the run store: a network is trained once and shared by every study."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound
from convscope.models.classifier import Classifier
from convscope.provenance import command_line
from convscope.rng import seeded
from convscope.rows import Row
from convscope.runs import Run, Store, perform, write_text
from convscope.training import checkpoint
from convscope.training.fit import remove_resume_point
from convscope.training.recipe import Recipe, training_set

VERSION = 1
CURVE = ("epoch", "step", "lr", "train_loss", "train_accuracy", "holdout_accuracy")


def get_or_train(recipe: Recipe, dataset: Dataset, store: Store, *, env: Mapping[str, Any],
                 on_epoch: Callable[[dict[str, float]], None] | None = None) -> Classifier:
    """The trained network of a recipe, in eval mode on the CPU: read from its run, or trained and stored as one.

    Of two processes that want it, one trains and the other waits. An interrupted training goes on where it stopped.
    `on_epoch` sees every epoch's numbers as it ends; `curve` reads them of a network that is trained already.
    """
    run = _run(recipe, dataset, store)
    perform(run, lambda run: _train(recipe, dataset, run, env, on_epoch),
            notes={"seed": recipe.seed, "command": command_line()})
    return checkpoint.load(run.folder, build=recipe.model.function())


def curve(recipe: Recipe, dataset: Dataset, store: Store) -> list[dict[str, float]]:
    """The epochs of a trained network: epoch, step, lr, train_loss, train_accuracy, holdout_accuracy if any.

    Empty for a model without training run.
    """
    run = _run(recipe, dataset, store)
    if not (run.folder / "curve.csv").is_file():
        return []
    lines = (run.folder / "curve.csv").read_text(encoding="utf-8").splitlines()
    keys = lines[0].split(",")
    return [{k: float(v) for k, v in zip(keys, line.split(","), strict=True) if v} for line in lines[1:]]


def _run(recipe: Recipe, dataset: Dataset, store: Store) -> Run:
    return store.run("train", {"version": VERSION, **recipe.identity(dataset)})


def _train(recipe: Recipe, dataset: Dataset, run: Run, env: Mapping[str, Any],
           on_epoch: Callable[[dict[str, float]], None] | None) -> Iterator[Row]:
    assert recipe.fit is not None, "a classical model has no training run"
    carriers, x, y = training_set(recipe, dataset)
    model = new_classifier(recipe, dataset, carriers.numpy())
    del carriers
    fitted = recipe.fit.function()(model, x, y, seed=recipe.seed, env=env, folder=run.folder, on_epoch=on_epoch,
                                   **recipe.fit.arguments)
    checkpoint.save(run.folder, model, architecture=_architecture(recipe.model), best_state=fitted.best_state)
    write_text(run.folder / "curve.csv", "".join(
        ",".join(line) + "\n" for line in [CURVE, *([repr(e[k]) if k in e else "" for k in CURVE]
                                                    for e in fitted.curve)]))
    remove_resume_point(run.folder)
    last = fitted.curve[-1]
    for metric, split, unit, n in (("train_loss", "train", "nats", fitted.n_train),
                                   ("train_accuracy", "train", "fraction", fitted.n_train),
                                   ("holdout_accuracy", "holdout", "fraction", fitted.n_held)):
        if metric in last:
            yield Row(
                study="train", run_id=run.id, data=recipe.data_label, split=split, model=recipe.model.label,
                method=recipe.signal.label, condition=recipe.condition.name if recipe.condition else "none", axes={},
                seed=recipe.seed, metric=metric, value=last[metric], unit=unit, n=n)


def new_classifier(recipe: Recipe, dataset: Dataset, carriers: np.ndarray) -> Classifier:
    """An untrained network from the recipe's seed, with the carriers' [N, C, ...] mean and std per channel inside.

    A network for texts has the data's alphabet instead.
    """
    mean = std = None
    if recipe.normalise and dataset.kind in ("image", "windows"):
        mean, std = channel_statistics(dataset.splits["train"].x() if recipe.condition else carriers)
    with seeded(recipe.seed, "init"):
        network = recipe.model.call(n_classes=dataset.n_classes, input_shape=dataset.input_shape,
                                    alphabet=dataset.alphabet)
    return Classifier(network, input_shape=dataset.input_shape, class_names=dataset.class_names, mean=mean, std=std,
                      alphabet=dataset.alphabet)


def channel_statistics(x: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of x [N, C, ...], computed in float64."""
    others = (0, *range(2, x.ndim))
    mean = x.mean(axis=others, dtype=np.float64)
    square = np.square(x, dtype=np.float32).mean(axis=others, dtype=np.float64)
    return mean.tolist(), np.sqrt(np.maximum(square - mean**2, 1e-12)).tolist()


def _architecture(model: Bound) -> dict[str, Any]:
    return {"name": model.name, "arguments": dict(model.arguments)}
