"""The shallow linear network ("perceptron") of Hoffer et al., On the Blindspots of Convolutional Networks."""

import math

from torch import nn

from convscope.models.one_hot import OneHot

VERSION = 1
KIND = "shallow"
KINDS = ("image", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], alphabet: str = "") -> nn.Module:
    """Logits as one linear function of all raw input values, or of the one-hot code of texts in an alphabet."""
    coded = [OneHot(len(alphabet))] if alphabet else []
    values = math.prod(input_shape) * (len(alphabet) or 1)
    return nn.Sequential(*coded, nn.Flatten(), nn.Linear(values, n_classes))
