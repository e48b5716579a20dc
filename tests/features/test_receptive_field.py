"""Receptive fields against the formula, against changing single pixels, and on real graphs."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from convscope.features.receptive_field import effective, effective_width, output_size, theoretical
from convscope.models import resnet
from convscope.rng import numpy_rng, seeded, torch_rng


def headed(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("seed", range(15))
def test_stacks_by_the_formula(seed: int) -> None:
    """1 + the sum of (k - 1) * dilation * jump, of an image too large for any border to cut it."""
    rng = numpy_rng(seed, "stack")
    layers: list[nn.Module] = []
    field, jump = 1, 1
    for _ in range(int(rng.integers(1, 5))):
        kernel, stride, dilation = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(1, 4))
        kind = rng.choice(["conv", "max", "mean"])
        if kind == "mean":
            dilation = 1
            layers.append(nn.AvgPool2d(kernel, stride))
        elif kind == "max":
            layers.append(nn.MaxPool2d(kernel, stride, dilation=dilation))
        else:
            layers += [nn.Conv2d(1, 1, kernel, stride, dilation=dilation), nn.BatchNorm2d(1), nn.ReLU(inplace=True)]
        field, jump = field + (kernel - 1) * dilation * jump, jump * stride
    found = theoretical(headed(*layers), "0", shape=(1, 220, 200))
    assert (found.height, found.width) == (field, field)


def test_of_torchvisions_network() -> None:
    """7 (stride 2), 3 (stride 2), then two blocks of two 3x3 convolutions each at jump 4: 7 + 4 + 4 * 8."""
    assert theoretical(torchvision.models.resnet18(), "layer1", shape=(3, 160, 160)).width == 43


def test_changing_one_pixel_after_the_other() -> None:
    with seeded(0, "init"):
        model = resnet.build(n_classes=3, input_shape=(1, 20, 20), depth=8, width=0.5).double().eval()
    x = torch.rand(1, 1, 20, 20, dtype=torch.float64, generator=torch_rng(0, "x"))
    field = theoretical(model, "stages.1.0", shape=(1, 20, 20), unit=(4, 6))
    pixels = torch.eye(400, dtype=torch.float64).view(400, 1, 20, 20)
    taken: list[Tensor] = []
    model.get_submodule("stages.1.0").register_forward_hook(
        lambda _, __, output: taken.append(output))  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        model(x)
        changed = torch.zeros(400, dtype=torch.bool)
        for size in (3.0, -3.0):  # a ReLU hides one direction or the other
            model(x + size * pixels)
            changed |= ((taken.pop() - taken[0])[:, :, 4, 6].abs() > 1e-12).any(dim=1)
    reached = changed.view(20, 20).nonzero()
    rows, columns = ((int(reached[:, d].min()), int(reached[:, d].max())) for d in (0, 1))
    assert (field.rows, field.columns) == (rows, columns)


class Between(nn.Module):
    """Something between the image, 1 or 4 channels of it, and a convolution `conv` of 3 x 3."""

    def __init__(self, way: Callable[[Tensor], Tensor], channels: int = 1, kernel: int = 1) -> None:
        super().__init__()
        with seeded(3, "init"):
            self.spread = nn.Conv2d(1, channels, kernel, padding=kernel // 2)
            self.conv, self.head = nn.Conv2d(channels, 4, 3, padding=1), nn.Linear(4, 2)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(self.way(self.spread(x))).relu().mean((2, 3)))


def filtered(kernel: list[list[float]], x: Tensor) -> Tensor:
    size = len(kernel)
    weight = torch.tensor(kernel, dtype=x.dtype).expand(x.shape[1], 1, size, size)
    return functional.conv2d(x, weight, padding=size // 2, groups=x.shape[1])


SOBEL = [[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SRM = [[-1.0, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
SIGNED: dict[str, Callable[[Tensor], Tensor]] = {
    "sobel": lambda x: filtered(SOBEL, x).relu(), "high pass": lambda x: functional.relu6(filtered(SRM, x)),
    "one side": lambda x: filtered([[0.0, 0, 0], [-1, 1, 0], [0, 0, 0]], x),
    "edges": lambda x: (filtered(SOBEL, x) ** 2 + filtered(SOBEL, x.mT).mT ** 2).sqrt(),
    "modulus": lambda x: filtered(SOBEL, x).abs(), "by hand": lambda x: filtered(SOBEL, x) * (filtered(SOBEL, x) > 0),
    "minus a mean": lambda x: (x - functional.avg_pool2d(x, 5, 1, 2)).relu(), "of two means": lambda x: functional.gelu(
        functional.avg_pool2d(x, 3, 1, 1) - functional.avg_pool2d(x, 5, 1, 2)),
    "minus the pixel": lambda x: functional.max_pool2d(x, 3, 1, 1) - x,
    "least": lambda x: -functional.max_pool2d(-x, 3, 1, 1),
    "inverted": lambda x: (1 - functional.avg_pool2d(x, 3, 1, 1)).clamp(min=0), "steps": lambda x: torch.diff(
        x, dim=3, prepend=x[..., :1]).relu(), "larger": lambda x: functional.avg_pool2d(x, 3, 1, 1).maximum(x),
    "a gate": lambda x: x * (filtered(SOBEL, x) > 0),
    "a part": lambda x: functional.pad(x[:, :, 2:, :-3], (3, 0, 0, 2)),
    "bicubic": lambda x: functional.interpolate(x[:, :, ::2, ::2], scale_factor=2, mode="bicubic")}
GLOBAL: dict[str, Callable[[Tensor], Tensor]] = {
    "group norm": lambda x: functional.group_norm(x, 2).relu(), "instance norm": functional.instance_norm,
    "layer norm": lambda x: functional.layer_norm(x, x.shape[1:]).relu(),
    "batch norm": lambda x: torch.cat([functional.batch_norm(one[None], None, None, training=True) for one in x]),
    "response norm": lambda x: x * x.norm(dim=(2, 3), keepdim=True) / x.norm(dim=(2, 3), keepdim=True).mean(1, True),
    "minus the mean": lambda x: (x - x.mean((2, 3), keepdim=True)).relu(),
    "plus the least": lambda x: x + x[:, :1].amin((1, 2, 3), keepdim=True),
    "minus the largest": lambda x: x - x.flatten(2).max(2).values[..., None, None], "scaled": lambda x: x * torch.rsqrt(
        (x ** 2).mean((2, 3), keepdim=True)), "attention": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()}
PLACES: dict[str, Callable[[Tensor], Tensor]] = {
    "layer norm": lambda x: functional.gelu(functional.layer_norm(x.movedim(1, -1), x.shape[1:2])).movedim(-1, 1),
    "response norm": lambda x: functional.local_response_norm(x, 3),
    "normalised": lambda x: functional.normalize(x, dim=1)}


def changed(model: nn.Module, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The rows and columns of the pixels that change the central unit of `conv`: each by itself, on random images."""
    taken: list[Tensor] = []
    handle = model.get_submodule("conv").register_forward_hook(
        lambda _, __, output: taken.append(output[:, :, size // 2, size // 2]))  # pyright: ignore[reportArgumentType]
    found = torch.zeros(size * size, dtype=torch.bool)
    with torch.no_grad():
        for image in torch.rand(3, 1, 1, size, size, dtype=torch.float64, generator=torch_rng(0, "images")):
            for change in (-5.0, -1.0, 1.0, 5.0):
                pixels = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
                model.double().eval()(torch.cat([image, image + change * pixels]))
                unit = taken.pop()
                found |= ((unit[1:] - unit[0]).abs() > 1e-9).any(dim=1)
    handle.remove()
    reached = found.view(size, size).nonzero()
    rows, columns = ((int(reached[:, d].min()), int(reached[:, d].max())) for d in (0, 1))
    return rows, columns


@pytest.mark.parametrize("name", SIGNED)
def test_fixed_filters_of_any_sign(name: str) -> None:
    """Filters that are no weights, and what is subtracted, are neither lost nor made larger than they are."""
    model = Between(SIGNED[name])
    field = theoretical(model, "conv", shape=(1, 12, 12))
    assert (field.rows, field.columns) == changed(model, 12)


@pytest.mark.parametrize("larger", [torch.maximum, lambda a, b: torch.where(a > b, a, b), lambda a, b: a.fmax(b),
                                    lambda a, b: -torch.min(-a, other=-b)])
def test_of_a_maximum_both_count(larger: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Also the one that is never the larger on the image at hand."""
    model = Between(lambda x: larger(functional.avg_pool2d(x, 5, 1, 2) - 100, x))
    assert theoretical(model, "conv", shape=(1, 12, 12)).width == 7


@pytest.mark.parametrize("name", GLOBAL)
def test_statistics_over_the_map_bring_in_every_pixel(name: str) -> None:
    model = Between(GLOBAL[name], channels=4, kernel=3)
    field = theoretical(model, "conv", shape=(1, 12, 12))
    assert (field.rows, field.columns) == changed(model, 12) == ((0, 11), (0, 11))


@pytest.mark.parametrize("name", PLACES)
def test_statistics_of_one_place_bring_in_none(name: str) -> None:
    model = Between(PLACES[name], channels=4, kernel=3)
    field = theoretical(model, "conv", shape=(1, 12, 12))
    assert (field.rows, field.columns) == changed(model, 12) == ((4, 8), (4, 8))


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.GroupNorm(1, 4, affine=False), nn.InstanceNorm2d(4),
                                  nn.BatchNorm2d(4, track_running_stats=False)])
def test_norms_as_modules(norm: nn.Module) -> None:
    layers = (nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(True), nn.Conv2d(4, 4, 3, padding=1))
    assert theoretical(headed(*layers), "0", shape=(1, 20, 20)).width == 20
    tracked = (layers[0], nn.InstanceNorm2d(4, track_running_stats=True), *layers[2:])
    assert theoretical(headed(*tracked), "0", shape=(1, 20, 20)).width == 5


def test_the_effective_field_lies_within() -> None:
    with seeded(0, "init"):
        model = resnet.build(n_classes=3, input_shape=(3, 24, 24), depth=8, width=0.5)
    x = torch.rand(6, 3, 24, 24, generator=torch_rng(0, "x"))
    for layer in ("conv", "stages.0.0", "stages.1.0.relu1"):
        field, effect = theoretical(model, layer, shape=(3, 24, 24)), effective(model, layer, x, batch_size=4)
        outside = effect.clone()
        outside[field.rows[0]:field.rows[1] + 1, field.columns[0]:field.columns[1] + 1] = 0
        assert effect.shape == (24, 24) and float(effect.max()) > 0 and not outside.any()
        assert effective_width(effect) <= field.width
        torch.testing.assert_close(effective(model, layer, x, batch_size=1), effect, rtol=1e-4, atol=1e-7)
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_of_a_linear_layer_the_effective_field_is_the_filter() -> None:
    with seeded(0, "init"):
        model = headed(nn.Conv2d(2, 3, 3, padding=1))
    found = effective(model, "0", torch.rand(2, 2, 9, 9), unit=(4, 4))
    weight = model[0][0].weight.detach().sum(dim=0).abs().sum(dim=0)  # pyright: ignore[reportIndexIssue]
    torch.testing.assert_close(found[3:6, 3:6], weight)


def test_width_of_a_uniform_square() -> None:
    effect = torch.zeros(30, 30)
    effect[5:25, 5:25] = 2.0
    assert effective_width(effect) == pytest.approx((0.9545 * 400) ** 0.5, abs=0.03)
    assert effective_width(torch.zeros(3, 3)) == 0


def test_output_sizes() -> None:
    """The lecture's example: 3 coefficients, dilation 4, 20 x 30 pixels give 12 x 22."""
    assert (output_size(20, kernel=3, dilation=4), output_size(30, kernel=3, dilation=4)) == (12, 22)
    for kernel, stride, padding, dilation in ((3, 2, 1, 1), (5, 3, 0, 2), (1, 1, 0, 1)):
        out = functional.conv1d(torch.ones(1, 1, 23), torch.ones(1, 1, kernel), None, stride, padding, dilation)
        assert output_size(23, kernel=kernel, stride=stride, padding=padding, dilation=dilation) == out.shape[2]


def test_bad_input() -> None:
    model = headed(nn.Conv2d(1, 1, 3))
    with pytest.raises(ValueError, match="no layer '7'"):
        theoretical(model, "7", shape=(1, 9, 9))
    with pytest.raises(ValueError, match=r"0 is 7 x 7, it has no place \(7, 0\)"):
        theoretical(model, "0", shape=(1, 9, 9), unit=(7, 0))
    with pytest.raises(ValueError, match=r"give maps \[B, F, h, w\]"):
        theoretical(model, "2", shape=(1, 9, 9))
    with pytest.raises(ValueError, match="covers 9 pixels does not fit 5"):
        output_size(5, kernel=3, dilation=4)
