"""A small vision transformer (Dosovitskiy et al. 2021): a modern comparator without convolutional priors."""

import math

from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from convscope.family import Count, Fraction, Positive

VERSION = 1
KIND = "convnet"  # trained and tabled beside the ConvNets
KINDS = ("image",)


def build(*, n_classes: int, input_shape: tuple[int, ...], patch: Count = 4, dim: Count = 128, depth: Count = 6,
          heads: Count = 4, mlp_ratio: Positive = 2.0, dropout: Fraction = 0.0) -> nn.Module:
    """torchvision's VisionTransformer at the size of ResNet-56: 0.81 million parameters on 3x32x32 with 10 classes.

    Raises ValueError unless the image is square with a side that patch divides, and dim is a multiple of heads.
    """
    if len(input_shape) != 3 or input_shape[1] != input_shape[2] or input_shape[1] % patch:
        raise ValueError(f"vit takes square images [C, H, H] with H a multiple of patch={patch}, "
                         f"got {list(input_shape)}")
    if dim % heads:
        raise ValueError(f"dim must be a multiple of heads={heads}, got {dim}")
    model = VisionTransformer(
        image_size=input_shape[1], patch_size=patch, num_layers=depth, num_heads=heads, hidden_dim=dim,
        mlp_dim=round(dim * mlp_ratio), dropout=dropout, num_classes=n_classes)
    # torchvision fixes three input channels: the same patch embedding, and its own initialisation, for any number.
    embed = nn.Conv2d(input_shape[0], dim, kernel_size=patch, stride=patch)
    nn.init.trunc_normal_(embed.weight, std=math.sqrt(1 / (input_shape[0] * patch * patch)))
    assert embed.bias is not None
    nn.init.zeros_(embed.bias)
    model.conv_proj = embed
    return model
