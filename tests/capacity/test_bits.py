"""Capacity against hand-computed networks, the specification's table, and itself."""

import math

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from convscope.capacity.bits import Capacity, capacity_bits
from convscope.family import bind

READINGS = ({}, {"mode": "algorithm1"}, {"mode": "algorithm1", "output_bits": "sum"})


def built(name: str, shape: tuple[int, ...], n_classes: int = 10, **settings) -> nn.Module:
    with torch.device("meta"):
        return bind("models", {"name": name, **settings}).call(n_classes=n_classes, input_shape=shape, alphabet="")


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


class Residual(nn.Module):
    """4 -> 4 units, added to their input, then 2 outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.first(x))
        return self.last(h + self.inner(h))


class Branches(nn.Module):
    """Two wide branches of one narrow value, concatenated: together they cannot pass on more than reached them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b, self.head = nn.Linear(8, 3), nn.Linear(3, 10), nn.Linear(3, 10), nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        return self.head(torch.cat([self.a(h), self.b(h)], dim=1))


@pytest.mark.parametrize(("name", "shape", "settings", "parameters", "expected"), [
    ("mlp", (2,), {"hidden": (3,), "n_classes": 1}, 13, (12, 12, 12)),
    ("lenet", (1, 28, 28), {}, 61_706, (1_936, 1_936, 268)),
    ("imagenet", (3, 224, 224), {"arch": "alexnet", "n_classes": 1000}, 61_100_840, (184_704, 184_704, 24_122)),
    ("resnet", (3, 32, 32), {}, 855_770, (266_656, 270_480, 7_440)),
    ("vgg", (3, 32, 32), {}, 14_728_266, (115_008, 123_456, 4_384)),
])
def test_known_networks(name: str, shape: tuple[int, ...], settings: dict, parameters: int, expected: tuple) -> None:
    network = built(name, shape, **settings)
    found = [capacity_bits(network, shape, **options) for options in READINGS]  # pyright: ignore[reportArgumentType]
    assert tuple(one.total for one in found) == expected
    assert {one.parameters for one in found} == {parameters}


def test_layers_by_hand() -> None:
    """LeNet-5: 156 free, then what pooling leaves of each layer's neurons."""
    layers = capacity_bits(built("lenet", (1, 28, 28)), (1, 28, 28)).layers
    assert [(one.parameters, one.bits_in, one.capacity, one.bits_out) for one in layers] == [
        (156, math.inf, 156, 4704), (2416, 1176, 1176, 1176), (48120, 400, 400, 120), (10164, 120, 120, 84),
        (850, 84, 84, 10)]
    assert [one.kind for one in layers] == ["Conv2d", "Conv2d", "Linear", "Linear", "Linear"]


def test_residual_and_concatenation_by_hand() -> None:
    # first: 28 parameters, passes 4; inner: min(20, 4) = 4; their sum: min(4 + 4, what h passed: 4); last: min(10, 4).
    assert capacity_bits(Residual(), (6,)).total == 28 + 4 + 4
    # stem 27, passes 3; a and b hold 3 each and pass 3 each; together no more than h's 3; head: min(105, 3).
    assert capacity_bits(Branches(), (8,)).total == 27 + 3 + 3 + 3
    assert capacity_bits(Branches(), (8,), input_bits=2).total == 2 + 2 + 2 + 2


def test_input_bits_bound_the_first_layer() -> None:
    assert capacity_bits(mlp(), (2,), input_bits=5).total == 5 + 3
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    assert capacity_bits(flat, (3, 2, 2)).total == 65  # flattening is no bound: nothing has been computed yet


def test_batch_norm_is_a_bias_or_a_layer() -> None:
    conv = [nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2)]
    folded, apart = (capacity_bits(nn.Sequential(*conv), (1, 8, 8), bn=bn) for bn in ("fold", "layer"))  # pyright: ignore
    assert folded.total == (36 + 4) + 256 and apart.total == 36 + 8 + 256
    biased = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *conv[1:])
    assert capacity_bits(biased, (1, 8, 8)).total == 36 + 4 + 256
    first = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 2))  # folds into nothing: a layer
    assert [one.kind for one in capacity_bits(first, (1, 8, 8)).layers] == ["BatchNorm2d", "Linear"]


def test_shared_weights_count_once() -> None:
    layer = nn.Linear(6, 6)
    once, twice = nn.Sequential(layer, nn.ReLU()), nn.Sequential(layer, nn.ReLU(), layer)
    assert capacity_bits(once, (6,)).total == capacity_bits(twice, (6,)).total == 42


@pytest.mark.parametrize("name", ["vgg16_bn", "resnet18", "resnet50", "densenet121", "googlenet", "mobilenet_v2",
                                  "mobilenet_v3_small"])
def test_torchvision(name: str) -> None:
    with torch.device("meta"):
        options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        network = torchvision.models.get_model(name, weights=None, **options)
    found = capacity_bits(network, (3, 224, 224))
    assert 0 < found.total < found.parameters == sum(p.numel() for p in network.parameters())
    apart = capacity_bits(network, (3, 224, 224), bn="layer")
    assert sum(layer.parameters for layer in apart.layers) == found.parameters  # no weight is overlooked


@pytest.mark.parametrize(("name", "shape"), [
    ("vit", (3, 32, 32)), ("convnext", (3, 32, 32)), ("shallow_max", (1, 8, 8)), ("linear_softmax", (1, 8, 8)),
    ("alexnet", (3, 32, 32)), ("mlp", (7,))])
def test_every_family_of_the_suite(name: str, shape: tuple[int, ...]) -> None:
    found = capacity_bits(built(name, shape), shape, bn="layer")
    assert found.total > 0 and sum(layer.parameters for layer in found.layers) == found.parameters


def test_texts_are_counted_on_their_characters() -> None:
    network = bind("models", {"name": "char_cnn", "features": 8, "units": 12}).call(
        n_classes=3, input_shape=(123,), alphabet=" abc")
    assert capacity_bits(network, (123,)).total > 0


def test_the_model_is_untouched() -> None:
    model = bind("models", {"name": "resnet", "depth": 8}).call(n_classes=10, input_shape=(3, 32, 32)).train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.get_submodule("norm").eval()
    handle = model.register_forward_hook(lambda *_: None)
    for shape in ((3, 32, 32), (1, 32, 32)):
        try:
            capacity_bits(model, shape)
        except ValueError:
            assert shape == (1, 32, 32)
    assert model.training and not model.get_submodule("norm").training and len(model._forward_hooks) == 1
    assert all(torch.equal(v, state[k]) and v.device.type == "cpu" for k, v in model.state_dict().items())
    handle.remove()


def test_compiled_models_are_unwrapped() -> None:
    assert capacity_bits(torch.compile(mlp()), (2,)) == capacity_bits(mlp(), (2,))  # pyright: ignore


class Decides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else x


@pytest.mark.parametrize(("model", "shape", "options", "sentence"), [
    (Decides(), (2,), {}, "Decides cannot be traced"),
    (torch.jit.script(mlp()), (2,), {}, "TorchScript"),
    (mlp(), (3,), {}, "does not take inputs [B, 3]"),
    (nn.Conv2d(1, 1, 9), (1, 5, 5), {}, "does not take inputs [B, 1, 5, 5]"),
    (mlp(), (2,), {"mode": "rule"}, "mode must be rules or algorithm1, got 'rule'"),
    (mlp(), (2,), {"output_bits": "max"}, "output_bits must be product or sum"),
    (mlp(), (2,), {"bn": "drop"}, "bn must be fold or layer"),
    (mlp(), (2,), {"input_bits": 0}, "input_bits must be above 0"),
])
def test_refuses_in_one_sentence(model: nn.Module, shape: tuple, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        capacity_bits(model, shape, **options)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_a_plain_record() -> None:
    found = capacity_bits(mlp(), (2,))
    assert isinstance(found, Capacity) and found.total == sum(layer.capacity for layer in found.layers) == 12
    assert [layer.name for layer in found.layers] == ["0", "2"]


class NormAct(nn.BatchNorm2d):
    """As timm's: a batch norm that holds its activation."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(nn.functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps)))


@pytest.mark.parametrize(("layer", "norm", "shape"), [
    (nn.ConvTranspose1d(2, 4, 3, bias=False), nn.BatchNorm1d(4), (2, 8)),
    (nn.ConvTranspose2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), (2, 8, 8)),
    (nn.ConvTranspose3d(2, 4, 3, bias=False), nn.BatchNorm3d(4), (2, 4, 4, 4)),
    (nn.Conv2d(2, 4, 3, bias=False), NormAct(4), (2, 8, 8)),
    (nn.Conv2d(2, 4, 3, bias=False), nn.SyncBatchNorm(4), (2, 8, 8))])
def test_batch_norm_folds_behind_every_convolution(layer: nn.Module, norm: nn.Module, shape: tuple) -> None:
    found = capacity_bits(nn.Sequential(layer, norm), shape).layers
    assert [(one.name, one.parameters) for one in found] == [("0", sum(p.numel() for p in layer.parameters()) + 4)]
    own = capacity_bits(nn.Sequential(layer, norm), shape, bn="layer").layers
    assert [one.parameters for one in own] == [found[0].parameters - 4, 8]


@pytest.mark.parametrize("change", [nn.Module.half, nn.Module.bfloat16, nn.Module.double, nn.DataParallel])
def test_other_types_and_wrappers_hold_the_same(change) -> None:
    assert capacity_bits(change(mlp()), (2,)) == capacity_bits(mlp(), (2,))
