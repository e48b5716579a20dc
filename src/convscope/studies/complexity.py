"""How much is there to learn? Data complexity by two measures (debugging paper, section 3.1, Table 1 and Figure 1).

One cell measures one data set with one seed: Friedland's thresholds on the raw values, and the cumulative spectral
gradient (CSG) of an embedding, at the number of samples that the paper's table has and, for raw values, at others.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset, Split
from convscope.data.loading import data_identity, data_label, drawn, load_bound
from convscope.family import Bound, ConfigError, bind, check_serves, whole
from convscope.rng import numpy_rng
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.complexity_report import figures, ledger, pages, tables

VERSION = 1
PLOTTED = 500  # points of a 2-D set that are kept for its picture

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


@dataclass(frozen=True)
class Setup:
    """What one cell measures: `headline` samples for each measure's number in the tables, `sizes` for its curve."""

    data: Bound
    thresholds: Bound
    csg: Bound
    embedding: Bound
    headline: Mapping[str, int]
    sizes: tuple[int, ...]
    seed: int


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    setup, dataset = _read(cfg)
    check_serves("embedding", setup.embedding, dataset.kind, setup.data.name)
    network = {}
    if "features" in setup.embedding.method.runtime:
        from convscope.training.recipe import read_recipe

        network = {"network": read_recipe(_training(cfg)).identity(dataset)}
    return {"version": VERSION, "data": data_identity(setup.data, dataset, seed=setup.seed),
            "thresholds": setup.thresholds.identity(), "csg": setup.csg.identity(),
            "embedding": setup.embedding.identity(), "headline": dict(setup.headline), "sizes": list(setup.sizes),
            "seed": setup.seed, **network}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    setup, _ = _read(cfg)
    return f"{data_label(setup.data)} | {setup.embedding.label} | seed {setup.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    return "measure"


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """Nothing is trained here."""
    return []


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Measures one data set's training split; yields rows at every number of samples.

    Leaves measured.npz: class overlap W, its Laplacian's eigenvalues, a map of the classes, the class names, and the
    points themselves where they have two dimensions.
    """
    from convscope.complexity import csg, thresholds

    setup, dataset = _read(cfg)
    split = dataset.splits["train"]
    order = numpy_rng(setup.seed, "subset").permutation(len(split))
    raw = setup.embedding.name == "raw"
    headline = {method: min(n, len(split)) for method, n in setup.headline.items()}
    curve = {min(size, len(split)) for size in setup.sizes} | {headline["thresholds"]} if raw else set()
    for n in sorted(curve | {headline["csg"]}):
        index = np.sort(order[:n])
        y = split.y[index]
        found: dict[str, list[tuple[str, float, str]]] = {}
        if raw:
            # The stored whole numbers, not pixels in [0, 1]: their sums are exact, so that ties stay ties.
            told = thresholds.measure(split.stored[index], y, **setup.thresholds.arguments)
            found["thresholds"] = [
                ("complexity_bits", told.complexity_bits, "bits"), ("exact_bits", told.exact_bits, "bits"),
                ("thresholds", told.thresholds, "label changes"), ("ratio", told.ratio, ""),
                ("upper_bound_bits", told.upper_bound_bits, "bits")]
            _warn(told.warnings, n)
        if n == headline["csg"] or np.bincount(y, minlength=dataset.n_classes).min() > setup.csg.arguments["k"]:
            x = setup.embedding.call(x=split.x(index), rng=numpy_rng(setup.seed, "embedding"),
                                     features=lambda x: _features(cfg, dataset, run, x))
            overlap = csg.measure(x, y, rng=numpy_rng(setup.seed, "csg", n), **setup.csg.arguments)
            found["csg"] = [("csg", overlap.csg, "")]
            _warn(overlap.warnings, n)
            if n == headline["csg"]:
                _save(run.folder / "measured.npz", csg.class_map(overlap.w), overlap, dataset, split, order[:n])
        for method, values in found.items():
            axes = {"n_samples": n, "headline": n == headline[method], "n_features": int(np.prod(dataset.input_shape)),
                    "n_classes": dataset.n_classes, **_plain({**setup.thresholds.given, **setup.csg.given})}
            for metric, value, unit in values:
                yield Row(study="complexity", run_id=run.id, data=data_label(setup.data), split="train",
                          model=setup.embedding.label, method=method, condition="none", axes=axes, seed=setup.seed,
                          metric=metric, value=float(value), unit=unit, n=n)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """What the figures show beside rows: `<data>/<embedding>/<w, eigenvalues, ...>`, first seed."""
    found: dict[str, np.ndarray] = {}
    for one in runs:
        row = one.rows()[0]
        key = f"{row.data}/{row.model}"
        if not any(known.startswith(f"{key}/") for known in found):
            with np.load(one.folder / "measured.npz") as saved:
                found |= {f"{key}/{name}": array for name, array in saved.items()}
    return found


def _read(cfg: Mapping[str, Any]) -> tuple[Setup, Dataset]:
    seed, sizes = whole("seed", cfg["seed"]), cfg["sizes"]
    if not isinstance(sizes, (list, tuple)):
        raise ConfigError(f"sizes must be a list of numbers of samples, got {sizes!r}")
    data = bind("data", cfg["data"])
    measures = {name: bind("complexity", {"name": name, **cfg[name]}) for name in ("thresholds", "csg")}
    embedding = bind("embeddings", cfg["embedding"])
    dataset = load_bound(data, cfg["env"], seed=seed)
    headline = {name: _count(cfg["samples"][name], "toys" if drawn(data) else "others") for name in measures}
    return Setup(data, **measures, embedding=embedding, headline=headline, seed=seed,
                 sizes=tuple(_count(size, "") for size in sizes)), dataset


def _count(given: Any, which: str) -> int:
    """A number of samples: one for all data, or one for toys and one for others."""
    count = given.get(which) if isinstance(given, Mapping) else given
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise ConfigError("samples and sizes are whole numbers of samples, at least 2, or such as "
                          f"{{toys: 100, others: 1000}}, got {given!r}")
    return count


def _training(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The config of the network whose penultimate layer embeds: the cell's own model and fit, on clean data."""
    return {**cfg, "signal": {"name": "clean"}}


def _features(cfg: Mapping[str, Any], dataset: Dataset, run: Run, x: np.ndarray) -> np.ndarray:
    import torch

    from convscope.training.predict import penultimate
    from convscope.training.recipe import read_recipe
    from convscope.training.shared import get_or_train

    model = get_or_train(read_recipe(_training(cfg)), dataset, Store(run.root), env=cfg["env"])
    return penultimate(model, torch.from_numpy(x), env=cfg["env"])


def _save(path: Path, places: np.ndarray, overlap: Any, dataset: Dataset, split: Split, index: np.ndarray) -> None:
    shown = {"w": overlap.w, "eigenvalues": overlap.eigenvalues, "map": places,
             "classes": np.array(dataset.class_names)}
    if dataset.input_shape == (2,):
        shown |= {"x": split.x(index[:PLOTTED]), "y": split.y[index[:PLOTTED]]}
    np.savez(path, **shown)


def _warn(told: Iterable[str], n: int) -> None:
    for text in told:
        warnings.warn(f"{n} samples: {text}", stacklevel=2)


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, (int, float, str, bool)) else str(v) for k, v in arguments.items()}
