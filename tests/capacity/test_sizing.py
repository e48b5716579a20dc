"""The network of a wanted capacity: found by bisection, refused where there is none."""

import pytest
import torch
from torch import nn

from convscope.capacity.bits import capacity_bits
from convscope.capacity.sizing import size_to
from convscope.family import bind

SHAPE = (3, 32, 32)


def family(name: str, **settings):
    return lambda width: bind("models", {"name": name, "width": width, **settings}).call(
        n_classes=10, input_shape=SHAPE, alphabet="")


@pytest.mark.parametrize(("name", "settings", "wanted"), [
    ("alexnet", {}, 30_720), ("vgg", {"depth": 11}, 20_000), ("resnet", {"depth": 8}, 49_152), ("lenet", {}, 5_000)])
def test_comes_near_from_both_sides(name: str, settings: dict, wanted: int) -> None:
    found = size_to(wanted, family(name, **settings), input_shape=SHAPE)
    assert found.capacity.total == pytest.approx(wanted, rel=0.03)
    assert capacity_bits(found.model, SHAPE) == found.capacity
    assert next(found.model.parameters()).device.type == "cpu"  # the search is on the meta device, the result is not
    for factor, sign in ((0.9, -1), (1.1, 1)):
        other = capacity_bits(family(name, **settings)(found.width * factor), SHAPE).total
        assert sign * (other - found.capacity.total) >= 0


def test_of_every_width_tried_the_nearest() -> None:
    """A layer of `units` holds 3 per unit: 100 bits fall between 33 and 34 units."""
    found = size_to(100, lambda width: nn.Linear(2, max(1, round(10 * width))), input_shape=(2,))
    assert found.capacity.total == 99 and round(10 * found.width) == 33


def test_no_weights_are_made_on_the_way() -> None:
    devices = []

    def build(width: float) -> nn.Module:
        layer = nn.Linear(2, max(1, round(10 * width)))
        devices.append(layer.weight.device.type)
        return layer

    size_to(90, build, input_shape=(2,))
    assert set(devices[:-1]) == {"meta"} and devices[-1] == "cpu" and torch.get_default_device().type == "cpu"


@pytest.mark.parametrize(("wanted", "options", "sentence"), [
    (10**9, {}, "1,000,000,000 are wanted; take another family or other widths"),
    (1, {}, "1 are wanted"),
    (0, {}, "must be a number of bits above 0, got 0"),
    (float("nan"), {}, "got nan"),
    (100, {"low": 2, "high": 1}, "0 < low < high, got 2 and 1"),
])
def test_refuses_in_one_sentence(wanted: float, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        size_to(wanted, family("lenet"), input_shape=SHAPE, **options)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def _listed(width: float) -> nn.Module:
    rates = torch.linspace(0, 0.2, 3).tolist()
    return nn.Sequential(nn.Linear(2, max(1, round(10 * width))), nn.Dropout(rates[-1]))


def _item(width: float) -> nn.Module:
    rates = [rate.item() for rate in torch.linspace(0, 0.2, 3)]
    return nn.Sequential(nn.Linear(2, max(1, round(10 * width))), nn.Dropout(rates[-1]))


def _truth(width: float) -> nn.Module:
    return nn.Linear(2, max(1, round(10 * width)) if bool(torch.ones(1) > 0) else 1)


def _array(width: float) -> nn.Module:
    return nn.Linear(2, max(1, round(10 * width * float(torch.ones(1).numpy()[0]))))


def _own_init(width: float) -> nn.Module:
    """Draws its weights anew until none is far from 0, as a truncated normal of its own making."""
    layer = nn.Linear(2, max(1, round(10 * width)))
    with torch.no_grad():
        while float(layer.weight.normal_().clamp_(-1, 1).abs().max()) > 1:
            pass
    return layer


@pytest.mark.parametrize("build", [_listed, _item, _truth, _array, _own_init])
def test_a_build_that_reads_a_number_of_a_tensor(build) -> None:
    found = size_to(100, build, input_shape=(2,))
    assert found.capacity.total == 99 and all(p.device.type == "cpu" for p in found.model.parameters())
    assert torch.get_default_device().type == "cpu" and not nn.Linear(2, 2).weight.is_meta


def test_a_build_that_fails_is_a_sentence() -> None:
    def build(width: float) -> nn.Module:
        raise KeyError("width")

    with pytest.raises(ValueError, match=r"build\(width=0\.015625\) must give a network, it raises KeyError: 'width'"):
        size_to(100, build, input_shape=(2,))
