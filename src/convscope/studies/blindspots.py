"""On the Blindspots of Convolutional Networks (Hoffer, Fine, Soudry 2018): signals that ConvNets miss.

A signal that gives the label away is written into every image. One cell trains one model on images with one signal and
asks: does the model use it (accuracy on encoded test images)? What does the signal cost (accuracy on clean ones)? And
does the prediction follow the signal when the signal lies (reliance)?
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.metrics.accuracy import accuracy
from convscope.metrics.reliance import blind_level, reliance, wrong_labels
from convscope.rng import derive, numpy_rng
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.blindspots_report import figures, ledger, spoken, tables
from convscope.training.recipe import Recipe, load_data, read_recipe, test_set, training_set

if TYPE_CHECKING:
    import torch

VERSION = 1
EXAMPLES = 3  # images of each cell kept for the figure of encoded images

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "run", "tables", "title"]


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    recipe = read_recipe(cfg)
    dataset = load_data(recipe, cfg["env"])
    served = recipe.signal.method.constants.get("KINDS", (dataset.kind,))
    if dataset.kind not in served:
        raise ValueError(f"the signal {recipe.signal.name} is for {' and '.join(served)} data; "
                         f"{recipe.data.name} is {dataset.kind} data")
    return {"version": VERSION, **recipe.identity(dataset)}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    recipe = read_recipe(cfg)
    condition = f" on {recipe.condition.name} images" if recipe.condition else ""
    raw = " (raw pixels)" if recipe.kind == "convnet" and not recipe.normalise else ""
    return f"{recipe.signal.label}{condition} | {recipe.model.label}{raw} | seed {recipe.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    """convnet, shallow or classical."""
    return read_recipe(cfg).kind


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """The training curve of a cell that is done: one entry per epoch, none for a classical model."""
    from convscope.training import shared

    recipe = read_recipe(cfg)
    return shared.curve(recipe, load_data(recipe, cfg["env"]), Store(run.root))


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Trains one model on one signal and yields accuracy, clean accuracy and reliance on the whole test split.

    Leaves instances.parquet (label, wrong label and the predictions of every test image) and examples.npz beside them.
    """
    import torch

    recipe = read_recipe(cfg)
    dataset = load_data(recipe, cfg["env"])
    predict = _fit(recipe, dataset, Store(run.root), cfg["env"], on_epoch)
    carriers, encoded, y = test_set(recipe, dataset)
    y = y.numpy()
    wrong = wrong_labels(y, n_classes=dataset.n_classes, rng=numpy_rng(recipe.seed, "wrong labels"))
    preds = {"encoded": predict(encoded), "clean": predict(carriers)}
    _save_examples(run, carriers, encoded)
    del encoded
    preds["wrong_signal"] = predict(test_set(recipe, dataset, torch.from_numpy(wrong))[1])
    _save_instances(run, dataset, y, wrong, preds)

    measured = {
        "accuracy": accuracy(preds["encoded"], y), "clean_accuracy": accuracy(preds["clean"], y),
        "reliance": reliance(preds["wrong_signal"], wrong),
        "wrong_signal_accuracy": accuracy(preds["wrong_signal"], y),
    }
    measured["blind_level"] = blind_level(measured["clean_accuracy"], dataset.n_classes)
    for metric, value in measured.items():
        yield Row(
            study="blindspots", run_id=run.id, data=recipe.data_label, split="test", model=recipe.model.label,
            method=recipe.signal.name, condition=recipe.condition.name if recipe.condition else "none",
            axes=_axes(recipe, dataset), seed=recipe.seed, metric=metric, value=value, unit="fraction", n=len(y))


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """What the figure of encoded images shows: for each signal one carrier and encoded image, [1, C, H, W] each."""
    found: dict[str, np.ndarray] = {}
    for one in runs:
        row = one.rows()[0]
        key = f"{row.data}/{spoken(row)}"
        if row.method != "clean" and f"{key}/carrier" not in found:
            with np.load(one.folder / "examples.npz") as saved:
                found |= {f"{key}/{name}": saved[name][:1] for name in ("carrier", "encoded")}
    return found


def _fit(recipe: Recipe, dataset: Dataset, store: Store, env: Mapping[str, Any],
         on_epoch: Callable[[dict[str, float]], None] | None) -> Callable[["torch.Tensor"], np.ndarray]:
    """A trained model as a function from images [N, C, H, W] to predicted classes [N]."""
    if recipe.kind == "classical":
        estimator = recipe.model.function()(
            n_classes=dataset.n_classes, input_shape=dataset.input_shape,
            random_state=derive(recipe.seed, "estimator") % 2**32, **recipe.model.arguments)
        _, x, y = training_set(recipe, dataset)
        estimator.fit(x.flatten(1).numpy(), y.numpy())
        return lambda x: estimator.predict(x.flatten(1).numpy())

    from convscope.training.predict import logits
    from convscope.training.shared import get_or_train

    model = get_or_train(recipe, dataset, store, env=env, on_epoch=on_epoch)
    return lambda x: logits(model, x, env=env).argmax(1)


def _axes(recipe: Recipe, dataset: Dataset) -> dict[str, float | int | str | bool]:
    """What may vary inside one table cell: the signal's parameters, and how and on how much the model was trained.

    `fit` is what differs from He et al.'s regime beside the number of images and iterations, as a text.
    """
    fit = dict(recipe.fit.given) if recipe.fit else {}
    n_train = fit.pop("n_train", None) or round(recipe.fraction * len(dataset.splits["train"]))
    axes: dict[str, Any] = {**recipe.signal.arguments, "n_train": n_train}
    if recipe.fit:
        fit.pop("iterations", None)
        axes["iterations"] = recipe.fit.arguments.get("iterations")
        axes["fit"] = " ".join(f"{k}={v}" for k, v in sorted(fit.items()))
    if recipe.kind == "convnet":
        axes["normalise"] = recipe.normalise
    if recipe.condition:
        axes["magnitude"] = recipe.condition.arguments.get("magnitude")
    return {k: v if isinstance(v, (int, float, str, bool)) else str(v) for k, v in axes.items() if v is not None}


def _save_examples(run: Run, carriers: "torch.Tensor", encoded: "torch.Tensor") -> None:
    """A few test images from across the classes, before and after encoding, as float32 [n, C, H, W]."""
    index = np.linspace(0, len(carriers) - 1, EXAMPLES + 2).astype(int)[1:-1]
    np.savez(run.folder / "examples.npz", carrier=carriers[index].numpy(), encoded=encoded[index].numpy())


def _save_instances(run: Run, dataset: Dataset, y: np.ndarray, wrong: np.ndarray, preds: Mapping[str, Any]) -> None:
    import pandas as pd

    frame = pd.DataFrame({"id": np.asarray(dataset.splits["test"].ids), "label": y, "wrong_label": wrong,
                          **{f"pred_{name}": pred for name, pred in preds.items()}})
    frame.to_parquet(run.folder / "instances.parquet", index=False)
