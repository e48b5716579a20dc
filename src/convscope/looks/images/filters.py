"""Filters as images: those of the first convolution, and of one in the middle by input channel; on one scale each."""

from collections.abc import Iterator

from convscope.family import Count
from convscope.features import filters as weights
from convscope.looks.images.scene import Number, Scene, Sheets

VERSION = 1


def look(scene: Scene, sheets: Sheets, *, filters: Count = 20, channels: Count = 15) -> Iterator[Number]:
    """The filters' mean length, and how many are empty; at most so many are shown, with so many channels of each."""
    names = weights.convolutions(scene.model)
    for name in dict.fromkeys([names[0], names[len(names) // 2]] if names else []):
        found = weights.weights(scene.model, name)
        sheets[f"filters/{name}"] = weights.scaled(found)[:filters, :channels].numpy()
        size = found.flatten(1).norm(dim=1)
        yield "filter_norm", float(size.mean()), "", len(found), {"layer": name}
        yield "empty_filters", float((size < 1e-3 * size.max()).sum()), "filters", len(found), {"layer": name}
