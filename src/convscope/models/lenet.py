"""LeNet-5 (LeCun et al. 1998), as it is built today: ReLU, max pooling, full connections between feature maps."""

from torch import nn

from convscope.family import Positive
from convscope.models.sizes import he, scaled

VERSION = 1
KIND = "convnet"
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...], width: Positive = 1.0) -> nn.Module:
    """Two 5x5 convolutions of 6 and 16 channels with 2x2 pooling, then 120 and 84 units; all times width.

    The first convolution pads by 2: 1x28x28 with 10 classes has 61,706 parameters.
    Raises ValueError for an input that is not [C, H, W] with at least 12 x 12.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 12:
        raise ValueError(f"lenet takes images [C, H, W] of at least 12 x 12, got the input shape {list(input_shape)}")
    a, b, c, d = (scaled(n, width) for n in (6, 16, 120, 84))
    rows, columns = ((size // 2 - 4) // 2 for size in input_shape[1:])
    return he(nn.Sequential(
        nn.Conv2d(input_shape[0], a, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(a, b, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(b * rows * columns, c), nn.ReLU(), nn.Linear(c, d), nn.ReLU(),
        nn.Linear(d, n_classes)))
