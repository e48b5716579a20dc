"""Receptive fields: which pixels can reach a unit, which do (Luo 2016), and the sizes of dilated convolutions."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients, outputs, relus
from convscope.family import Count
from convscope.rng import torch_rng

VERSION = 1
MASS = 0.9545  # of a Gaussian within two standard deviations, as in Luo 2016


@dataclass(frozen=True)
class Field:
    """First and last row and column of the pixels that can reach a unit, within the image."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def height(self) -> int:
        return self.rows[1] - self.rows[0] + 1

    @property
    def width(self) -> int:
        return self.columns[1] - self.columns[0] + 1


def theoretical(model: nn.Module, layer: str, *, shape: Sequence[int], unit: tuple[int, int] | None = None) -> Field:
    """The field of the unit at place (row, column) of a layer's output (default: the central one) in images of `shape`.

    Measured along the real graph, branches included: a copy of the network gets positive random weights, identities for
    its activations and batch norms and means for its maxima; then the gradient on a random image is not 0 exactly where
    a pixel can reach the unit. Filters that are no parameters stay what they are, whatever their signs. Norms whose
    statistics are over places at evaluation (group, instance and layer norms over a map, batch norms without running
    statistics) bring in every pixel of theirs. Raises ValueError for a layer that there is not or whose output is no
    map.
    """
    rng = torch_rng(0, "receptive field")  # any weights and pixels do, but those by chance at which effects cancel
    with gradients.borrowed(model) as network:
        twin = copy.deepcopy(network).to("cpu", torch.float64)
    with gradients.borrowed(twin) as network:
        _open(network, rng)
        x = _positive(torch.empty(1, *shape, dtype=torch.float64), rng).requires_grad_()
        with _Linear():
            central_F = _central(network, layer, x, unit)[0]
            reached = (central_F * _positive(torch.empty_like(central_F), rng)).sum()
            found = (torch.autograd.grad(reached, x)[0][0] != 0).any(dim=0)
    rows, columns = (found.any(dim=d).nonzero()[:, 0] for d in (1, 0))
    if not len(rows):
        raise ValueError(f"no pixel reaches {layer}: a dead branch, or an activation that cuts positive values")
    return Field((int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1])))


def effective(model: nn.Module, layer: str, x: Tensor, *, unit: tuple[int, int] | None = None,
              batch_size: Count = 32) -> Tensor:
    """[H, W]: how much each pixel of x [N, C, H, W] moves the central unit of a layer, on average over x.

    The mean absolute gradient of the unit's sum over channels, summed over the input's channels (Luo 2016, section 2).
    """
    total = x.new_zeros(x.shape[2:])
    with gradients.borrowed(model) as network:
        x, _ = gradients.checked(network, x, 0)
        for at, part in zip(range(0, len(x), batch_size), x.split(batch_size), strict=True):
            part = part.detach().requires_grad_()
            total += gradients.slope(network, _central(network, layer, part, unit), part, at).abs().sum(dim=(0, 1))
    return total / len(x)


def effective_width(effect: Tensor) -> float:
    """The side, in pixels, of the square with as many pixels as hold 95.45 % of a map [H, W], largest first."""
    mass = effect.flatten().double().sort(descending=True).values.cumsum(dim=0)
    if not mass[-1] > 0:
        return 0.0
    return math.sqrt(int((mass < MASS * mass[-1]).sum()) + 1)


def output_size(size: int, *, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """The places that a convolution gives along `size` pixels; its filter covers 1 + (kernel - 1) dilation of them."""
    covered = 1 + (kernel - 1) * dilation
    if min(size, kernel, stride, dilation) < 1 or padding < 0 or size + 2 * padding < covered:
        raise ValueError(f"a filter that covers {covered} pixels does not fit {size} pixels padded by {padding}")
    return (size + 2 * padding - covered) // stride + 1


def _central(network: nn.Module, layer: str, x: Tensor, unit: tuple[int, int] | None) -> Tensor:
    """[B, F]: a layer's output at one place, in x's graph."""
    taken: list[Any] = []

    def take(_: nn.Module, __: Any, output: Any) -> Any:
        taken.append(output)
        return output.clone() if isinstance(output, Tensor) else output

    handle = gradients.layer(network, layer).register_forward_hook(take)
    try:
        outputs.run(network, x)
    finally:
        handle.remove()
    if len(taken) != 1 or not isinstance(taken[0], Tensor) or taken[0].ndim != 4:
        raise ValueError(f"the layer {layer} must run once and give maps [B, F, h, w]; choose a convolution")
    height, width = taken[0].shape[2:]
    row, column = (height // 2, width // 2) if unit is None else unit
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"{layer} is {height} x {width}, it has no place {(row, column)}")
    return taken[0][:, :, row, column]


def _positive(values: Tensor, rng: torch.Generator) -> Tensor:
    """Filled at random, in place, between 0.5 and 1: no sum of them is 0, no two need be equal."""
    return values.uniform_(0.5, 1.0, generator=rng)


@torch.no_grad()
def _open(network: nn.Module, rng: torch.Generator) -> None:
    """Positive weights that about keep the scale, no biases, and batch norms with statistics that do nothing."""
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            value.fill_(0.0)
        else:
            _positive(value, rng).div_(0.75 * (value[0].numel() if value.ndim > 1 else 1))
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            for value, fill in ((module.weight, 1.0), (module.running_mean, 0.0), (module.running_var, 1.0)):
                if value is not None:
                    value.fill_(fill)


class _Linear(relus.Watch):
    """Activations that let everything through, and means in the place of maxima, so that all of a window counts."""

    POOLS = {functional.max_pool2d, torch.max_pool2d}

    def meet(self, call: relus.Call) -> Tensor:
        if call.by_hand and call.kind != "relu":
            return call.run() + call.s  # of another value, perhaps, by the sign of s
        value = call.run()
        return call.s if value.shape == call.s.shape else value

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is functional.adaptive_max_pool2d:
            return functional.adaptive_avg_pool2d(*args[:2], **{k: v for k, v in kwargs.items() if k == "output_size"})
        if func in self.POOLS:
            return _mean_pool(*args, **kwargs)
        name = getattr(func, "__name__", "")
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        pair = [value for value in tensors if value.requires_grad]
        if len(pair) == 2 and name in (*relus.MAXIMA, *relus.MINIMA, "where"):
            return (pair[0] + pair[1]) / 2
        if len(tensors) == 1 and name in ("amax", "amin", "max", "min"):
            found, mean = func(*args, **kwargs), torch.mean(*args, **kwargs)
            return mean if isinstance(found, Tensor) else type(found)((mean, found.indices))
        return super().__torch_function__(func, types, args, kwargs)


def _mean_pool(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Tensor:
    """A mean with the geometry of max_pool2d, by a convolution where it is dilated."""
    pair = [one if isinstance(one, (tuple, list)) else (one, one) for one in (
        kernel_size, kernel_size if stride is None or stride == [] else stride, padding, dilation)]
    if tuple(pair[3]) == (1, 1):
        return functional.avg_pool2d(input, *pair[:3], ceil_mode=ceil_mode)
    channels = input.shape[1]
    weight = input.new_full((channels, 1, *pair[0]), 1 / math.prod(pair[0]))
    return functional.conv2d(input, weight, None, pair[1], pair[2], pair[3], channels)
