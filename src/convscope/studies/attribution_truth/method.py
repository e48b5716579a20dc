"""Do attributions find the evidence where it is known to be? (in the manner of Arras et al. 2022, CLEVR-XAI)

A network learns images that carry their label in known pixels, the signals of the blindspots paper, loud enough to be
seen. Only images that it reads by the signal are explained: right with the true label encoded, and following a wrong
one. Then every attribution is asked how much of it lies on those pixels, and whether the network agrees with it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.family import Bound, ConfigError, bind, check_serves, whole
from convscope.metrics import localisation
from convscope.metrics.accuracy import accuracy
from convscope.metrics.reliance import reliance, wrong_labels
from convscope.rng import derive, numpy_rng, torch_rng
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.attribution_truth_report import CONTROLS, CURVES, figures, ledger, pages, tables
from convscope.training.recipe import Recipe, load_data, read_recipe, test_set

if TYPE_CHECKING:
    from torch import Tensor, nn

VERSION = 1
FILL = 0.5       # grey, of covered pixels in deletion and insertion
LOCAL = 0.5      # a signal on a larger share of the pixels is nowhere in particular
USED = 0.5       # a network that reads fewer test images by the signal is told of, and its attributions are not judged

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    recipe, methods, images = _read(cfg)
    dataset = load_data(recipe, cfg["env"])
    recipe.check_kind(dataset.kind)
    for method in methods:
        check_serves("attribution", method, dataset.kind, recipe.data.name)
    return {"version": VERSION, **recipe.identity(dataset), "images": images,
            "methods": [method.identity() for method in methods]}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    recipe, _, _ = _read(cfg)
    return f"{recipe.data_label} | {recipe.model.label} | {recipe.signal.label} | seed {recipe.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    """convnet or shallow."""
    return _read(cfg)[0].kind


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """The training curve of the network."""
    from convscope.training import shared

    recipe, _, _ = _read(cfg)
    return shared.curve(recipe, load_data(recipe, cfg["env"]), Store(run.root))


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields the network's accuracy and reliance, and for each attribution how well it finds the signal.

    Of a network that does not read by the signal, the first two only. Leaves example.npz: one image, where its signal
    is, and every attribution of it; and the mean deletion and insertion curve of every attribution, [steps + 1].
    """
    import torch

    from convscope.attribution import faithfulness
    from convscope.training import shared

    recipe, methods, images = _read(cfg)
    dataset = load_data(recipe, cfg["env"])
    model = shared.get_or_train(recipe, dataset, Store(run.root), env=cfg["env"], on_epoch=on_epoch)

    def row(method: str, metric: str, value: float, n: int) -> Row:
        return Row(study="attribution_truth", run_id=run.id, data=recipe.data_label, split="test",
                   model=recipe.model.label, method=method, seed=recipe.seed, metric=metric, value=float(value),
                   condition=recipe.condition.label if recipe.condition else "none", unit="fraction", n=n,
                   axes={"signal": recipe.signal.label})

    x, y, mask, known = _read_by_signal(recipe, dataset, model, cfg["env"])
    for metric, value in known.items():
        yield row("none", metric, value, len(dataset.splits["test"]))
    if known["explained"] < USED:  # no truth to find
        return
    chosen = np.sort(numpy_rng(recipe.seed, "explained").permutation(len(x))[:images])
    x, y, mask = x[chosen], y[chosen], mask[chosen]
    one = len(x) // 2  # of a class in the middle
    shown = {"image": x[one].numpy(), "mask": mask[one]}
    for name, explain in _attributions(methods, recipe.seed).items():
        found = explain(model, x, y)
        heat = localisation.heatmap(found.numpy())
        shown[f"heat/{name}"] = heat[one]
        for metric in ("mass_accuracy", "rank_accuracy", "pointing_game"):
            yield row(name, metric, getattr(localisation, metric)(heat, mask).mean(), len(x))
        for metric in CURVES:
            curve_BS = getattr(faithfulness, metric)(model, x, y, torch.from_numpy(heat), fill=FILL)
            shown[f"{metric}/{name}"] = curve_BS.mean(dim=0).cpu().numpy()
            yield row(name, metric, float(faithfulness.area(curve_BS).mean()), len(x))
        if name not in CONTROLS:
            yield row(name, "left_with_random_weights", _left(model, x, y, heat, explain, recipe.seed), len(x))
    yield row("none", "evidence", mask.mean(), len(x))
    np.savez(run.folder / "example.npz", **shown)  # pyright: ignore[reportArgumentType]


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """One example per data, signal and model, from the first seed: `<data>/<signal>/<model>/<name>`, float32.

    And of every judged network `curves/<run id>`, [2, steps + 1]: its deletion and its insertion curve, with a float32
    field for each method. Not their mean: a report joins the runs of several commands, and the mean is over all.
    """
    found: dict[str, np.ndarray] = {}
    for one in sorted(runs, key=lambda run: run.rows()[0].seed):
        row = one.rows()[0]
        key = f"{row.data}/{row.axes['signal']}/{row.model}"
        if not (one.folder / "example.npz").is_file():
            continue
        with np.load(one.folder / "example.npz") as saved:
            if f"{key}/image" not in found:
                found |= {f"{key}/{name}": array if array.dtype == bool else array.astype(np.float32)
                          for name, array in saved.items() if name.partition("/")[0] not in CURVES}
            methods = [name.removeprefix("deletion/") for name in saved if name.startswith("deletion/")]
            curves = [np.stack([saved[f"{way}/{method}"] for way in CURVES]) for method in methods]
        if curves:  # none in runs from before they were kept
            fields = [(method, np.float32) for method in methods]
            found[f"curves/{one.id}"] = np.asarray(np.rec.fromarrays(curves, dtype=fields))
    return found


def _read(cfg: Mapping[str, Any]) -> tuple[Recipe, list[Bound], int]:
    recipe = read_recipe(cfg)
    if recipe.kind == "classical":
        raise ConfigError(f"attributions look into networks, {recipe.model.name} is none; choose a network as model")
    if not isinstance(cfg["methods"], Mapping) or not cfg["methods"]:
        raise ConfigError(f"methods must map names of attributions to their settings, got {cfg['methods']!r}")
    methods = [bind("attribution", {"name": name, **(settings or {})}) for name, settings in cfg["methods"].items()]
    return recipe, methods, whole("images", cfg["images"], least=1)


def _read_by_signal(recipe: Recipe, dataset: Dataset, model: "nn.Module", env: Mapping[str, Any]
                    ) -> tuple["Tensor", "Tensor", np.ndarray, dict[str, float]]:
    """(x, y, mask) of the test images that the network reads by the signal, and its accuracy and reliance on all.

    The mask, bool [N, H, W], is true where a pixel depends on the label that is encoded.
    """
    import torch

    from convscope.training.predict import logits

    _, x, y = test_set(recipe, dataset)
    depends = torch.zeros(len(x), *x.shape[2:], dtype=torch.bool)
    for label in range(dataset.n_classes):
        depends |= (test_set(recipe, dataset, torch.full_like(y, label))[1] != x).any(dim=1)
    if float(depends.float().mean()) > LOCAL:
        raise ValueError(f"{recipe.signal.label} lies on {float(depends.float().mean()):.0%} of the pixels, nowhere in "
                         "particular; take a signal of single pixels, as one_pixel or pattern_pixels")
    wrong = wrong_labels(y.numpy(), n_classes=dataset.n_classes, rng=numpy_rng(recipe.seed, "wrong"))
    pred = logits(model, x, env=env).argmax(axis=1)
    misled = logits(model, test_set(recipe, dataset, torch.from_numpy(wrong))[1], env=env).argmax(axis=1)
    used = (pred == y.numpy()) & (misled == wrong) & depends.flatten(1).any(dim=1).numpy()
    return x[used], y[used], depends.numpy()[used], {
        "accuracy": accuracy(pred, y.numpy()), "reliance": reliance(misled, wrong), "explained": float(used.mean())}


def _attributions(methods: list[Bound], seed: int) -> dict[str, Callable[..., "Tensor"]]:
    """Every attribution by its label as a function of model, x and target; last the controls, which know no model."""
    import torch
    from torch.nn import functional

    def edges(model: "nn.Module", x: "Tensor", target: "Tensor") -> "Tensor":
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return torch.hypot(padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1],
                           padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2])

    def chance(model: "nn.Module", x: "Tensor", target: "Tensor") -> "Tensor":
        return torch.rand(x.shape, generator=torch_rng(seed, "chance"))

    return {**{method.name: lambda model, x, target, method=method: method.call(
        model=model, x=x, target=target, rng=torch_rng(seed, method.name)).expand_as(x) for method in methods},
        "edges": edges, "chance": chance}


def _left(model: "nn.Module", x: "Tensor", y: "Tensor", heat: np.ndarray, explain: Callable[..., "Tensor"],
          seed: int) -> float:
    """How much of the map is left when all weights are random."""
    import torch

    from convscope.attribution import faithfulness

    *_, (_, random) = faithfulness.randomised(model, seed=derive(seed, "randomised") % 2**31)
    without = torch.from_numpy(localisation.heatmap(explain(random, x, y).numpy()))
    return float(faithfulness.rank_correlation(torch.from_numpy(heat), without).mean())
