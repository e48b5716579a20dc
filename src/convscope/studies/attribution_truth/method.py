"""Do attributions find the evidence where it is known to be? (in the manner of Arras et al. 2022, CLEVR-XAI)

A network learns images that carry their label in known pixels, the signals of the blindspots paper, loud enough to be
seen. Only images that it reads by the signal are explained: right with the true label encoded, and following a wrong
one. Then every attribution is asked how much of it lies on those pixels, and whether the network agrees with it.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from convscope.family import Bound, check_serves
from convscope.metrics import localisation
from convscope.rng import derive, numpy_rng
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.attribution_truth.report import CONTROLS, CURVES
from convscope.studies.study import Cell, kept
from convscope.training.evidence import check_local, read_by_signal

if TYPE_CHECKING:
    from torch import nn

VERSION = 1
Explained = Annotated[int, "at least 1 and at most 10000"]
MODELS = ("convnet", "shallow")
FILL = 0.5       # grey, of covered pixels in deletion and insertion
USED = 0.5       # a network that reads fewer test images by the signal is told of, and its attributions are not judged


def check(cell: Cell) -> None:
    """Raises ConfigError for an attribution that is not for data of this kind."""
    for method in cell.settings.arguments["methods"].values():
        check_serves("attribution", method, cell.dataset.kind, cell.subject.data.name)


def rehearse(cell: Cell, model: "nn.Module") -> None:
    """Raises ValueError for a signal that is nowhere in particular, or an attribution that is not for this network."""
    import torch

    from convscope.attribution import trial

    check_local(cell.subject, cell.dataset)
    trial.run(cell.settings.arguments["methods"].values(), model,
              torch.from_numpy(cell.dataset.splits["test"].x(slice(1))))


def run(cell: Cell, *, images: Explained, methods: dict[str, Annotated[Bound, "attribution"]]) -> Iterator[Row]:
    """Yields the network's accuracy and reliance, and for each attribution how well it finds the signal.

    Of a network that does not read by the signal, the first two only. Keeps one image, where its signal is, and every
    attribution of it; and the mean deletion and insertion curve of every attribution, [steps + 1].
    """
    import torch

    from convscope.attribution import controls, faithfulness

    recipe, model = cell.subject, cell.network()

    def row(metric: str, value: float, n: int, method: str = "none") -> Row:
        return cell.row(metric, value, "fraction", n, {"signal": recipe.signal.label}, method=method,
                        condition=recipe.condition.label if recipe.condition else "none")

    x, y, mask, known = read_by_signal(recipe, cell.dataset, model, env=cell.env)
    for metric, value in known.items():
        yield row(metric, value, len(cell.dataset.splits["test"]))
    if known["explained"] < USED:  # no truth to find
        return
    chosen = np.sort(numpy_rng(cell.seed, "explained").permutation(len(x))[:images])
    x, y, mask = x[chosen], y[chosen], mask[chosen]
    one = len(x) // 2  # of a class in the middle
    shown = {"image": x[one].numpy(), "mask": mask[one]}
    for name, explain in controls.beside(methods, seed=cell.seed).items():
        def heated(network: Any, explain: Any = explain) -> np.ndarray:
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
