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
from convscope.rng import derive, numpy_rng
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.blindspots_report import figures, ledger, pages, spoken, tables
from convscope.training.recipe import Recipe, load_data, read_recipe, test_set, training_set

if TYPE_CHECKING:
    import torch

    from convscope.models.classifier import Classifier

VERSION = 1
EXAMPLES = 3  # samples of each cell kept for the figure of encoded ones

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    recipe = read_recipe(cfg)
    dataset = load_data(recipe, cfg["env"])
    recipe.check_kind(dataset.kind)
    return {"version": VERSION, **recipe.identity(dataset)}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    recipe = read_recipe(cfg)
    condition = f" on {recipe.condition.name} images" if recipe.condition else ""
    pixels = recipe.data.method.constants.get("KIND") != "text"
    raw = " (raw pixels)" if recipe.kind == "convnet" and pixels and not recipe.normalise else ""
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

    For a signal that tells only a part of the label also its ceiling, `signal_ceiling`, on the training split.
    Leaves instances.parquet (label, wrong label and the predictions of every test sample) and examples.npz beside them:
    a few samples before and after encoding and, of a ConvNet on texts, which characters it looks at.
    """
    import torch

    recipe = read_recipe(cfg)
    dataset = load_data(recipe, cfg["env"])
    model, predict = _fit(recipe, dataset, Store(run.root), cfg["env"], on_epoch)
    carriers, encoded, y = test_set(recipe, dataset)
    y = y.numpy()
    wrong = wrong_labels(y, n_classes=dataset.n_classes, rng=numpy_rng(recipe.seed, "wrong labels"))
    preds = {"encoded": predict(encoded), "clean": predict(carriers)}
    index = np.linspace(0, len(y) - 1, EXAMPLES + 2).astype(int)[1:-1]  # from across the classes
    shown = {"carrier": carriers[index], "encoded": encoded[index]}
    looked = _characters(model, dataset, shown, y[index]) if model and recipe.kind == "convnet" else {}
    saved: dict[str, Any] = {**{name: x.numpy() for name, x in shown.items()}, **looked}
    np.savez(run.folder / "examples.npz", **saved)
    del encoded
    preds["wrong_signal"] = predict(test_set(recipe, dataset, torch.from_numpy(wrong))[1])
    _save_instances(run, dataset, y, wrong, preds)

    measured = {
        "accuracy": accuracy(preds["encoded"], y), "clean_accuracy": accuracy(preds["clean"], y),
        "reliance": reliance(preds["wrong_signal"], wrong),
        "wrong_signal_accuracy": accuracy(preds["wrong_signal"], y),
    }
    measured["blind_level"] = blind_level(measured["clean_accuracy"], dataset.n_classes)
    results = [(metric, value, "test", len(y)) for metric, value in measured.items()]
    if (ceiling := _ceiling(recipe, dataset)) is not None:
        results.append(("signal_ceiling", ceiling, "train", len(dataset.splits["train"])))
    for metric, value, split, n in results:
        yield Row(
            study="blindspots", run_id=run.id, data=recipe.data_label, split=split, model=recipe.model.label,
            method=recipe.signal.name, condition=recipe.condition.name if recipe.condition else "none",
            axes=_axes(recipe, dataset), seed=recipe.seed, metric=metric, value=value, unit="fraction", n=n)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """What the figures of encoded samples show: `<data>/<signal>/<name>`, the first run of each signal.

    Of images one carrier and encoded image, [1, C, H, W] each; of texts what a ConvNet looks at, below `characters/`,
    or `restricted/characters/` where the data's terms restrict redistribution.
    """
    found: dict[str, np.ndarray] = {}
    for one in runs:
        row = one.rows()[0]
        signal = spoken(row)
        with np.load(one.folder / "examples.npz") as saved:
            if "encoded_heat" in saved:
                restricted = describe("data", one.config()["data"]["name"]).constants.get("RESTRICTED")
                key = f"{'restricted/' if restricted else ''}characters/{row.data}/{row.model}/{signal}"
                chosen = {name: array for name, array in saved.items() if name not in ("carrier", "encoded")}
            elif row.method != "clean" and saved["carrier"].ndim == 4:
                key, chosen = f"{row.data}/{signal}", {name: saved[name][:1] for name in ("carrier", "encoded")}
            else:
                continue
        if not any(known.startswith(f"{key}/") for known in found):
            found |= {f"{key}/{name}": array for name, array in chosen.items()}
    return found


def _fit(recipe: Recipe, dataset: Dataset, store: Store, env: Mapping[str, Any],
         on_epoch: Callable[[dict[str, float]], None] | None
         ) -> tuple["Classifier | None", Callable[["torch.Tensor"], np.ndarray]]:
    """A trained network, if it is one, and a function from samples [N, ...] to predicted classes [N]."""
    if recipe.kind == "classical":
        estimator = recipe.model.call(
            n_classes=dataset.n_classes, input_shape=dataset.input_shape, alphabet=dataset.alphabet,
            random_state=derive(recipe.seed, "estimator") % 2**32)
        _, x, y = training_set(recipe, dataset)
        estimator.fit(x.flatten(1).numpy(), y.numpy())
        return None, lambda x: estimator.predict(x.flatten(1).numpy())

    from convscope.training.predict import logits
    from convscope.training.shared import get_or_train

    model = get_or_train(recipe, dataset, store, env=env, on_epoch=on_epoch)
    return model, lambda x: logits(model, x, env=env).argmax(1)


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


def _characters(model: "Classifier", dataset: Dataset, shown: Mapping[str, "torch.Tensor"],
                y: np.ndarray) -> dict[str, np.ndarray]:
    """Which characters of a few texts speak for the class that the model predicts, and what the texts say.

    For each of `shown` [n, T]: `_heat` float32 [n, T], `_text`, `_pred` (class names) and `_prob` [n]; and `label` [n].
    Nothing of a network that reads its characters in another way than through a OneHot.
    """
    import torch

    from convscope.attribution.character_gradient import attribute
    from convscope.models.one_hot import OneHot
    from convscope.studies.blindspots_texts import UNKNOWN

    if not any(isinstance(module, OneHot) for module in model.modules()):
        return {}

    symbols, names = np.array([*dataset.alphabet, UNKNOWN]), np.array(dataset.class_names)
    found = {"label": names[y]}
    for name, x in shown.items():
        with torch.no_grad():
            probs = model(x).softmax(1)
        pred = probs.argmax(1)
        found |= {f"{name}_heat": attribute(model, x, pred).numpy(), f"{name}_pred": names[pred.numpy()],
                  f"{name}_prob": probs.amax(1).numpy(),
                  f"{name}_text": np.array(["".join(symbols[line]) for line in x.numpy()])}
    return found


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
