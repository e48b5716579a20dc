"""Do attributions find the evidence where it is known to be? (in the manner of Arras et al. 2022, CLEVR-XAI)

A network learns images that carry their label in known pixels, the signals of the blindspots paper, loud enough to be
seen. Only images that it reads by the signal are explained: right with the true label encoded, and following a wrong
one. Then every attribution is asked how much of it lies on those pixels, and whether the network agrees with it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from convscope.family import Bound, Count, check_serves
from convscope.metrics import localisation
from convscope.metrics.accuracy import accuracy
from convscope.metrics.reliance import reliance, wrong_labels
from convscope.rng import derive, numpy_rng, torch_rng
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.attribution_truth.report import CONTROLS, CURVES
from convscope.studies.study import Cell, kept
from convscope.training.recipe import test_set

if TYPE_CHECKING:
    from torch import Tensor, nn

VERSION = 1
MODELS = ("convnet", "shallow")
FILL = 0.5       # grey, of covered pixels in deletion and insertion
LOCAL = 0.5      # a signal on a larger share of the pixels is nowhere in particular
USED = 0.5       # a network that reads fewer test images by the signal is told of, and its attributions are not judged
Explain = Callable[["nn.Module", "Tensor", "Tensor"], "Tensor"]


def check(cell: Cell) -> None:
    """Raises ConfigError for an attribution that is not for data of this kind."""
    for method in cell.settings.arguments["methods"].values():
        check_serves("attribution", method, cell.dataset.kind, cell.subject.data.name)


def run(cell: Cell, *, images: Count, methods: dict[str, Annotated[Bound, "attribution"]]) -> Iterator[Row]:
    """Yields the network's accuracy and reliance, and for each attribution how well it finds the signal.

    Of a network that does not read by the signal, the first two only. Keeps one image, where its signal is, and every
    attribution of it; and the mean deletion and insertion curve of every attribution, [steps + 1].
    """
    import torch

    from convscope.attribution import faithfulness

    recipe, model = cell.subject, cell.network()

    def row(metric: str, value: float, n: int, method: str = "none") -> Row:
        return cell.row(metric, value, "fraction", n, {"signal": recipe.signal.label}, method=method,
                        condition=recipe.condition.label if recipe.condition else "none")

    x, y, mask, known = _read_by_signal(cell, model)
    for metric, value in known.items():
        yield row(metric, value, len(cell.dataset.splits["test"]))
    if known["explained"] < USED:  # no truth to find
        return
    chosen = np.sort(numpy_rng(cell.seed, "explained").permutation(len(x))[:images])
    x, y, mask = x[chosen], y[chosen], mask[chosen]
    one = len(x) // 2  # of a class in the middle
    shown = {"image": x[one].numpy(), "mask": mask[one]}
    for name, explain in _attributions(methods, cell.seed).items():
        def heated(network: Any, explain: Explain = explain) -> np.ndarray:
            return localisation.heatmap(explain(network, x, y).numpy())

        heat = heated(model)
        shown[f"heat/{name}"] = heat[one]
        for metric in ("mass_accuracy", "rank_accuracy", "pointing_game"):
            yield row(metric, getattr(localisation, metric)(heat, mask).mean(), len(x), name)
        for way in CURVES:
            curve_BS = getattr(faithfulness, way)(model, x, y, torch.from_numpy(heat), fill=FILL)
            shown[f"{way}/{name}"] = curve_BS.mean(dim=0).cpu().numpy()
            yield row(way, float(faithfulness.area(curve_BS).mean()), len(x), name)
        if name not in CONTROLS:
            left = faithfulness.left_with_random_weights(
                model, torch.from_numpy(heat), lambda network, heated=heated: torch.from_numpy(heated(network)),
                seed=derive(cell.seed, "randomised") % 2**31)
            yield row("left_with_random_weights", float(left.mean()), len(x), name)
    yield row("evidence", mask.mean(), len(x))
    cell.keep(**shown)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """One example per data, signal and model, from the first seed: `<data>/<signal>/<model>/<name>`, float32.

    And of every judged network `curves/<run id>`, [2, steps + 1]: its deletion and its insertion curve, with a float32
    field for each method. Not their mean: a report joins the runs of several commands, and the mean is over all.
    """
    found: dict[str, np.ndarray] = {}
    for one in sorted(runs, key=lambda run: run.rows()[0].seed):
        row, saved = one.rows()[0], kept(one)
        key = f"{row.data}/{row.axes['signal']}/{row.model}"
        if f"{key}/image" not in found:
            found |= {f"{key}/{name}": array if array.dtype == bool else array.astype(np.float32)
                      for name, array in saved.items() if name.partition("/")[0] not in CURVES}
        methods = [name.removeprefix("deletion/") for name in saved if name.startswith("deletion/")]
        if methods:  # none in runs from before they were kept
            found[f"curves/{one.id}"] = np.asarray(np.rec.fromarrays(
                [np.stack([saved[f"{way}/{method}"] for way in CURVES]) for method in methods],
                dtype=[(method, np.float32) for method in methods]))
    return found


def _read_by_signal(cell: Cell, model: "nn.Module") -> tuple["Tensor", "Tensor", np.ndarray, dict[str, float]]:
    """(x, y, mask) of the test images that the network reads by the signal, and its accuracy and reliance on all.

    The mask, bool [N, H, W], is true where a pixel depends on the label that is encoded.
    """
    import torch

    from convscope.training.predict import logits

    recipe, dataset = cell.subject, cell.dataset
    _, x, y = test_set(recipe, dataset)
    depends = torch.zeros(len(x), *x.shape[2:], dtype=torch.bool)
    for label in range(dataset.n_classes):
        depends |= (test_set(recipe, dataset, torch.full_like(y, label))[1] != x).any(dim=1)
    if (share := float(depends.float().mean())) > LOCAL:
        raise ValueError(f"{recipe.signal.label} lies on {share:.0%} of the pixels, nowhere in particular; take a "
                         "signal of single pixels, as one_pixel or pattern_pixels")
    label = y.numpy()
    wrong = wrong_labels(label, n_classes=dataset.n_classes, rng=numpy_rng(recipe.seed, "wrong"))
    pred = logits(model, x, env=cell.env).argmax(axis=1)
    misled = logits(model, test_set(recipe, dataset, torch.from_numpy(wrong))[1], env=cell.env).argmax(axis=1)
    used = (pred == label) & (misled == wrong) & depends.flatten(1).any(dim=1).numpy()
    return x[used], y[used], depends.numpy()[used], {
        "accuracy": accuracy(pred, label), "reliance": reliance(misled, wrong), "explained": float(used.mean())}


def _attributions(methods: dict[str, Any], seed: int) -> dict[str, Explain]:
    """Every attribution by its name as a function of model, x and target; last the controls, which know no model."""
    from convscope.attribution import controls

    found = {name: lambda model, x, target, method=method: method.call(
        model=model, x=x, target=target, rng=torch_rng(seed, method.name)).expand_as(x)
        for name, method in methods.items()}
    return {**found, "edges": lambda model, x, target: controls.edges(x),
            "chance": lambda model, x, target: controls.chance(x, rng=torch_rng(seed, "chance"))}
