"""Receptive fields against the formula, against changing single pixels, and on real graphs."""

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
