"""On the Blindspots of Convolutional Networks (Hoffer, Fine, Soudry 2018): signals that ConvNets miss.

A signal that gives the label away is written into every image, or text. One cell trains one model on samples with one
signal and asks: does the model use it (accuracy on encoded test samples)? What does the signal cost (accuracy on clean
ones)? And does the prediction follow the signal when the signal lies (reliance)?
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import describe
from convscope.metrics.accuracy import accuracy
from convscope.metrics.reliance import blind_level, reliance, wrong_labels
from convscope.rng import numpy_rng
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.blindspots.labels import spoken
from convscope.studies.study import Cell, kept
from convscope.training.direct import estimator
from convscope.training.recipe import Recipe, test_set, training_set

if TYPE_CHECKING:
    import torch

VERSION = 1
UNKNOWN = "\N{WHITE VERTICAL RECTANGLE}"  # how a character outside the alphabet is shown
EXAMPLES = 3  # samples of each cell kept for the figure of encoded ones


def run(cell: Cell) -> Iterator[Row]:
    """Trains one model on one signal and yields accuracy, clean accuracy and reliance on the whole test split.

    For a signal that tells only a part of the label also its ceiling, `signal_ceiling`, on the training split.
    Leaves instances.parquet (label, wrong label and the predictions of every test sample) and a few samples before and
    after encoding and, of a ConvNet on texts, which characters it looks at.
    """
    import torch

    recipe: Recipe = cell.subject
    dataset: Dataset = cell.dataset
    model, predict = _fitted(cell)
    carriers, encoded, y = test_set(recipe, dataset)
    y = y.numpy()
    wrong = wrong_labels(y, n_classes=dataset.n_classes, rng=numpy_rng(recipe.seed, "wrong labels"))
    preds = {"encoded": predict(encoded), "clean": predict(carriers)}
    index = np.linspace(0, len(y) - 1, EXAMPLES + 2).astype(int)[1:-1]  # from across the classes
    shown = {"carrier": carriers[index], "encoded": encoded[index]}
    looked = _characters(model, dataset, shown, y[index]) if recipe.kind == "convnet" else {}
    cell.keep(**{name: x.numpy() for name, x in shown.items()}, **looked)
    del encoded
    preds["wrong_signal"] = predict(test_set(recipe, dataset, torch.from_numpy(wrong))[1])
    _save_instances(cell.run, dataset, y, wrong, preds)

    clean = accuracy(preds["clean"], y)
    measured = {
        "accuracy": accuracy(preds["encoded"], y), "clean_accuracy": clean,
        "reliance": reliance(preds["wrong_signal"], wrong),
        "wrong_signal_accuracy": accuracy(preds["wrong_signal"], y),
        "blind_level": blind_level(clean, dataset.n_classes)}
    at = {"method": recipe.signal.name, "condition": recipe.condition.name if recipe.condition else "none",
          "axes": _axes(recipe, dataset)}
    for metric, value in measured.items():
        yield cell.row(metric, value, "fraction", len(y), **at)
    if (ceiling := _ceiling(recipe, dataset)) is not None:
        yield cell.row("signal_ceiling", ceiling, "fraction", len(dataset.splits["train"]), split="train", **at)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """What the figures of encoded samples show: `<data>/<signal>/<name>`, the first run of each signal.

    Of images one carrier and encoded image, [1, C, H, W] each; of texts what a ConvNet looks at, below `characters/`,
    or `restricted/characters/` where the data's terms restrict redistribution.
    """
    found: dict[str, np.ndarray] = {}
    for one in runs:
        row, saved = one.rows()[0], kept(one)
        if "encoded_heat" in saved:
            restricted = describe("data", one.config()["data"]["name"]).constants.get("RESTRICTED")
            key = f"{'restricted/' if restricted else ''}characters/{row.data}/{row.model}/{spoken(row)}"
            chosen = {name: array for name, array in saved.items() if name not in ("carrier", "encoded")}
        elif row.method != "clean" and saved["carrier"].ndim == 4:
            key, chosen = f"{row.data}/{spoken(row)}", {name: saved[name][:1] for name in ("carrier", "encoded")}
        else:
            continue
        if not any(known.startswith(f"{key}/") for known in found):
            found |= {f"{key}/{name}": array for name, array in chosen.items()}
    return found


def _fitted(cell: Cell) -> tuple[Any, Callable[["torch.Tensor"], np.ndarray]]:
    """The trained model, and a function from samples [N, ...] to predicted classes [N]."""
    recipe, dataset = cell.subject, cell.dataset
    if recipe.kind == "classical":
        _, x, y = training_set(recipe, dataset)
        made = estimator(recipe.model, dataset, x.flatten(1).numpy(), y.numpy(), seed=recipe.seed)
        return made, lambda x: made.predict(x.flatten(1).numpy())

    from convscope.training.predict import logits

    model = cell.network()
    return model, lambda x: logits(model, x, env=cell.env).argmax(1)


def _axes(recipe: Recipe, dataset: Dataset) -> dict[str, float | int | str | bool]:
    """What may vary inside one table cell: the signal's parameters, and how and on how much the model was trained.

    `fit` is what differs from He et al.'s regime beside the number of samples and iterations, as a text.
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


def _characters(model: Any, dataset: Dataset, shown: Mapping[str, "torch.Tensor"],
                y: np.ndarray) -> dict[str, np.ndarray]:
    """Which characters of a few texts speak for the class that the model predicts, and what the texts say.

    For each of `shown` [n, T]: `_heat` float32 [n, T], `_text`, `_pred` (class names) and `_prob` [n]; and `label` [n].
    Nothing of a network that reads its characters in another way than through a OneHot.
    """
    from convscope.attribution import character_gradient
    from convscope.models.one_hot import OneHot

    if not any(isinstance(module, OneHot) for module in model.modules()):
        return {}
    looked = {part: character_gradient.shown(model, x, alphabet=dataset.alphabet, class_names=dataset.class_names,
                                             unknown=UNKNOWN) for part, x in shown.items()}
    return {"label": np.array(dataset.class_names)[y],
            **{f"{part}_{name}": array for part, told in looked.items() for name, array in told.items()}}


def _ceiling(recipe: Recipe, dataset: Dataset) -> float | None:
    """The best accuracy that the signal alone allows on this data, where it tells only a part of the label."""
    ceiling = getattr(import_module(recipe.signal.method.module), "ceiling", None)
    if ceiling is None:
        return None
    split = dataset.splits["train"]
    return ceiling(split.x(), split.y, n_classes=dataset.n_classes, **recipe.signal.arguments)


def _save_instances(run: Run, dataset: Dataset, y: np.ndarray, wrong: np.ndarray, preds: Mapping[str, Any]) -> None:
    import pandas as pd

    frame = pd.DataFrame({"id": np.asarray(dataset.splits["test"].ids), "label": y, "wrong_label": wrong,
                          **{f"pred_{name}": pred for name, pred in preds.items()}})
    frame.to_parquet(run.folder / "instances.parquet", index=False)
