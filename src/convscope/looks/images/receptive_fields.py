"""Receptive fields: which pixels reach the central unit of a layer, and which matter (Luo et al. 2016)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import nn

from convscope.family import Count
from convscope.features import receptive_field
from convscope.looks.images.scene import Number, Scene, Sheets

VERSION = 1
SAMPLED = 200  # inputs of an effective receptive field


def look(scene: Scene, sheets: Sheets, *, layers: Count = 8) -> Iterator[Number]:
    """The fields of at most so many layers; then dilated convolutions, as the lecture counts them."""
    x, _ = scene.drawn("test", min(SAMPLED, scene.samples))
    for order, name in enumerate(scene.maps(layers)):
        axes: dict[str, Any] = {"layer": name, "order": order}
        field = receptive_field.theoretical(scene.model, name, shape=tuple(x.shape[1:]))
        yield "theoretical_height", field.height, "pixels", 1, axes
        yield "theoretical_width", field.width, "pixels", 1, axes
        effective = receptive_field.effective(scene.model, name, x)
        yield "effective_width", receptive_field.effective_width(effective), "pixels", len(x), axes
        sheets[f"receptive_fields/{name}/map"] = (effective / effective.max().clamp(min=1e-30)).numpy()
        sheets[f"receptive_fields/{name}/box"] = np.array([*field.rows, *field.columns])
    for dilation in (1, 2, 4):
        stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, dilation=dilation) for _ in range(2)))
        axes = {"dilation": dilation}
        for metric, size in (("output_height", 20), ("output_width", 30)):  # the lecture's example, 3 coefficients
            yield metric, receptive_field.output_size(size, kernel=3, dilation=dilation), "pixels", 1, axes
        for depth in (1, 2):
            head = nn.Sequential(stack[:depth], nn.AdaptiveAvgPool2d(1), nn.Flatten())
            field = receptive_field.theoretical(head, "0", shape=(1, 40, 40))
            yield "stacked_field", field.width, "pixels", 1, {**axes, "convolutions": depth}
