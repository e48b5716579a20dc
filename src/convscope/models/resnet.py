"""The ResNet family for small images of He et al. 2016 (Deep Residual Learning, section 4.2), and its plain nets."""

from typing import Literal

from torch import Tensor, nn

from convscope.family import Positive

VERSION = 1
KIND = "convnet"
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...],
          depth: Literal[8, 14, 20, 26, 32, 38, 44, 50, 56, 110] = 56, width: Positive = 1.0,
          residual: bool = True) -> nn.Module:
    """A network of depth 6n + 2: a 3x3 convolution, three stages of n blocks, a linear layer on the average.

    The stages have 16, 32, 64 channels times width. Shortcuts are the identity, or a 1x1 convolution with batch norm
    where the shape changes (option B; the paper's own option A pads with zeros), so ResNet-56 on 3x32x32 with 10
    classes has 855,770 parameters. `residual=False` gives the plain net: the same layers, no shortcuts. Convolutions
    are drawn as in He et al. 2015, equation 10.
    Raises ValueError for an input that is not [C, H, W].
    """
    if len(input_shape) != 3:
        raise ValueError(f"resnet takes images [C, H, W], got the input shape {list(input_shape)}")
    widths = [max(1, round(channels * width)) for channels in (16, 32, 64)]
    return ResNet(input_shape[0], n_classes, (depth - 2) // 6, widths, residual)


class ResNet(nn.Module):
    """Every ReLU is a module of its own, used once: taps and attribution rules find each of them."""

    def __init__(self, channels: int, n_classes: int, blocks: int, widths: list[int], residual: bool) -> None:
        super().__init__()
        self.conv = _conv(channels, widths[0], 3)
        self.norm = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.stages = nn.Sequential(*(
            nn.Sequential(Block(before, out, stride, residual),
                          *(Block(out, out, 1, residual) for _ in range(blocks - 1)))
            for before, out, stride in zip([widths[0], *widths], widths, [1, 2, 2], strict=False)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(widths[-1], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        features_BCHW = self.stages(self.relu(self.norm(self.conv(x))))
        return self.head(self.pool(features_BCHW).flatten(1))


class Block(nn.Module):
    """relu(F(x) + shortcut(x)), F two 3x3 convolutions with batch norm; `shortcut` is None in a plain net."""

    def __init__(self, channels: int, out: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.conv1 = _conv(channels, out, 3, stride)
        self.norm1 = nn.BatchNorm2d(out)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = _conv(out, out, 3)
        self.norm2 = nn.BatchNorm2d(out)
        self.relu2 = nn.ReLU(inplace=True)
        self.shortcut: nn.Module | None = None
        if residual:
            project = stride != 1 or channels != out
            self.shortcut = (nn.Sequential(_conv(channels, out, 1, stride), nn.BatchNorm2d(out)) if project
                             else nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        f = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        if self.shortcut is not None:
            f = f + self.shortcut(x)
        return self.relu2(f)


def _conv(channels: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias: the batch norm that follows has one."""
    return nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False)
