"""Before the first cell runs: can each network be built, does it take its data, and can its study look into it?

What takes hours must not be refused for its shapes after the training.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from convscope.family import ConfigError
from convscope.runs import canonical, reason
from convscope.studies.study import Cell
from convscope.training.recipe import Recipe
from convscope.training.regime import regime_of

if TYPE_CHECKING:
    from torch import nn


def rehearse(cells: Iterable[Cell]) -> list[str]:
    """What to say before the cells run, such as a batch larger than the data.

    Raises ConfigError, one sentence, for the first cell that cannot be run for its shapes or kinds. Cells that differ
    in their seed alone are one.
    """
    said: dict[str, None] = {}
    known: dict[str, nn.Module | None] = {}
    done: set[str] = set()
    for cell in cells:
        subject = cell.subject
        if hasattr(subject, "network") or getattr(subject, "fit", None) is None:
            continue
        identity = {key: value for key, value in (cell.run.identity or {}).items() if key != "seed"}
        if (key := canonical([cell.study.name, identity])) in done:
            continue
        done.add(key)
        try:
            said |= dict.fromkeys(_sizes(cell))
            network = canonical([identity["data"], identity["model"], identity.get("window"), identity.get("horizon")])
            if network not in known:
                known[network] = _network(cell)
            cell.study.rehearse(cell, known[network])
        except Exception as error:
            raise ConfigError(f"{cell.title}: {reason(error)}") from error
    return list(said)


def _network(cell: Cell) -> "nn.Module | None":
    """The untrained network, which has taken two inputs; None of a forecaster, which is only built."""
    import torch

    from convscope.models.classifier import Classifier
    from convscope.training import checkup

    recipe, dataset = cell.subject, cell.dataset
    if not isinstance(recipe, Recipe):
        recipe.task(dataset).build()
        return None
    with torch.random.fork_rng(devices=[]):  # nothing here is what a training starts from
        made = recipe.model.call(n_classes=dataset.n_classes, input_shape=dataset.input_shape,
                                 alphabet=dataset.alphabet)
        network = Classifier(made, input_shape=dataset.input_shape, class_names=dataset.class_names,
                             alphabet=dataset.alphabet).eval()
        checkup.check_takes(network, torch.from_numpy(dataset.splits["train"].x(slice(2))), env=cell.env)
    return network


def _sizes(cell: Cell) -> Iterable[str]:
    """What to say of our own fit where its batch is larger than the samples that it trains on."""
    recipe: Any = cell.subject
    if not isinstance(recipe, Recipe) or recipe.fit is None or regime_of(recipe.fit) is None:
        return
    asked, n = recipe.fit.arguments, round(recipe.fraction * len(cell.dataset.splits["train"]))
    n = asked["n_train"] or n
    n -= round(asked["holdout"] * n)
    if n < asked["batch_size"]:
        yield (f"{recipe.model.label} on {recipe.data_label}: batch_size {asked['batch_size']} is more than the {n} "
               "samples to train on, so that every step sees all of them")
