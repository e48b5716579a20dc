"""AlexNet for small images (Krizhevsky 2014, One weird trick, as in torchvision; smaller kernels and strides)."""

from torch import nn

from convscope.family import Fraction, Positive
from convscope.models.sizes import he, scaled

VERSION = 1
KIND = "convnet"
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...], width: Positive = 1.0,
          dropout: Fraction = 0.5) -> nn.Module:
    """Five convolutions of 64, 192, 384, 256, 256 channels and two layers of 1,024 units, all times width.

    5x5 with stride 1, then 3x3; 2x2 pooling after the first, second and fifth, where ImageNet's AlexNet has a kernel of
    11 with stride 4 and pools 3x3. The units are a quarter of its 4,096: 32 x 32 pixels leave 4 x 4.
    Raises ValueError for an input that is not [C, H, W] with at least 8 x 8.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 8:
        raise ValueError(f"alexnet takes images [C, H, W] of at least 8 x 8, got the input shape {list(input_shape)}")
    a, b, c, d, units = (scaled(n, width) for n in (64, 192, 384, 256, 1024))
    rows, columns = (size // 8 for size in input_shape[1:])

    def conv(before: int, out: int, size: int, *, pool: bool) -> list[nn.Module]:
        return [nn.Conv2d(before, out, size, padding=size // 2), nn.ReLU(), *([nn.MaxPool2d(2)] if pool else [])]

    def full(before: int, out: int) -> list[nn.Module]:
        return [*([nn.Dropout(dropout)] if dropout else []), nn.Linear(before, out), nn.ReLU()]

    return he(nn.Sequential(
        *conv(input_shape[0], a, 5, pool=True), *conv(a, b, 5, pool=True), *conv(b, c, 3, pool=False),
        *conv(c, d, 3, pool=False), *conv(d, d, 3, pool=True), nn.Flatten(), *full(d * rows * columns, units),
        *full(units, units), nn.Linear(units, n_classes)))
