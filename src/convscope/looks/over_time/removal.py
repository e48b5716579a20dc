"""Removal: what is left of a network without some of its filters, gone for good."""

from collections.abc import Callable, Iterator

import numpy as np
from torch import nn

from convscope.features import clusters, influence, pruning
from convscope.looks.over_time.scene import Number, Scene, Sheets, activations, evenly

VERSION = 1


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
    """Parameters against the error on the test set, of networks without some of their filters."""
    yield "parameters", pruning.parameters(scene.model), "parameters", 1, {"way": "nothing", "share": 0.0, "tuned": 0}
    for way, share, network in smaller(scene):
        axes = {"way": way, "share": share}
        yield "parameters", pruning.parameters(network), "parameters", 1, {**axes, "tuned": 0}
        metric, value, unit = scene.judged(network)
        yield metric, value, unit, len(scene.x), {**axes, "tuned": 0}
        if scene.asked.finetune:
            metric, value, unit = scene.judged(scene.tuned(network, scene.asked.finetune))
            yield metric, value, unit, len(scene.x), {**axes, "tuned": scene.asked.finetune}


def smaller(scene: Scene) -> Iterator[tuple[str, float, nn.Module]]:
    """(what was removed, the share of each layer that it asks for, the smaller network); chosen on training inputs."""
    x = evenly(scene.fit_x, scene.asked.inputs)
    lossless, _ = pruning.lossless(scene.model, scene.fit_x)
    yield "dead on all training inputs", 0.0, lossless
    found = influence.filter_influence(scene.model, x)
    ways: dict[str, Callable[[str, float], list[int]]] = {
        "least influence": lambda name, share: pruning.least_important(found[name].raw.mean(dim=0), share),
        "at random": lambda name, share: pruning.at_random(found[name].raw.shape[1], share,
                                                           scene.rng("prune", name, str(share)))}
    for share in scene.asked.shares:
        for way, choose in ways.items():
            chosen = {name: choose(name, share) for name in found}
            yield way, share, pruning.remove(scene.model, x[:1], {
                name: which for name, which in chosen.items() if which})
    side_by_side = {name: np.concatenate(list(one), axis=1)
                    for name, one in activations(scene.model, evenly(x, 20)).items()}
    chosen = {}
    for name, one in side_by_side.items():
        grouped = clusters.cluster(one, rng=scene.rng("representatives", name), k=max(2, len(one) // 2))
        if grouped.k:  # else all of the layer is dead on these: it is left alone
            chosen[name] = pruning.outside_representatives(grouped.labels, grouped.representatives.tolist())
    yield "all but one of each cluster", 0.5, pruning.remove(scene.model, x[:1], {
        name: which for name, which in chosen.items() if which})
