"""Redundancy: filters that repeat another one, and clusters of filters, for single inputs."""

from collections.abc import Iterator

import numpy as np

from convscope.features import clusters
from convscope.looks.over_time.scene import CLUSTERED, Number, Scene, Sheets, activations, evenly

VERSION = 1
ALIKE = 0.95    # correlation from which on two filters' activations are one


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
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


def _repeated(living: np.ndarray) -> float:
    """The share of filters [F, T] whose activations go along with those of another one."""
    varied = living[living.std(axis=1) > 1e-12]
    if len(varied) < 2:
        return 0.0
    alike = np.corrcoef(varied)
    np.fill_diagonal(alike, -1)
    return float((alike.max(axis=1) >= ALIKE).mean())
