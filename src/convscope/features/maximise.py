"""Images that maximise a unit: the lecture's ascent with its edge energy (Erhan 2009, Simonyan 2014), jitter, and a
Fourier parametrisation (Olah 2017, Feature Visualization)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients, outputs
from convscope.family import Count, NonNegative, Positive, Whole

VERSION = 1
Unit = int | tuple[int, int, int]
PerChannel = float | Sequence[float]


def edge_energy(x: Tensor) -> Tensor:
    """[B] of images [B, C, H, W]: the energy of their edges at every scale, the lecture's h(x).

    Squared differences to a 5 x 5 binomial blur (zeros outside), summed over pixels and channels; then the image is
    halved by 2 x 2 means (padded by 1), while both sides are above 5.
    """
    tap = x.new_tensor([1, 4, 6, 4, 1]) / 16
    blur, mean = (tap[:, None] * tap)[None, None], x.new_full((1, 1, 2, 2), 0.25)
    image, total = x.reshape(-1, 1, *x.shape[2:]), x.new_zeros(len(x))
    while min(image.shape[2:]) > 5:
        edges = image - functional.conv2d(image, blur, padding=2)
        total = total + edges.square().view(len(x), -1).sum(dim=1)
        image = functional.conv2d(image, mean, stride=2, padding=1)
    return total


def maximise(model: nn.Module, units: Sequence[Unit], *, layer: str | None, shape: Sequence[int], rng: torch.Generator,
             steps: Count = 250, lr: Positive = 0.1, penalty: NonNegative = 1.0, noise: NonNegative = 0.01,
             mean: PerChannel = 0.0, std: PerChannel = 1.0, jitter: Whole = 0,
             parametrisation: Literal["pixels", "fourier"] = "pixels", batch_size: Count = 64) -> Tensor:
    """[len(units), C, H, W], normalised: one image per unit, from noise, of large response and little edge energy.

    `layer` is a module's name, None the logits. A unit is a channel, whose response is its sum over the map, or one
    place (channel, row, column). Adam minimises penalty * h(z) - response(z * std + mean) over normalised images z,
    where the lecture's step size and its starting noise live; the model takes pixels and normalises inside. `jitter`
    rolls the image by up to so many pixels at each step. "fourier" optimises coefficients of the image's spectrum,
    scaled by the inverse of their frequency. Images do not influence each other. Raises ValueError for a layer or a
    unit that there is not.
    """
    if parametrisation not in ("pixels", "fourier"):
        raise ValueError(f"parametrisation must be pixels or fourier, got {parametrisation!r}")
    if len(shape) != 3 or not units or steps < 1 or batch_size < 1:
        raise ValueError(f"maximise needs images [C, H, W], units, steps and a batch_size of at least 1, got "
                         f"{list(shape)}, {len(units)} units, {steps} and {batch_size}")
    with gradients.borrowed(model) as network:
        like = next(network.parameters())
        start = noise * torch.randn((len(units), *shape), generator=rng, dtype=like.dtype).to(like.device)
        shifts = torch.randint(-jitter, jitter + 1, (steps, 2), generator=rng).tolist()
        scale, offset = (_per_channel(value, start) for value in (std, mean))
        found = []
        for part in torch.arange(len(units)).split(batch_size):
            chosen = [units[i] for i in part.tolist()]
            leaf, image = _parametrised(start[part], parametrisation)
            optimizer = torch.optim.Adam([leaf], lr=lr)
            for shift in shifts:
                z = torch.roll(image(leaf), shift, dims=(2, 3)) if jitter else image(leaf)
                gain = _responses(network, z * scale + offset, chosen, layer)
                loss = (penalty * edge_energy(z) - gain).sum() if penalty else -gain.sum()
                leaf.grad, = torch.autograd.grad(loss, leaf)
                optimizer.step()
            found.append(gradients.finite(image(leaf).detach(), "image", int(part[0])))
        return torch.cat(found)


def response(model: nn.Module, x: Tensor, units: Sequence[Unit], *, layer: str | None) -> Tensor:
    """[B]: of each image of x [B, C, H, W], in pixels, how its own unit of `units` (B of them) responds."""
    with gradients.borrowed(model) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0)
        if len(units) != len(x):
            raise ValueError(f"expected one unit for each of {len(x)} images, got {len(units)}")
        return _responses(network, x, units, layer)


def shown(z: Tensor) -> Tensor:
    """Images [B, C, H, W] in [0, 1] to look at: grey, and a tenth per standard deviation, as the lecture shows them."""
    flat = z.flatten(1)
    centred = (flat - flat.mean(dim=1, keepdim=True)) / flat.std(dim=1, keepdim=True).clamp(min=1e-12)
    return (0.5 + 0.1 * centred).clamp(0, 1).view_as(z)


def _responses(network: nn.Module, x: Tensor, units: Sequence[Unit], layer: str | None) -> Tensor:
    if layer is None:
        output = gradients.logits(network, x)
    else:
        with _output(gradients.layer(network, layer), layer) as taken:
            outputs.run(network, x)
        if len(taken) != 1:
            raise ValueError(f"the layer {layer} must run once for an input, it ran {len(taken)} times; choose another")
        output = taken[0]
    places = []
    for i, unit in enumerate(units):
        place = unit if isinstance(unit, tuple) else (unit,)
        if len(place) not in (1, output.ndim - 1) or any(
                not 0 <= at < size for at, size in zip(place, output.shape[1:], strict=False)):
            raise ValueError(f"{layer or 'the output'} is {list(output.shape[1:])}, it has no unit {unit}; give a "
                             "channel, or a channel with a place")
        places.append(output[(i, *place)].sum())
    return torch.stack(places)


@contextmanager
def _output(module: nn.Module, name: str) -> Iterator[list[Tensor]]:
    """The module's outputs, in the graph."""
    taken: list[Tensor] = []

    def take(_: nn.Module, __: Any, output: Any) -> Any:
        if not isinstance(output, Tensor) or output.ndim < 2:
            raise ValueError(f"the output of {name} must be a tensor [B, F, ...]; choose another layer")
        taken.append(output)
        return output.clone()  # a ReLU that works in place comes next in many networks

    handle = module.register_forward_hook(take)
    try:
        yield taken
    finally:
        handle.remove()


def _parametrised(start: Tensor, by: str) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The leaf that is optimised, and the function that makes the images [B, C, H, W] of it."""
    if by == "pixels":
        return start.clone().requires_grad_(), lambda leaf: leaf
    height, width = start.shape[2:]
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    scale = (1 / torch.hypot(rows, columns).clamp(min=1 / max(height, width))).to(start)
    leaf = torch.view_as_real(torch.fft.rfft2(start, norm="ortho") / scale).clone().requires_grad_()
    return leaf, lambda leaf: torch.fft.irfft2(torch.view_as_complex(leaf) * scale, s=(height, width), norm="ortho")


def _per_channel(value: PerChannel, like: Tensor) -> Tensor:
    found = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if found.ndim > 1 or (found.ndim == 1 and len(found) != like.shape[1]):
        raise ValueError(f"mean and std must be numbers, or {like.shape[1]} of them, got {value}")
    return found.view(-1, 1, 1)
