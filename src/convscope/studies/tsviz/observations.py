"""The paper's three observations, measured over test inputs: useless filters, repeated ones, and where they look."""

import numpy as np
import torch
from torch import Tensor

from convscope.features import clusters, influence
from convscope.studies.tsviz.scene import CLUSTERED, Numbers, Scene, Sheets, activations, evenly

FAINT = 0.01    # of a layer's most influential filter: below it a filter contributes nothing to speak of
ALIKE = 0.95    # correlation from which on two filters' activations are one
PAIRS = 500     # of inputs, whose useful filters are compared


def importance(scene: Scene, sheets: Sheets) -> Numbers:
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


def redundancy(scene: Scene, sheets: Sheets) -> Numbers:
    """Of each layer: living filters that another one repeats, and clusters, for single inputs."""
    twins: dict[str, list[float]] = {}
    for part in scene.x[:scene.asked.inputs].split(256):
        for name, activation in activations(scene.model, part).items():
            living = (one[one.any(axis=1)] for one in activation)
            twins.setdefault(name, []).extend(_repeated(one) for one in living if len(one) > 1)
    x = evenly(scene.x, min(CLUSTERED, scene.asked.inputs))
    for name, activation in activations(scene.model, x).items():
        of, rng = {"layer": name}, scene.rng("clusters", name)
        ks = [clusters.cluster(one, rng=rng).k for one in activation]
        silhouettes = [clusters.cluster(one, rng=rng, method="silhouette").k for one in activation[::10]]
        yield "clusters", float(np.mean(ks)), "clusters", len(ks), of
        yield "clusters_by_silhouette", float(np.mean(silhouettes)), "clusters", len(silhouettes), of
        if twins[name]:
            yield "twins", float(np.mean(twins[name])), "fraction", len(twins[name]), of


def saliency(scene: Scene, sheets: Sheets) -> Numbers:
    """Which channel does the output look at, and which do filters: by the gradient, and by it times the spread."""
    if scene.spread is None or len(scene.spread) < 2:
        return
    x = scene.x[:scene.asked.inputs]
    output = influence.input_saliency(scene.model, x).sum(dim=2)
    for kind, weight in (("raw", torch.ones_like(scene.spread)), ("times spread", scene.spread)):
        yield "on_signal", float(_first(output * weight).mean()), "fraction", len(x), {"of": "output", "by": kind}
    some = evenly(x, CLUSTERED)
    for name, layer in influence.filter_influence(scene.model, some[:1]).items():
        found = torch.stack([influence.input_saliency(scene.model, some, layer=name, filter=k).sum(dim=2)
                             for k in range(layer.raw.shape[1])], dim=1)  # [B, F, C]
        for kind, weight in (("raw", torch.ones_like(scene.spread)), ("times spread", scene.spread)):
            seen = found.sum(dim=2) > 0
            share = _first(found * weight)
            axes = {"of": name, "by": kind}
            yield "on_signal", float(share[seen].mean()), "fraction", int(seen.sum()), axes
            yield "filters_on_signal", float((share[seen] > 0.5).float().mean()), "fraction", int(seen.sum()), axes


def _first(by_channel: Tensor) -> Tensor:
    """The first channel's share of the sum over channels, the last axis."""
    return by_channel[..., 0] / by_channel.sum(dim=-1).clamp(min=1e-30)


def _overlap(useful: Tensor, rng: np.random.Generator) -> float:
    """Mean Jaccard index of the useful filters of two inputs drawn at random: 1 where they are always the same."""
    a, b = (useful[torch.from_numpy(rng.integers(len(useful), size=PAIRS))] for _ in range(2))
    both, either = (a & b).sum(dim=1).float(), (a | b).sum(dim=1).float()
    return float(torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both)).mean())


def _repeated(living: np.ndarray) -> float:
    """The share of filters [F, T] whose activations go along with those of another one."""
    varied = living[living.std(axis=1) > 1e-12]
    if len(varied) < 2:
        return 0.0
    alike = np.corrcoef(varied)
    np.fill_diagonal(alike, -1)
    return float((alike.max(axis=1) >= ALIKE).mean())


def _rank_correlation(a: Tensor, b: Tensor) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(one.numpy()) for one in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1]) if min(np.ptp(one) for one in ranks) > 0 else 1.0
