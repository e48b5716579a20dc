"""Activation maximisation: images from noise that raise a channel, or a class, with the lecture's edge energy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from convscope.family import Count, NonNegative
from convscope.features import maximise, taps
from convscope.looks.images.scene import Number, Scene, Sheets
from convscope.rng import numpy_rng, torch_rng

VERSION = 1


def look(scene: Scene, sheets: Sheets, *, units: Count = 8, steps: Count = 150, penalty: NonNegative = 1.0,
         noise: NonNegative = 0.01) -> Iterator[Number]:
    """How sure the network is of the images that were made for a class; made besides: channels of three layers.

    Of the classes also without the edge energy, with jitter, and by Fourier coefficients, which are smooth by
    themselves: with jitter, a hundredth of the penalty and smaller steps.
    """
    shape, classes = tuple(scene.x.shape[1:]), list(range(min(units, scene.model.n_classes)))
    jitter = max(1, shape[-1] // 16)
    runs: dict[str, tuple[str | None, list[int], dict[str, Any]]] = {
        name: (name, _channels(scene, name, units), {"penalty": penalty}) for name in scene.depths()}
    runs |= {"classes": (None, classes, {"penalty": penalty}), "classes, no penalty": (None, classes, {"penalty": 0.0}),
             "classes, jitter": (None, classes, {"penalty": penalty, "jitter": jitter}),
             "classes, Fourier": (None, classes, {"penalty": penalty / 100, "jitter": jitter, "lr": 0.03,
                                                  "parametrisation": "fourier"})}
    for title, (layer, chosen, settings) in runs.items():
        found = maximise.maximise(scene.model, chosen, layer=layer, shape=shape, steps=steps, noise=noise,
                                  mean=scene.mean, std=scene.std, rng=torch_rng(scene.seed, "noise", title),
                                  **settings)
        sheets[f"maximisation/{title}"] = maximise.shown(found).numpy()
        sheets[f"units/{title}"] = scene.named(chosen) if layer is None else np.array([str(k) for k in chosen])
        if layer is None:
            mean, std = (torch.as_tensor(value).view(-1, 1, 1) for value in (scene.mean, scene.std))
            prob = scene.logits((found * std + mean).float()).softmax(dim=1)[range(len(chosen)), chosen]
            yield "prob", float(prob.mean()), "fraction", len(chosen), {"layer": title}


def _channels(scene: Scene, layer: str, count: int) -> list[int]:
    """At most `count` channels of a layer, drawn by the seed."""
    there = taps.record(scene.model, scene.x[:1], [layer])[layer].shape[1]
    return sorted(numpy_rng(scene.seed, "units", layer).permutation(there)[:count].tolist())
