"""Imbalanced classes: do resampled training data help, and does choosing among draws by complexity?
(debugging paper, section 3.3 and Figure 3)

One cell takes two classes, a classifier and a seed, makes the training data imbalanced at every ratio, resamples them
by every method, trains, and scores on the test split as it is. The positive class is the rare one, the second.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np

from convscope.family import ConfigError, Count, bind, whole
from convscope.rng import derive, numpy_rng
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.study import Cell, first_seed
from convscope.training.direct import second_class_scores
from convscope.training.parts import Parts
from convscope.training.recipe import FIT

VERSION = 1
PARTS = ("data", "model", "fit", "baseline_fit")
KEPT = 600  # points of a 2-D set that are kept for its picture

Ratio = Annotated[float, "at least 1"]
Repeats = Annotated[int, "at least 1 and at most 1000"]
Method = Literal["none", "random_over", "random_under", "smote", "tomek", "smote_tomek", "smote_least_complex",
                 "smote_most_complex", "random_under_least_complex", "random_under_most_complex"]


def run(cell: Cell, *, methods: list[Method], ratios: list[Ratio], n_majority: Count,
        repeats: Repeats) -> Iterator[Row]:
    """Yields AUC, balanced accuracy, average precision and the number of resampled samples per ratio and method.

    `ratios` are majority : 1, `n_majority` bounds the training samples of the majority, `repeats` are the draws among
    which complexity chooses. Keeps of data in the plane what was there, and what each method made of it, at the largest
    ratio.
    """
    from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

    from convscope.complexity import thresholds
    from convscope.resampling import imbalanced
    from convscope.resampling import methods as resamplers

    dataset, parts = cell.dataset, cell.subject.parts
    train, test = dataset.splits["train"], dataset.splits["test"]
    shown: dict[str, np.ndarray] = {}
    for ratio in ratios:
        index = imbalanced.subset(train.y, ratio=ratio, n_majority=n_majority,
                                  rngs=[numpy_rng(cell.seed, "subset", k) for k in (0, 1)])
        x, y = train.x(index).reshape(len(index), -1), train.y[index]
        for method in methods:
            new_x, new_y = resamplers.resample(
                method, x, y, measure=lambda x, y: thresholds.measure(x, y).thresholds / len(y), repeats=repeats,
                random_state=derive(cell.seed, "resample", method, f"{ratio:g}") % 2**32)
            if dataset.input_shape == (2,) and ratio == max(ratios):
                few = numpy_rng(cell.seed, "shown").permutation(len(new_y))[:KEPT]
                shown |= {f"{method}/x": new_x[few], f"{method}/y": new_y[few]}
            scores = second_class_scores(
                parts["model"], parts.get("fit"), dataset, new_x, new_y, test.x(), seed=cell.seed,
                fit_seed=derive(cell.seed, method, f"{ratio:g}") % 2**31, env=cell.env)
            axes = {"ratio": ratio, "repeats": repeats, "n_majority": n_majority}
            for metric, value in (("auc", roc_auc_score(test.y, scores)),
                                  ("balanced_accuracy", balanced_accuracy_score(test.y, scores > 0)),
                                  ("average_precision", average_precision_score(test.y, scores))):
                yield cell.row(metric, value, "fraction", len(test.y), axes, method=method)
            yield cell.row("n_resampled", len(new_y), "samples", len(new_y), axes, method=method, split="train")
    cell.keep(**shown)


def subject(cfg: Mapping[str, Any]) -> Parts:
    """A data set, a classifier, and how that is trained where it is a network."""
    data, model = bind("data", cfg["data"]), bind("models", cfg["model"])
    kind = model.method.constants.get("KIND", "convnet")
    fit = {"fit": bind("training", cfg[FIT[kind]])} if FIT[kind] else {}
    return Parts(data=data, parts={"model": model, **fit}, seed=whole("seed", cfg["seed"]), kind=kind)


def check(cell: Cell) -> None:
    """Raises ConfigError for data of more than two classes, with the override that chooses two."""
    data, dataset = cell.subject.data, cell.dataset
    if dataset.n_classes != 2:
        path = f" data.path={data.arguments['path']}" if data.arguments.get("path") else ""
        raise ConfigError(f"resampling compares two classes, {data.name} has {dataset.n_classes}; choose two: "
                          f"data=pair data.of={data.name}{path} data.classes=[{','.join(dataset.class_names[:2])}]")


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """Points before and after each method, first seed, of each data set in the plane: `<data>/<method>/<x, y>`."""
    return first_seed(runs, lambda row: row.data)
