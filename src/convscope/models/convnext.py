"""A small ConvNeXt (Liu et al. 2022): a modern convolutional comparator."""

from torch import nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from convscope.family import Count, Fraction, NonNegative

VERSION = 1
KIND = "convnet"
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...], patch: Count = 2, dims: tuple = (48, 96, 192),
          depths: tuple = (2, 2, 2), layer_scale: NonNegative = 1e-6, stochastic_depth: Fraction = 0.0) -> nn.Module:
    """torchvision's ConvNeXt at the size of ResNet-56: 0.91 million parameters on 3x32x32 with 10 classes.

    `patch` is the stem's kernel and stride (the paper's 4 is for 224x224); the image is halved between stages.
    Raises ValueError unless dims and depths are whole numbers of one length and the image is large enough for them.
    """
    settings = [*dims, *depths]
    if len(dims) != len(depths) or sum(depths) < 2 or not all(isinstance(v, int) and v >= 1 for v in settings):
        raise ValueError("dims and depths must be whole numbers, one each for every stage, two blocks or more in all, "
                         f"got dims={list(dims)}, depths={list(depths)}")
    smallest = patch * 2 ** (len(dims) - 1)
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(f"convnext with patch={patch} and {len(dims)} stages takes images [C, H, W] of at least "
                         f"{smallest} pixels a side, got {list(input_shape)}")
    following = [*dims[1:], None]
    model = ConvNeXt([CNBlockConfig(*stage) for stage in zip(dims, following, depths, strict=True)],
                     stochastic_depth_prob=stochastic_depth, layer_scale=layer_scale, num_classes=n_classes)
    # torchvision fixes three input channels and a 4x4 stem: the same stem, and its own initialisation, for any.
    stem = nn.Conv2d(input_shape[0], dims[0], kernel_size=patch, stride=patch)
    nn.init.trunc_normal_(stem.weight, std=0.02)
    assert stem.bias is not None
    nn.init.zeros_(stem.bias)
    model.features[0][0] = stem  # pyright: ignore[reportIndexIssue]
    return model
