"""The shallow linear network ("perceptron") of Hoffer et al., On the Blindspots of Convolutional Networks."""

import math

from torch import nn

VERSION = 1
KIND = "shallow"


def build(*, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Logits as one linear function of all raw input values."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), n_classes))
