"""Attributions: what speaks for the class that the network gives an image, by every method of the config."""

from collections.abc import Iterator

from convscope.looks.images.scene import Number, Scene, Sheets
from convscope.rng import torch_rng

VERSION = 1


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
    """The share of each method's attributions that is positive; the maps of the shown images, their largest value 1."""
    for name, method in scene.methods.items():
        found = method.call(model=scene.model, x=scene.x, target=scene.pred, rng=torch_rng(scene.seed, name))
        largest = found.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-30)
        sheets[f"attributions/{name}"] = (found / largest).numpy()
        yield "positive", float(found.clamp(min=0).sum() / found.abs().sum().clamp(min=1e-30)), "fraction", len(
            found), {"attribution": name}
