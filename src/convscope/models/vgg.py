"""VGG for small images (Simonyan, Zisserman 2015): its convolutions and, as usual for CIFAR, one linear layer."""

from typing import Literal

from torch import nn

from convscope.family import Positive
from convscope.models.sizes import he, scaled

VERSION = 1
KIND = "convnet"
KINDS = ("image",)
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


def build(*, n_classes: int, input_shape: tuple[int, ...], depth: Literal[11, 13, 16, 19] = 16, width: Positive = 1.0,
          batch_norm: bool = True) -> nn.Module:
    """Five stages of 3x3 convolutions of 64 to 512 channels times width, 2x2 pooling after each, a linear layer.

    A stage whose image is one pixel high or wide already does not pool. VGG-16 with batch norm on 3x32x32 with 10
    classes has 14,728,266 parameters. Raises ValueError for an input that is not [C, H, W].
    """
    if len(input_shape) != 3:
        raise ValueError(f"vgg takes images [C, H, W], got the input shape {list(input_shape)}")
    before, rows, columns = input_shape
    layers: list[nn.Module] = []
    for channels, count in zip(CHANNELS, STAGES[depth], strict=True):
        out = scaled(channels, width)
        for _ in range(count):
            layers += [nn.Conv2d(before, out, 3, padding=1), *([nn.BatchNorm2d(out)] if batch_norm else []), nn.ReLU()]
            before = out
        if min(rows, columns) > 1:
            layers.append(nn.MaxPool2d(2))
            rows, columns = rows // 2, columns // 2
    return he(nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * rows * columns, n_classes)))
