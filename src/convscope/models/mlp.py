"""A multilayer perceptron: fully connected layers with ReLU."""

import math
from itertools import pairwise

from torch import nn

from convscope.family import Fraction, Positive
from convscope.models.sizes import he, scaled

VERSION = 1
KIND = "convnet"  # trained and tabled beside the ConvNets
KINDS = ("image", "table")


def build(*, n_classes: int, input_shape: tuple[int, ...], hidden: tuple = (256, 128), width: Positive = 1.0,
          dropout: Fraction = 0.0) -> nn.Module:
    """Layers of `hidden` units times width on all values of an image [C, H, W] or a row [D].

    Raises ValueError unless `hidden` holds whole numbers of at least 1.
    """
    if not all(isinstance(units, int) and not isinstance(units, bool) and units >= 1 for units in hidden):
        raise ValueError(f"mlp: hidden must be whole numbers of units, at least 1, got {list(hidden)}")
    sizes = [math.prod(input_shape), *(scaled(units, width) for units in hidden)]
    layers = [layer for a, b in pairwise(sizes) for layer in (
        nn.Linear(a, b), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else []))]
    return he(nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], n_classes)))
