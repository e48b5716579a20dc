"""The networks of torchvision for ImageNet, untrained: AlexNet, VGG, GoogLeNet, ResNet, DenseNet, MobileNet."""

from typing import Literal

from torch import nn

VERSION = 1
KIND = "convnet"
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...],
          arch: Literal["alexnet", "vgg11", "vgg16", "vgg16_bn", "vgg19", "googlenet", "resnet18", "resnet50",
                        "resnet152", "densenet121", "mobilenet_v2", "mobilenet_v3_small"]) -> nn.Module:
    """torchvision's network `arch` with its own initial weights; made for colour images of 224 x 224.

    GoogLeNet comes without its auxiliary classifiers. Raises ValueError for images of other than three channels, or
    smaller than 32 x 32.
    """
    if len(input_shape) != 3 or input_shape[0] != 3 or min(input_shape[1:]) < 32:
        raise ValueError(f"{arch} takes colour images [3, H, W] of at least 32 x 32, got the input shape "
                         f"{list(input_shape)}; take alexnet, vgg, resnet or lenet of this suite for others")
    from torchvision import models

    options = {"aux_logits": False, "init_weights": True} if arch == "googlenet" else {}
    return models.get_model(arch, weights=None, num_classes=n_classes, **options)
