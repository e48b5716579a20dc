"""Importance: of each filter its mean influence and how often it is dead; of each layer how many are useless."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from convscope.features import influence
from convscope.looks.over_time.scene import Number, Scene, Sheets

VERSION = 1
FAINT = 0.01    # of a layer's most influential filter: below it a filter contributes nothing to speak of
PAIRS = 500     # of inputs, whose useful filters are compared


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
    """Of each filter, its mean influence and how often it is dead; of each layer, how many filters are useless."""
    x = scene.x[:scene.asked.inputs]
    found = influence.filter_influence(scene.model, x)
    after = influence.filter_influence(scene.model, x, at="activation")
    by_loss = influence.loss_influence(scene.model, x, scene.y[:scene.asked.inputs])
    dead = influence.dead(scene.model, x)
    for name, layer in found.items():
        raw, scaled, gone = layer.raw, layer.scaled, dead[name]
        for k in range(raw.shape[1]):
            axes = {"layer": name, "filter": k}
            yield "influence", float(raw[:, k].mean()), "", len(x), axes
            yield "scaled_influence", float(scaled[:, k].mean()), "fraction", len(x), axes
            yield "dead", float(gone[:, k].float().mean()), "fraction", len(x), axes
        of = {"layer": name}
        yield "filters", raw.shape[1], "filters", 1, of
        yield "useless", float((raw == 0).float().mean()), "fraction", len(x), of
        yield "faint", float((scaled < FAINT).float().mean()), "fraction", len(x), of
        yield "dead_always", float(gone.all(dim=0).float().mean()), "fraction", len(x), of
        yield "useless_always", float((raw == 0).all(dim=0).float().mean()), "fraction", len(x), of
        yield "shared", _overlap(raw > 0, scene.rng("pairs", name)), "fraction", PAIRS, of
        total = after[name].raw
        yield "on_dead", float((total * gone).sum() / total.sum().clamp(min=1e-30)), "fraction", len(x), of
        yield "rank_by_loss", _rank_correlation(raw.mean(dim=0), by_loss[name].raw.mean(dim=0)), "", len(x), of


def _overlap(useful: Tensor, rng: np.random.Generator) -> float:
    """Mean Jaccard index of the useful filters of two inputs drawn at random: 1 where they are always the same."""
    a, b = (useful[torch.from_numpy(rng.integers(len(useful), size=PAIRS))] for _ in range(2))
    both, either = (a & b).sum(dim=1).float(), (a | b).sum(dim=1).float()
    return float(torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both)).mean())


def _rank_correlation(a: Tensor, b: Tensor) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(one.numpy()) for one in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1]) if min(np.ptp(one) for one in ranks) > 0 else 1.0
