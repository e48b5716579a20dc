"""A residual network without pooling: every layer keeps the image's size, as the lecture's own for CIFAR-10."""

from torch import Tensor, nn

from convscope.family import Count
from convscope.models.resnet import Block

VERSION = 1
KIND = "convnet"
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...], blocks: Count = 32, channels: Count = 16) -> nn.Module:
    """2 * blocks + 2 layers: a 3x3 convolution, blocks of two with identity shortcuts, a linear layer on all places.

    32 blocks are the lecture's 66 layers; the number of its channels is not known. With 16 of them, on 3x32x32 with 10
    classes, it has 313,818 parameters. Each block starts as the identity (Goyal et al. 2017, section 5.1), since
    nothing else holds their sum; and the linear layer's inputs are divided by the square root of the number of places,
    so that one learning rate suits all layers. Raises ValueError for an input that is not [C, H, W].
    """
    if len(input_shape) != 3:
        raise ValueError(f"resnet_flat takes images [C, H, W], got the input shape {list(input_shape)}")
    return FlatResNet(input_shape, n_classes, blocks, channels)


class FlatResNet(nn.Module):
    """relu(norm(conv(x))), the blocks, and a linear layer; every ReLU is a module of its own."""

    def __init__(self, input_shape: tuple[int, ...], n_classes: int, blocks: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential(*(Block(channels, channels, 1, True) for _ in range(blocks)))
        self.head = nn.Linear(channels * input_shape[1] * input_shape[2], n_classes)
        self.scale = (input_shape[1] * input_shape[2]) ** -0.5
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if isinstance(module, Block):
                nn.init.zeros_(module.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.relu(self.norm(self.conv(x)))).flatten(1) * self.scale)
