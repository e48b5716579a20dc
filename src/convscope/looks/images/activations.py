"""Activations as images: channels of an early, a middle and a late layer, drawn at random as in the lecture."""

from collections.abc import Iterator

import numpy as np

from convscope.family import Count
from convscope.features import activations, taps
from convscope.looks.images.scene import Number, Scene, Sheets, averaged
from convscope.rng import numpy_rng

VERSION = 1
SIDE = 32  # of a map that is shown


def look(scene: Scene, sheets: Sheets, *, images: Count = 4, channels: Count = 8) -> Iterator[Number]:
    """The share of active places of each layer, over so many of the shown images."""
    x = scene.x[:images]
    for name in scene.depths():
        found = taps.record(scene.model, x, [name])[name]
        chosen = activations.channels(found, channels, by="random", rng=numpy_rng(scene.seed, "channels", name))
        sheets[f"activations/{name}"] = averaged(found[:, chosen], SIDE).numpy()
        sheets[f"channels/{name}"] = np.array(chosen)
        yield "active", float((found > 0).float().mean()), "fraction", len(x), {"layer": name}
