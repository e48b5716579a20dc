"""Smaller networks against masked ones; what is dead, by hand; what is refused."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.features import pruning
from convscope.models import char_cnn, lenet, resnet, traffic_cnn, vgg
from convscope.models.classifier import Classifier
from convscope.rng import numpy_rng, seeded, torch_rng


class Net1d(nn.Module):
    """Two convolutions with functional ReLUs and poolings, of which the second ends in a part of a window."""

    def __init__(self, order: str, steps: int = 25) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(2, 6, 3, padding=1), nn.Conv1d(6, 5, 3, padding=1)
        self.pool, self.drop = nn.MaxPool1d(2, ceil_mode=True), nn.Dropout(0.5)
        self.hidden, self.out = nn.Linear(5 * (-(-steps // 2)), 7), nn.Linear(7, 1)
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        a = self.drop(self.pool(functional.relu(self.conv2(functional.relu(self.conv1(x))))))
        a = a.flatten(1) if self.order == "channel" else a.transpose(1, 2).flatten(1)
        return self.out(functional.relu(self.hidden(a)))


def series(n: int = 9, channels: int = 2, steps: int = 25) -> Tensor:
    return torch.randn(n, channels, steps, generator=torch_rng(0, "series"))


def images(n: int = 5, channels: int = 3, side: int = 16) -> Tensor:
    return torch.rand(n, channels, side, side, generator=torch_rng(0, "images"))


def net1d(order: str = "time") -> Net1d:
    with seeded(0, "init"):
        return Net1d(order)


def normed() -> nn.Sequential:
    """Conv-BatchNorm-ReLU twice, with statistics and weights of the norms that are not trivial."""
    with seeded(1, "init"):
        model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(True),
                              nn.Conv2d(6, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(3),
                              nn.Flatten(), nn.Linear(4 * 2 * 2, 3))
        for module in model:
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        for _ in range(20):
            model(images(16))
    return model.eval()


def narrow_vgg(batch_norm: bool = True) -> nn.Module:
    with seeded(2, "init"):
        model = vgg.build(n_classes=4, input_shape=(3, 16, 16), depth=11, width=0.1, batch_norm=batch_norm)
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(images(16))  # statistics of its own in every norm
    return model.eval()


@contextmanager
def masked(model: nn.Module, masks: Mapping[str, Sequence[int]]) -> Any:
    """Another way to the same: these outputs of these modules are multiplied by zero."""
    def mask(which: Sequence[int], axis: int) -> Callable[..., Tensor]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            factor = torch.ones(output.shape[axis])
            factor[list(which)] = 0
            return output * (factor if axis == -1 else factor.view(-1, *[1] * (output.ndim - 2)))
        return hook
    handles = [module.register_forward_hook(mask(masks[name], -1 if isinstance(module, nn.Linear) else 1))
               for name, module in model.named_modules() if name in masks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def run(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(x)


CASES: list[tuple[Callable[[], nn.Module], Tensor, dict[str, list[int]], dict[str, list[int]]]] = [
    # the network, its inputs, the filters that go, and after which modules (ReLU or before it) the same is masked
    (lambda: net1d("channel"), series(), {"conv1": [5, 0], "conv2": [1, 4]}, {"conv1": [0, 5], "conv2": [1, 4]}),
    (lambda: net1d("time"), series(), {"conv1": [5, 0], "conv2": [1, 4]}, {"conv1": [0, 5], "conv2": [1, 4]}),
    (lambda: net1d("time"), series(), {"conv2": [0, 1, 2, 3], "hidden": [0, 1, 6]},
     {"conv2": [0, 1, 2, 3], "hidden": [0, 1, 6]}),
    (normed, images(), {"0": [1, 2], "3": [0, 3]}, {"2": [1, 2], "5": [0, 3]}),
    (narrow_vgg, images(), {"0": [0, 3], "4": [5], "8": [1, 2, 25], "25": [0, 50]},
     {"2": [0, 3], "6": [5], "10": [1, 2, 25], "27": [0, 50]}),
    (lambda: narrow_vgg(False), images(), {"0": [0, 3], "3": [5]}, {"1": [0, 3], "4": [5]}),
    (lambda: lenet.build(n_classes=4, input_shape=(1, 28, 28)), images(5, 1, 28),
     {"0": [4], "3": [0, 15], "7": [1, 119], "9": [3]}, {"0": [4], "3": [0, 15], "7": [1, 119], "9": [3]}),
    (traffic_cnn.build, series(9, 2, 50), {"conv1": list(range(1, 60)), "conv2": [0, 31], "conv3": [2, 7]},
     {"conv1": list(range(1, 60)), "conv2": [0, 31], "conv3": [2, 7]}),
]


@pytest.mark.parametrize(("build", "x", "filters", "masks"), CASES)
def test_removing_is_masking(build: Callable[[], nn.Module], x: Tensor, filters: dict[str, list[int]],
                             masks: dict[str, list[int]]) -> None:
    with seeded(3, "init"):
        model = build()
    small = pruning.remove(model, x[:1], filters)
    with masked(model, masks):
        expected = run(model, x)
    whole = run(model, x)
    scale = float(whole.abs().max())
    for name, which in masks.items():  # else the test could not fail
        with masked(model, {name: which}):
            assert float((run(model, x) - whole).abs().max()) > 1e-3 * scale
    torch.testing.assert_close(run(small, x), expected, rtol=0, atol=1e-5 * scale)
    assert pruning.parameters(small) < pruning.parameters(model)


def test_the_original_is_untouched_and_the_copy_is_like_it() -> None:
    model = normed().train()
    model[0].get_parameter("weight").requires_grad = False
    before = copy.deepcopy(model.state_dict())
    small = pruning.remove(model, images(), {"0": [1], "3": [2]})
    assert model.training and all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for net in (model, small)
                   for module in net.modules())
    assert [p.requires_grad for p in small.parameters()] == [p.requires_grad for p in model.parameters()]
    assert small.training and [module.training for module in small.modules()] == [True] * 10
    assert not {p.data_ptr() for p in small.parameters()} & {p.data_ptr() for p in model.parameters()}
    assert (small[0].out_channels, small[1].num_features, small[3].in_channels, small[8].in_features) == (  # pyright: ignore
        5, 5, 5, 12)
    run(small, images()).sum()
    functional.cross_entropy(small(images()), torch.tensor([0, 1, 2, 0, 1])).backward()  # it can be trained further


def test_nothing_to_remove_gives_an_equal_copy() -> None:
    model = net1d()
    for filters in ({}, {"conv1": []}):
        small = pruning.remove(model, series(), filters)
        assert small is not model and torch.equal(run(small, series()), run(model, series()))


def test_indices_of_any_kind_and_inside_a_wrapper() -> None:
    model = Classifier(narrow_vgg(), input_shape=(3, 16, 16), class_names=list("abcd"), mean=[0.5] * 3, std=[0.2] * 3)
    found = [pruning.remove(model, images(), {"network.4": which}) for which in (  # pyright: ignore[reportArgumentType]
        [1, 3], (1, 3), np.array([1, 3]), torch.tensor([1, 3]))]
    assert all(torch.equal(run(small, images()), run(found[0], images())) for small in found)
    model.network = torch.compile(model.network)  # pyright: ignore[reportAttributeAccessIssue]
    alone = pruning.remove(model.network, images(), {"4": [1, 3]})
    assert alone.get_submodule("4").out_channels == found[0].get_submodule("network.4").out_channels == 11


def test_time_distributed_linear_layers_and_odd_ways() -> None:
    """Layers that are read along their last axis, a channel that nobody reads, a flip of the filters."""
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.each, self.out = nn.Conv1d(2, 6, 3), nn.Linear(5, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            a = self.conv(x).flip(1)[:, :self.each.in_features].relu_()
            return self.out(self.each(a.transpose(1, 2)).sigmoid().mean(1))
    with seeded(0, "init"):
        model = Odd()
    x = series()
    small = pruning.remove(model, x, {"conv": [2, 5], "each": [0]})
    with masked(model, {"conv": [2, 5]}):
        a = functional.relu(model.conv(x).flip(1)[:, :5]).transpose(1, 2)
        kept = torch.sigmoid(model.each(a)[:, :, 1:]).mean(1)
        torch.testing.assert_close(run(small, x), kept @ model.out.weight[:, 1:].T + model.out.bias)


def biased(layer: nn.Module, which: int | list[int] | slice, value: float | Tensor) -> None:
    with torch.no_grad():
        layer.get_parameter("bias")[which] = value


def planted() -> tuple[Net1d, dict[str, list[int]]]:
    """Dead by their bias: filters 1 and 4 of conv1, 0 of conv2; 2 of conv1 is dead but for one input of nine."""
    model, x = net1d(), series()
    biased(model.conv1, [1, 4], -1e3)
    biased(model.conv2, 0, -1e3)
    highest = run(model.conv1, x)[:, 2].amax(dim=1).sort().values
    biased(model.conv1, 2, float(model.conv1.get_parameter("bias").detach()[2] - (highest[-1] + highest[-2]) / 2))
    return model, {"conv1": [1, 4], "conv2": [0]}


def test_dead_filters_by_hand() -> None:
    model, expected = planted()
    x = series()
    assert pruning.dead_filters(model, x) == pruning.dead_filters(model, x, batch_size=2) == expected
    assert pruning.dead_filters(model, x.flip(0), batch_size=2) == expected  # alive in the first batch or in the last
    one = run(model.conv1, x)[:, 2].amax(dim=1).argmax()
    others = [i for i in range(9) if i != one]
    assert pruning.dead_filters(model, x[others])["conv1"] == [1, 2, 4]
    before = run(model.conv1, x)  # the definition, by hand
    assert [i for i in range(6) if bool((before[:, i] <= 0).all())] == [1, 4]


def test_dead_only_behind_a_relu() -> None:
    with seeded(0, "init"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 2, 3),
                              nn.AdaptiveAvgPool2d(1), nn.Flatten())
    biased(model[0], 1, -5.0)  # negative everywhere, and read
    for layer, which in ((model[0], 2), (model[3], 0)):  # 0 everywhere, of which the second is an output of the model
        biased(layer, which, 0.0)
        with torch.no_grad():
            layer.get_parameter("weight")[which] = 0
    assert float(run(model[0], images())[:, 1].max()) < 0
    assert pruning.dead_filters(model, images()) == {"0": [2], "1": [], "3": [0]}
    small, lost = pruning.lossless(model, images())
    assert lost == {"0": [2]} and small[0].out_channels == 3  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("activation", [
    lambda a: torch.where(a > 0, a, 0), lambda a: torch.where(a > 0, a, 0).clamp(max=6),
    lambda a: torch.nan_to_num(a).relu(), lambda a: a.fmax(a.new_zeros(())).fmin(a.new_ones(())),
    lambda a: torch.nan_to_num(a.sigmoid()),
    lambda a: a.masked_fill(~(a > 0), 0), lambda a: torch.nan_to_num(-a).relu().clamp(max=1)])
def test_activations_that_swallow_marks(activation: Callable[[Tensor], Tensor]) -> None:
    """What is not a number, or without bounds, does not come through these: filters are found all the same."""
    with seeded(0, "init"):
        model = Wired(lambda net, x: net.conv2(net.norm(activation(net.conv1(x.flip(1))))),
                      norm=nn.BatchNorm2d(4)).eval()
    x = images()
    x[0] = 0
    biased(model.conv1, [0, 1], torch.tensor([1e-3, -1e-3]))  # on the first image one is 0, the links are found on it
    biased(model.conv1, 2, -1e3)
    for sign in (1, -1):
        with torch.no_grad():
            model.conv1.weight *= sign
        hidden = activation(model.conv1(x.flip(1)))
        expected = [i for i in range(4) if not bool(hidden[:, i].any())]
        assert pruning.dead_filters(model, x)["conv1"] == expected
        with masked(model, {"norm": [1, 3]}):
            wanted = run(model, x)
        assert not torch.equal(wanted, run(model, x))
        torch.testing.assert_close(run(pruning.remove(model, x, {"conv1": [1, 3]}), x), wanted)


def test_dead_behind_a_norm() -> None:
    """Behind Conv-BatchNorm-ReLU a filter is dead by the norm's bias; behind Conv-ReLU-BatchNorm it is a constant."""
    model = normed()
    biased(model[1], 3, -1e3)
    assert pruning.dead_filters(model, images())["0"] == [3]
    small, _ = pruning.lossless(model, images())
    torch.testing.assert_close(run(small, images()), run(model, images()), rtol=0, atol=1e-6)
    with seeded(0, "init"):
        after = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(True), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3, padding=1),
                              nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    biased(after[0], 1, -1e3)
    biased(after[2], slice(None), 0.5)
    assert pruning.dead_filters(after, images())["0"] == []
    with masked(after, {"2": [1]}):
        expected = run(after, images())
    torch.testing.assert_close(run(pruning.remove(after, images(), {"0": [1]}), images()), expected)


def test_lossless() -> None:
    model, expected = planted()
    x = series()
    small, lost = pruning.lossless(model, x)
    assert lost == expected
    off = (run(small, x) - run(model, x)).abs().max() / run(model, x).abs().max()
    assert float(off) <= 1e-6
    # 4 of 6 and 4 of 5 filters are left, 13 steps behind the pooling, 7 hidden units, 1 output
    assert pruning.parameters(small) == (2 * 4 * 3 + 4) + (4 * 4 * 3 + 4) + (4 * 13 * 7 + 7) + (7 + 1)
    assert pruning.parameters(model) == (2 * 6 * 3 + 6) + (6 * 5 * 3 + 5) + (5 * 13 * 7 + 7) + (7 + 1)


def test_one_filter_stays() -> None:
    model, x = net1d(), series()
    biased(model.conv1, slice(None), -1e3)
    small, lost = pruning.lossless(model, x)
    assert lost["conv1"] == [1, 2, 3, 4, 5] and pruning.dead_filters(model, x)["conv1"] == [0, 1, 2, 3, 4, 5]
    torch.testing.assert_close(run(small, x), run(model, x), rtol=0, atol=1e-6)


def test_lossless_looks_at_the_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = net1d(), series()
    monkeypatch.setattr(pruning, "_dead", lambda *_: ({"conv1": [3]}, {"conv1"}))  # a filter that lives
    with pytest.raises(ValueError, match="must give the same outputs to 1e-06 of the largest, they differ by"):
        pruning.lossless(model, x)


def test_residual_networks() -> None:
    """Filters that end in a sum, or go to two layers, are refused; those between the two convolutions of a block go."""
    with seeded(0, "init"):
        model = resnet.build(n_classes=4, input_shape=(3, 16, 16), depth=8).eval()
    for name, message in (
            ("conv", r"the output of conv must go to one other layer, it goes to stages.0.0.conv1, "),
            ("stages.1.0.conv2", r"the output of stages.1.0.conv2 must go to one other layer, it goes to "),
            ("stages.2.0.conv2", r"head reads stages.2.0.conv2 together with stages.2.0.shortcut.0, a sum"),
            ("head", "head gives the model's output, which would lose its own classes or values; choose an earlier")):
        with pytest.raises(ValueError, match=message):
            pruning.remove(model, images(), {name: [0]})
    small = pruning.remove(model, images(), {"stages.1.0.conv1": [0, 7]})
    with masked(model, {"stages.1.0.relu1": [0, 7]}):
        torch.testing.assert_close(run(small, images()), run(model, images()))
    plain = resnet.build(n_classes=4, input_shape=(3, 16, 16), depth=8, residual=False)
    small = pruning.remove(plain, images(), {"conv": [0], "stages.2.0.conv2": [5]})
    assert small.get_submodule("head").in_features == 63


class Wired(nn.Module):
    """conv1 and conv2, joined in a way that is no chain."""

    def __init__(self, way: Callable[[Any, Tensor], Tensor], **more: nn.Module) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)
        for name, module in more.items():
            self.add_module(name, module)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.way(self, x).mean(dim=(2, 3)))


def fixed_sizes(net: Any, x: Tensor) -> Tensor:
    return net.conv2(net.conv1(x).relu().view(-1, 4, 16, 16))


REFUSED: list[tuple[nn.Module, str, str]] = [
    (Wired(lambda net, x: net.conv2(torch.heaviside(net.conv1(x), x.new_zeros(())))), "conv1",
     "filters are followed by their gradients, which this network does not have: derivative for aten::heaviside"),
    (Wired(lambda net, x: net.conv2(net.conv2(net.conv1(x)))), "conv1",
     "conv2 reads conv1 together with conv2, a sum or the like"),
    (Wired(lambda net, x: net.conv2(net.conv1(x)) * net.conv1(x.flip(2))), "conv1",
     "the output of conv1 must go to one other layer, it goes to conv2, head"),
    (Wired(lambda net, x: net.conv2(net.conv1(x) + net.conv1(x.flip(2)))), "conv1",
     "conv1 must run once for an input, it runs 2 times"),
    (Wired(lambda net, x: net.conv2(net.norm(net.conv1(x))), norm=nn.GroupNorm(2, 4)), "conv1",
     "norm, a GroupNorm with weights, follows conv1: only a batch norm may be between"),
    (Wired(lambda net, x: net.conv2(net.norm(net.conv1(x))), norm=nn.GroupNorm(2, 4, affine=False)), "conv1",
     "the filters of conv1 must reach conv2 each in places of its own, they are mixed"),
    (Wired(lambda net, x: net.conv2(net.conv1(x).softmax(1))), "conv1", "they are mixed"),
    (Wired(lambda net, x: net.conv2(net.depth(net.conv1(x))), depth=nn.Conv2d(4, 4, 3, groups=4)), "conv1",
     "depth must have groups=1, it has 4"),
    (Wired(lambda net, x: net.conv2(net.depth(net.conv1(x))), depth=nn.Conv2d(4, 4, 3, groups=4)), "depth",
     "depth must have groups=1, it has 4"),
    (Wired(lambda net, x: net.conv2(torch.cat([x[:, :1], net.conv1(x)[:, 1:]], 1))), "conv1",
     "conv2 reads conv1 together with the input"),
    (Wired(lambda net, x: net.conv2(nn.utils.parametrizations.weight_norm(net.conv1)(x))
           if not hasattr(net.conv1, "parametrizations") else net.conv2(net.conv1(x))), "conv1",
     "conv1 must hold its weights itself, alone"),
    (Wired(fixed_sizes), "conv1", "Wired does not run without filters of conv1 "),
    (Wired(lambda net, x: net.conv2(net.conv1(x)) * net.conv1.weight.abs().sum()), "conv1",
     "without filters of conv1 Wired must give what it gives with 0 in their place, it is off by"),
    (Wired(lambda net, x: net.conv2(net.conv1(x.view(-1, 1, 16, 16).expand(-1, 3, 16, 16)).view(-1, 3, 4, 16, 16)
                                    .mean(1))), "conv1", "conv1 must take one row for each input, it takes 3"),
    (Wired(lambda net, x: net.conv1(x), spare=nn.Conv2d(2, 2, 1)), "spare", "spare does not run for this input"),
    (Wired(lambda net, x: net.conv2(input=net.conv1(x))), "conv1", "conv2 must get its input as its first argument"),
    (Wired(lambda net, x: net.conv2((net.conv1(x), x.repeat(1, 2, 1, 1)[:, :4])[1])), "conv1",
     "it goes to none"),
]


@pytest.mark.parametrize(("model", "name", "message"), REFUSED)
def test_no_chain(model: nn.Module, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pruning.remove(model, images(), {name: [0]})
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_shared_weights() -> None:
    model = Wired(lambda net, x: net.conv3(net.conv2(net.conv1(x))), conv3=nn.Conv2d(4, 4, 3, padding=1))
    model.conv3.weight = model.conv2.weight  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="conv2 must hold its weights itself, alone; take its parametrisation or"):
        pruning.remove(model, images(), {"conv1": [0]})


def test_rounding_is_no_loss() -> None:
    """Where float32 differs by more than 1e-6 but float64 does not, nothing was lost."""
    model, expected = planted()
    # The output is a small difference of large numbers.
    biased(model.out, 0, float(model.out.bias.detach() - run(model, series())[0, 0]))
    small, lost = pruning.lossless(model, series()[:1])
    assert lost.keys() == expected.keys() and small.get_submodule("conv1").weight.dtype == torch.float32


@pytest.mark.parametrize(("filters", "message"), [
    ({"conv9": [0]}, "no layer 'conv9' in Net1d; the nearest are: conv"),
    ({"pool": [0]}, "pool is a MaxPool1d, filters can be removed from Conv1d, Conv2d and Linear"),
    ({"conv1": [0, 6]}, r"filters of conv1 must be in 0..5, got 6; there are 6 filters"),
    ({"conv1": [-1]}, r"filters of conv1 must be in 0..5, got -1"),
    ({"conv1": [2, 1, 2]}, "filters of conv1 must be different, got 2 more than once"),
    ({"conv1": range(6)}, "all 6 filters of conv1 would go, nothing would be left to read; keep at least one"),
    ({"conv1": [0.0]}, r"filters of conv1 must be whole numbers, the indices of filters, got \[0.0\]"),
    ({"conv1": [True, False]}, "filters of conv1 must be whole numbers")])
def test_refused_filters(filters: dict[str, list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pruning.remove(net1d(), series(), filters)


def test_refused_inputs() -> None:
    with pytest.raises(ValueError, match="x must be finite"):
        pruning.remove(net1d(), series() * torch.nan, {"conv1": [0]})
    with pytest.raises(ValueError, match="Net1d does not take inputs"):
        pruning.dead_filters(net1d(), series(9, 3))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        pruning.lossless(net1d(), series(), batch_size=0)


def test_least_important() -> None:
    importance = [3.0, 0.5, 2.0, 0.5, 9.0, 1.0, 7.0, 8.0, 6.0, 5.0]
    assert pruning.least_important(importance, 0.1) == [1]  # the first of equals
    assert pruning.least_important(torch.tensor(importance), 0.29) == [1, 3, 5]
    assert pruning.least_important(np.array(importance), 0.3) == [1, 3, 5]
    assert pruning.least_important(importance, 0) == []
    assert pruning.least_important(importance, 0.999) == [0, 1, 2, 3, 5, 6, 7, 8, 9]  # one is left


def test_at_random() -> None:
    found = [pruning.at_random(10, 0.3, numpy_rng(seed, "prune")) for seed in range(400)]
    assert all(len(set(which)) == 3 and which == sorted(which) for which in found)
    assert found[0] == pruning.at_random(10, 0.3, numpy_rng(0, "prune"))
    times = np.bincount(np.concatenate(found), minlength=10)
    assert times.min() > 85 and times.max() < 155  # 120 expected, 9 the standard deviation


def test_outside_representatives() -> None:
    assert pruning.outside_representatives([0, 1, 0, 2, 1, -1], [2, 1, 3]) == [0, 4, 5]
    assert pruning.outside_representatives(torch.tensor([0, 0]), [1]) == [0]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: pruning.least_important([1.0, 2.0], 1), r"share must be in \[0, 1\), got 1; give the part to remove"),
    (lambda: pruning.least_important([1.0, 2.0], -0.1), r"share must be in \[0, 1\), got -0.1"),
    (lambda: pruning.at_random(4, 30, numpy_rng(0)), r"share must be in \[0, 1\), got 30"),
    (lambda: pruning.at_random(0, 0.3, numpy_rng(0)), "n must be at least 1, the number of a layer's filters, got 0"),
    (lambda: pruning.least_important([1.0, float("nan")], 0.5), r"importance must be finite .* got \[2\] with 1 not"),
    (lambda: pruning.least_important([[1.0]], 0.5), r"importance must be finite numbers \[F\]"),  # pyright: ignore
    (lambda: pruning.outside_representatives([0.5], [0]), r"labels must be whole numbers \[F\], .* got float32 \[1\]"),
    (lambda: pruning.outside_representatives([0, 1], [0]), "cluster 1 has 0; give the index of one filter of it"),
    (lambda: pruning.outside_representatives([0, 0], [0, 1]), "each cluster needs one representative, cluster 0 has 2"),
    (lambda: pruning.outside_representatives([0, 0], [2]), r"representatives must be in 0..1, got 2"),
    (lambda: pruning.outside_representatives([-1, -1], []), "representatives are empty: no filter would be left")])
def test_refused_choices(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_parameters() -> None:
    assert pruning.parameters(traffic_cnn.build()) == 8385


def test_a_text_network_loses_filters_too() -> None:
    """Its characters have no gradient; what reads what is found all the same."""
    with seeded(0, "init"):
        model = Classifier(char_cnn.build(n_classes=3, input_shape=(123,), alphabet="abc", features=8, units=6),
                           input_shape=(123,), class_names=("x", "y", "z"), alphabet="abc")
    x = torch.from_numpy(numpy_rng(0, "texts").integers(0, 4, (20, 123)).astype(np.uint8))
    dead = pruning.dead_filters(model, x)
    assert list(dead) == [f"network.conv{k}" for k in range(1, 7)]
    small = pruning.remove(model, x, {"network.conv2": [1, 5], "network.conv6": [0, 3, 7]})
    assert small.state_dict()["network.conv3.weight"].shape[:2] == (8, 6)
    with torch.no_grad():
        for name, gone in (("network.conv3", [1, 5]), ("network.fc1", [0, 3, 7])):
            model.state_dict()[f"{name}.weight"][:, gone] = 0  # one place is left of each filter before fc1
        torch.testing.assert_close(small.eval()(x), model.eval()(x), rtol=1e-4, atol=1e-6)


class NormAct(nn.BatchNorm2d):
    """As timm's: a batch norm that holds its activation."""

    def __init__(self, features: int, act: nn.Module) -> None:
        super().__init__(features)
        self.drop, self.act = nn.Identity(), act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


@pytest.mark.parametrize("norm", [lambda: NormAct(6, nn.ReLU()), lambda: NormAct(6, nn.SiLU()),
                                  lambda: NormAct(6, nn.Identity()), lambda: nn.SyncBatchNorm(6)])
def test_batch_norms_of_others(norm: Callable[[], nn.Module]) -> None:
    with seeded(0, "init"):
        model = nn.Sequential(nn.Conv2d(3, 6, 3), norm(), nn.Conv2d(6, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                              nn.Linear(4, 3)).eval()
    small = pruning.remove(model, images(), {"0": [1, 4]})
    assert small.get_submodule("1").num_features == 4 == len(small.get_parameter("1.bias"))
    model.get_submodule("2").register_forward_pre_hook(
        lambda _, args: args[0].index_fill(1, torch.tensor([1, 4]), 0.0))
    torch.testing.assert_close(run(small, images()), run(model, images()))


def test_a_norm_whose_activation_has_weights_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), NormAct(6, nn.PReLU(6)), nn.Conv2d(6, 4, 3), nn.Flatten()).eval()
    with pytest.raises(ValueError, match="1, a NormAct, has parts with weights behind 0: only a batch norm may be"):
        pruning.remove(model, images(), {"0": [1]})


def test_scores_in_any_output_and_scores_that_are_no_numbers() -> None:
    class Wrapped(nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.net, self.scale = normed(), scale

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": self.net(x) * self.scale}

    model, x = Wrapped(1.0).eval(), images()
    small = pruning.remove(model, x, {"net.0": [1]}, score="logits")
    torch.testing.assert_close(small(x)["logits"], pruning.remove(normed().eval(), x, {"0": [1]})(x))
    assert pruning.dead_filters(model, x, score="logits")["net.0"] == pruning.dead_filters(normed(), x)["0"]
    with pytest.raises(ValueError, match="score='logits'"):
        pruning.remove(model, x, {"net.0": [1]})
    with pytest.raises(ValueError, match="the score of input 0 must be finite"):
        pruning.remove(Wrapped(float("nan")).eval(), x, {"net.0": [1]}, score="logits")
