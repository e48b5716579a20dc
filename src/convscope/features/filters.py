"""Filters as images: the weights of a convolution."""

from torch import Tensor, nn

from convscope import gradients

VERSION = 1


def weights(model: nn.Module, layer: str) -> Tensor:
    """[F, C, h, w]: a copy of the filters of the convolution `layer` (C is per group).

    Raises ValueError for a layer that there is not, with the nearest names, or that is no 2-D convolution.
    """
    with gradients.borrowed(model) as network:
        return _convolution(gradients.layer(network, layer), layer).weight.detach().cpu().clone()


def convolutions(model: nn.Module) -> list[str]:
    """Names of the 2-D convolutions, in the order in which they are registered."""
    with gradients.borrowed(model) as network:
        return [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]


def as_rgb(filters: Tensor) -> Tensor:
    """[F, 3, h, w] in [0, 1], grey where a weight is 0, of filters on three channels; one scale for all of them."""
    if filters.ndim != 4 or filters.shape[1] != 3:
        raise ValueError(f"filters as colours need three channels [F, 3, h, w], got {list(filters.shape)}")
    return scaled(filters) / 2 + 0.5


def scaled(filters: Tensor) -> Tensor:
    """The filters divided by their largest absolute weight: in [-1, 1], on one scale."""
    return filters / filters.abs().max().clamp(min=1e-12)


def _convolution(module: nn.Module, name: str) -> nn.Conv2d:
    if not isinstance(module, nn.Conv2d):
        raise ValueError(f"{name} is a {type(module).__name__}, no 2-D convolution; choose one of its kind")
    return module
