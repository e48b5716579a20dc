"""Imbalanced classes: do resampled training data help, and does choosing among draws by complexity?
(debugging paper, section 3.3 and Figure 3)

One cell takes two classes, a classifier and a seed, makes the training data imbalanced at every ratio, resamples them
by every method, trains, and scores on the test split as it is. The positive class is the rare one, the second.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.loading import data_identity, data_label, load_bound
from convscope.family import Bound, ConfigError, bind, check_serves, whole
from convscope.rng import derive, numpy_rng, seeded
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.resampling_report import CHOICES, METHODS, figures, ledger, pages, tables
from convscope.training.recipe import FIT

VERSION = 1
KEPT = 600  # points of a 2-D set that are kept for its picture

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


@dataclass(frozen=True)
class Setup:
    """`ratios` are majority : 1, `n_majority` bounds the training samples of the majority, `repeats` are draws."""

    data: Bound
    model: Bound
    fit: Bound | None
    methods: tuple[str, ...]
    ratios: tuple[float, ...]
    n_majority: int
    repeats: int
    seed: int


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    setup, dataset = _read(cfg)
    return {"version": VERSION, "data": data_identity(setup.data, dataset, seed=setup.seed),
            "model": setup.model.identity(), **({"fit": setup.fit.identity()} if setup.fit else {}),
            "methods": list(setup.methods), "ratios": list(setup.ratios), "n_majority": setup.n_majority,
            "repeats": setup.repeats, "seed": setup.seed}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    setup, _ = _read(cfg)
    return f"{data_label(setup.data)} | {setup.model.label} | seed {setup.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    return bind("models", cfg["model"]).method.constants.get("KIND", "convnet")


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """One cell trains many small models: it has no one curve."""
    return []


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields AUC, balanced accuracy, average precision and the number of resampled samples per ratio and method.

    Leaves points.npz for data in the plane: what was there, and what each method made of it, at the largest ratio.
    """
    setup, dataset = _read(cfg)
    train, test = dataset.splits["train"], dataset.splits["test"]
    shown: dict[str, np.ndarray] = {}
    for ratio in setup.ratios:
        index = _imbalanced(setup, train.y, ratio)
        x, y = train.x(index).reshape(len(index), -1), train.y[index]
        for method in setup.methods:
            new_x, new_y = _resample(setup, method, ratio, x, y)
            if dataset.input_shape == (2,) and ratio == max(setup.ratios):
                few = numpy_rng(setup.seed, "shown").permutation(len(new_y))[:KEPT]
                shown |= {f"{method}/x": new_x[few], f"{method}/y": new_y[few]}
            scores = _score(setup, dataset, new_x, new_y, test.x(), cfg["env"], (method, f"{ratio:g}"))
            for metric, value, n in [*_metrics(test.y, scores), ("n_resampled", float(len(new_y)), len(new_y))]:
                yield Row(study="resampling", run_id=run.id, data=data_label(setup.data),
                          split="train" if metric == "n_resampled" else "test", model=setup.model.label, method=method,
                          condition="none", axes={"ratio": ratio, "repeats": setup.repeats,
                                                  "n_majority": setup.n_majority},
                          seed=setup.seed, metric=metric, value=value,
                          unit="samples" if metric == "n_resampled" else "fraction", n=n)
    np.savez(run.folder / "points.npz", **shown)  # pyright: ignore[reportArgumentType]


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """Points before and after each method, of the first run on each data set in the plane: `<data>/<method>/<x, y>`."""
    found: dict[str, np.ndarray] = {}
    for one in runs:
        data = one.rows()[0].data
        if not any(known.startswith(f"{data}/") for known in found):
            with np.load(one.folder / "points.npz") as saved:
                found |= {f"{data}/{name}": array for name, array in saved.items()}
    return found


def _read(cfg: Mapping[str, Any]) -> tuple[Setup, Dataset]:
    seed, ratios, methods = whole("seed", cfg["seed"]), cfg["ratios"], cfg["methods"]
    most, repeats = (whole(name, cfg[name], least=1) for name in ("n_majority", "repeats"))
    data, model = bind("data", cfg["data"]), bind("models", cfg["model"])
    if not isinstance(ratios, Sequence) or isinstance(ratios, str) or not ratios or not all(
            isinstance(r, (int, float)) and not isinstance(r, bool) and r >= 1 for r in ratios):
        raise ConfigError(f"ratios must be a list of numbers, at least 1 (majority : 1), got {ratios!r}")
    if not isinstance(methods, Sequence) or isinstance(methods, str) or not methods or set(methods) - set(METHODS):
        raise ConfigError(f"methods must be a list of some of {', '.join(METHODS)}, got {methods!r}")
    key = FIT[model.method.constants.get("KIND", "convnet")]
    dataset = load_bound(data, cfg["env"], seed=seed)
    check_serves("model", model, dataset.kind, data.name)
    if dataset.n_classes != 2:
        path = f" data.path={data.arguments['path']}" if data.arguments.get("path") else ""
        raise ConfigError(f"resampling compares two classes, {data.name} has {dataset.n_classes}; choose two: "
                          f"data=pair data.of={data.name}{path} data.classes=[{','.join(dataset.class_names[:2])}]")
    return Setup(data, model, bind("training", cfg[key]) if key else None, tuple(methods),
                 tuple(float(r) for r in ratios), most, repeats, seed), dataset


def _imbalanced(setup: Setup, y: np.ndarray, ratio: float) -> np.ndarray:
    """Indices of at most n_majority samples of class 0 and 1 / ratio as many of class 1: for a seed nested in ratio."""
    drawn = [numpy_rng(setup.seed, "subset", k).permutation(np.flatnonzero(y == k)) for k in (0, 1)]
    majority = min(setup.n_majority, *map(len, drawn))
    minority = round(majority / ratio)
    if minority < 2:
        raise ValueError(f"at {ratio:g}:1 the rare class keeps {minority} of {majority} samples, 2 or more are needed; "
                         "lower the ratio or raise n_majority")
    return np.sort(np.concatenate([drawn[0][:majority], drawn[1][:minority]]))


def _resample(setup: Setup, method: str, ratio: float, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from convscope.complexity import thresholds
    from convscope.resampling.capacity import CapacityResampler
    from convscope.resampling.methods import build

    inner, choice = next(((method.removesuffix(end), end) for end in CHOICES if method.endswith(end)), (method, ""))
    state = derive(setup.seed, "resample", method, f"{ratio:g}") % 2**32
    sampler = build(inner, y, random_state=state)
    if sampler is None:
        return x, y
    if choice:
        sampler = CapacityResampler(
            sampler, lambda x, y: thresholds.measure(x, y).thresholds / len(y), n_repeats=setup.repeats,
            largest=choice == "_most_complex", random_state=state)
    new_x, new_y, *_ = sampler.fit_resample(x, y)
    return np.asarray(new_x, dtype=np.float32), np.asarray(new_y)


def _score(setup: Setup, dataset: Dataset, x: np.ndarray, y: np.ndarray, test_x: np.ndarray, env: Mapping[str, Any],
           names: tuple[str, str]) -> np.ndarray:
    """[N] how much each test sample looks like class 1, by a model trained on flat x [n, D] and y."""
    if setup.fit is None:
        estimator = setup.model.call(n_classes=2, input_shape=dataset.input_shape,
                                     random_state=derive(setup.seed, "estimator") % 2**32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a logistic regression that stops at its iterations
            estimator.fit(x, y)
        flat = test_x.reshape(len(test_x), -1)
        if hasattr(estimator, "decision_function"):
            return np.asarray(estimator.decision_function(flat))
        return estimator.predict_proba(flat)[:, 1] - 0.5

    import torch

    from convscope.models.classifier import Classifier
    from convscope.training.predict import logits
    from convscope.training.shared import channel_statistics

    images = x.reshape(len(x), *dataset.input_shape)
    mean, std = channel_statistics(images) if dataset.kind == "image" else (None, None)
    with seeded(setup.seed, "init"):
        network = setup.model.call(n_classes=2, input_shape=dataset.input_shape, alphabet="")
    model = Classifier(network, input_shape=dataset.input_shape, class_names=dataset.class_names, mean=mean, std=std)
    setup.fit.function()(model, torch.from_numpy(images), torch.from_numpy(y), seed=derive(setup.seed, *names) % 2**31,
                         env={**env, "progress": False}, **setup.fit.arguments)
    found = logits(model, torch.from_numpy(test_x), env=env)
    return found[:, 1] - found[:, 0]


def _metrics(y: np.ndarray, scores: np.ndarray) -> list[tuple[str, float, int]]:
    from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

    return [("auc", float(roc_auc_score(y, scores)), len(y)),
            ("balanced_accuracy", float(balanced_accuracy_score(y, scores > 0)), len(y)),
            ("average_precision", float(average_precision_score(y, scores)), len(y))]
