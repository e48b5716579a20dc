"""Highlighting against a recursion value by value; max-pooling by its arg max; totals of 1; what cannot be traced."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.features.highlight import highlight
from convscope.models import traffic_cnn
from convscope.models.classifier import Classifier
from convscope.rng import seeded, torch_rng


def window(length: int = 9, channels: int = 2) -> Tensor:
    return torch.randn(1, channels, length, generator=torch_rng(0, "window"), dtype=torch.float64)


def chain(*layers: nn.Module) -> nn.Module:
    """These layers with weights drawn from seed 0, batch norms with statistics."""
    model = nn.Sequential(*layers)
    rng = torch_rng(0, "weights")
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                drawn = torch.randn(value.shape, generator=rng)
                value.copy_(drawn.abs() + 0.5 if name.endswith("var") else drawn)
    return model.double()


def usual() -> nn.Module:
    return chain(nn.Conv1d(2, 4, 3, padding=1, stride=2, bias=True), nn.ReLU(inplace=True),
                 nn.MaxPool1d(2, ceil_mode=True), nn.Conv1d(4, 6, 2, groups=2, dilation=2, padding=1),
                 nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(18, 5), nn.ReLU(),
                 nn.Linear(5, 3))


def recursion(model: nn.Module, x: Tensor, layer: int, filter: int, position: int) -> dict[str, Tensor]:
    """The same, value by value: who is each value's parent, read from the layers' definitions."""
    layers = list(copy.deepcopy(model).eval().requires_grad_(False).children())
    values = [x[0]]
    with torch.no_grad():
        for module in layers:
            values.append(module(values[-1][None].clone())[0])
    found = [torch.zeros_like(value) for value in values]

    def give(depth: int, place: tuple[int, ...], share: float) -> None:
        if share == 0:
            return
        found[depth][place] += share
        if depth == 0:
            return
        module, below = layers[depth - 1], values[depth - 1]
        causes: dict[tuple[int, ...], float] = {}
        if isinstance(module, nn.Conv1d):
            f, t = place
            width = module.in_channels // module.groups
            group = f // (module.out_channels // module.groups)
            for c in range(width):
                for offset in range(module.kernel_size[0]):
                    s = t * module.stride[0] - int(module.padding[0]) + offset * module.dilation[0]
                    if 0 <= s < below.shape[1]:
                        child = (group * width + c, s)
                        causes[child] = abs(float(module.weight[f, c, offset] * below[child]))
        elif isinstance(module, nn.Linear):
            causes = {(d,): abs(float(module.weight[place[0], d] * below[d])) for d in range(len(below))}
        elif isinstance(module, nn.MaxPool1d):
            c, t = place
            size, stride, padding = (int(str(n)) for n in (module.kernel_size, module.stride, module.padding))
            reach = [s for s in range(t * stride - padding, t * stride - padding + size) if 0 <= s < below.shape[1]]
            causes = {(c, max(reach, key=lambda s: float(below[c, s]))): 1.0}
        elif isinstance(module, nn.ReLU):
            causes = {place: float(below[place] > 0)}
        elif isinstance(module, nn.BatchNorm1d):
            causes = {place: abs(float(module.weight[place[0]] * below[place]))}
        elif isinstance(module, nn.Flatten):
            causes = {divmod(place[0], below.shape[1]): 1.0}
        else:
            causes = {place: 1.0}
        total = sum(causes.values())
        for child, cause in causes.items():
            give(depth - 1, child, share * cause / total if total else 0.0)

    give(layer + 1, (filter, position)[:found[layer + 1].ndim], 1.0)
    return {"input": found[0], **{str(i): found[i + 1] for i in range(layer + 1)}}


@pytest.mark.parametrize(("layer", "filter", "position"), [
    (None, 0, 0), (None, 2, 0), ("9", 1, 0), ("8", 4, 0), ("7", 11, 0), ("5", 1, 0), ("5", 3, 2), ("4", 0, 1),
    ("3", 5, 2), ("2", 3, 2), ("2", 0, 0), ("1", 1, 1), ("0", 2, 4), ("0", 0, 0)])
def test_equals_a_recursion_value_by_value(layer: str | None, filter: int, position: int) -> None:
    model, x = usual(), window()
    found = highlight(model, x, layer=layer, filter=filter, position=position)
    expected = recursion(model, x, 10 if layer is None else int(layer), filter, position)
    assert list(found) == list(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-12, rtol=0)


def test_totals_are_1() -> None:
    model, x = usual(), window()
    for number in range(3):
        found = highlight(model, x, filter=number)
        assert all(float(relevance.sum()) == pytest.approx(1, abs=1e-12) for relevance in found.values())
        assert all(bool((relevance >= 0).all()) for relevance in found.values())
        assert (found["0"] > 0).sum() > 3


@pytest.mark.parametrize("pool", [nn.MaxPool1d(3, stride=2, padding=1), nn.MaxPool1d(2, ceil_mode=True),
                                  nn.MaxPool1d(2, dilation=3), nn.MaxPool1d(3, stride=1)])
def test_max_pooling_follows_the_arg_max_alone(pool: nn.Module) -> None:
    model, x = nn.Sequential(pool, nn.Flatten(), nn.LazyLinear(1)).double(), window()
    model(x)  # gives the last layer its size
    pooled = pool(x)[0]
    for c, t in torch.ones_like(pooled).nonzero().tolist():
        found = highlight(model, x, layer="0", filter=c, position=t)["input"]
        assert found.count_nonzero() == 1 and found.sum() == 1
        assert x[0][found == 1].item() == pooled[c, t]  # no value comes twice in x


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU6(), nn.Hardtanh(0, 0.5), nn.Threshold(0, 0)])
def test_a_relu_that_is_off_passes_nothing(relu: nn.Module) -> None:
    model = chain(nn.Conv1d(2, 4, 3), relu, nn.Flatten(), nn.Linear(28, 1))
    x = window()
    off = model[0](x)[0] <= 0  # pyright: ignore[reportIndexIssue]
    assert 0 < off.sum() < off.numel()
    for f, t in torch.ones_like(off).nonzero().tolist():
        found = highlight(model, x, layer="1", filter=f, position=t)
        assert found["1"].sum() == 1 and found["0"].sum() == (0 if off[f, t] else 1)
        assert found["input"].sum().item() == pytest.approx(0 if off[f, t] else 1)
    found = highlight(model, x)
    assert not found["0"][off].any() and bool((found["0"][~off] > 0).all())


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with seeded(3, "init"):
            self.one, self.pool, self.head = nn.Conv1d(2, 4, 3), nn.MaxPool1d(2), nn.Linear(12, 1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(functional.relu(self.one(x))).flatten(1))


def test_a_functional_relu_that_is_off_passes_nothing() -> None:
    model, x = Pooled(), window()
    pooled = model.pool(model.one(x).relu())[0]
    assert 0 < (pooled == 0).sum() < pooled.numel()
    for f, t in torch.ones_like(pooled).nonzero().tolist():
        assert highlight(model, x, layer="pool", filter=f, position=t)["one"].sum() == (pooled[f, t] > 0)


class Turned(nn.Module):
    """A chain whose forward does what it likes between the convolutions and the dense layer."""

    def __init__(self, turn: Callable[[Tensor], Tensor], size: int = 36) -> None:
        super().__init__()
        with seeded(0, "init"):
            self.one, self.two = nn.Conv1d(2, 4, 3, padding=1), nn.Conv1d(4, 4, 3, padding=1)
            self.head = nn.Linear(size, 2)
        self.turn = turn
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.one(x))
        return self.head(self.turn(self.two(x).relu()))


@pytest.mark.parametrize(("turn", "back"), [
    (lambda a: a.flatten(1), lambda w: w.view(4, 9)),
    (lambda a: a.transpose(1, 2).flatten(1), lambda w: w.view(9, 4).T),
    (lambda a: a.flip(2).flatten(1), lambda w: w.view(4, 9).flip(1)),
    (lambda a: a[:, :, -1], lambda w: functional.pad(w[:, None], (8, 0))),
    (lambda a: functional.pad(a, (1, 0))[:, :, :4].flatten(1), lambda w: functional.pad(w.view(4, 4)[:, 1:], (0, 6)))])
def test_orders_of_values(turn: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> None:
    x = window()
    model = Turned(turn, turn(torch.zeros(1, 4, 9)).shape[1])
    with torch.no_grad():
        a = model.two(model.one(x).relu())[0]
        expected = (back(model.head.weight[1]) * a.relu()).abs()
    found = highlight(model, x, filter=1)
    assert list(found) == ["input", "one", "two", "head"]
    torch.testing.assert_close(found["two"], expected / expected.sum(), atol=1e-14, rtol=0)
    assert found["input"].sum().item() == pytest.approx(1)


def constant(model: Turned) -> Turned:
    with torch.no_grad():
        for convolution in (model.one, model.two):
            convolution.weight.zero_()
            assert convolution.bias is not None
            convolution.bias.fill_(1)
    return model


def test_the_order_counts_also_where_all_values_are_equal() -> None:
    """Every order of equal values looks the same; which one the network uses is found all the same."""
    model = constant(Turned(lambda a: a.transpose(1, 2).flatten(1)))
    found = highlight(model, window())
    expected = model.head.weight[0].detach().view(9, 4).T.abs()
    torch.testing.assert_close(found["two"], expected / expected.sum(), atol=1e-14, rtol=0)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_traffic_network(wrapped: bool) -> None:
    """The same weights in a plain chain, whose dense layer takes channels first."""
    with seeded(0, "init"):
        model = traffic_cnn.build(width=0.1).double()
    assert isinstance(model, traffic_cnn.TrafficCNN)
    dense = nn.Linear(model.dense.in_features, 1).double()
    channels = model.conv3.out_channels
    with torch.no_grad():
        dense.weight.copy_(model.dense.weight.view(1, -1, channels).transpose(1, 2).flatten(1))
    plain = nn.Sequential(model.conv1, model.relu1, model.pool1, model.conv2, model.relu2, model.pool2, model.conv3,
                          model.relu3, nn.Flatten(), dense)
    x = window(50)
    whole = Classifier(model, input_shape=(2, 50), class_names=["next"], mean=[0.3, 0.1], std=[2.0, 0.5]).double()
    found = highlight(whole if wrapped else model, x)
    seen = (x - whole.mean[:, None]) / whole.std[:, None] if wrapped else x  # pyright: ignore[reportOptionalSubscript]
    expected = recursion(plain, seen, 9, 0, 0)
    prefix = "network." if wrapped else ""
    for name, number in (("conv1", "0"), ("pool1", "2"), ("conv3", "6"), ("relu3", "7"), ("dense", "9")):
        torch.testing.assert_close(found[prefix + name], expected[number], atol=1e-12, rtol=0)
    torch.testing.assert_close(found["input"], expected["input"], atol=1e-12, rtol=0)


def test_entries_below_the_threshold_are_dropped_and_not_followed() -> None:
    model, x = usual(), window()
    whole, cut = highlight(model, x), highlight(model, x, threshold=0.4)
    totals = [float(relevance.sum()) for relevance in reversed(cut.values())]
    assert totals == sorted(totals, reverse=True) and totals[0] == 1 and totals[-1] < 1
    for name, relevance in cut.items():
        assert bool((relevance[relevance > 0] >= 0.4 * relevance.max()).all())
        assert bool((relevance <= whole[name] + 1e-12).all())
    kept = whole["9"] * (whole["9"] >= 0.4 * whole["9"].max())
    torch.testing.assert_close(cut["9"], kept, atol=1e-12, rtol=0)
    strongest = highlight(model, x, threshold=1.0)
    assert all(relevance.count_nonzero() == 1 for relevance in strongest.values())


def test_a_relu_used_again_has_two_names() -> None:
    relu = nn.ReLU()
    model, x = chain(nn.Conv1d(2, 3, 3), relu, nn.Conv1d(3, 3, 3), relu, nn.Flatten(), nn.Linear(15, 1)), window()
    apart = nn.Sequential(model[0], nn.ReLU(), model[2], nn.ReLU(), model[4], model[5])  # pyright: ignore
    found, expected = highlight(model, x), highlight(apart, x)
    assert list(found) == ["input", "0", "1", "2", "1#2", "4", "5"]
    for a, b in zip(found.values(), expected.values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="the layer 1 must be one without parts that runs once, it ran 2 times"):
        highlight(model, x, layer="1")


def test_the_model_comes_back_as_it_was() -> None:
    model, x = usual().train(), window()
    before, given = copy.deepcopy(model.state_dict()), x.clone()
    highlight(model, x)
    with pytest.raises(ValueError, match="no layer"):
        highlight(model, x, layer="none")
    for module in model.modules():
        assert module.training and not module._forward_hooks and not module._forward_pre_hooks
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(x, given) and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.after, self.head = nn.Conv1d(2, 2, 3, padding=1), nn.ReLU(), nn.Linear(18, 2)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.after(self.body(x) + x).flatten(1))


class Doubled(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


class Bare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=2)


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.product = nn.Bilinear(18, 18, 2, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x.flatten(1), x.flatten(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.memory = nn.Conv1d(2, 3, 1), nn.LSTM(9, 4)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.memory(self.one(x))[0][:, -1]


@pytest.mark.parametrize(("model", "message"), [
    (Residual(), "cannot trace what runs between body and after: besides ReLUs, values may only be reordered there"),
    (Turned(lambda a: a.mean(dim=2), 4), "cannot trace what runs between two and head"),
    (Turned(lambda a: functional.avg_pool1d(a, 3).flatten(1), 12), "cannot trace what runs between two and head"),
    (constant(Turned(lambda a: functional.avg_pool1d(a, 2).flatten(1), 16)), "what runs between two and head"),
    (Turned(lambda a: a.clamp(0, 0.1).flatten(1), 36), "between two and head: besides ReLUs, values may only"),
    (Doubled(nn.Flatten(), nn.Linear(18, 2)).double(), "cannot trace what runs between 1 and the model's output"),
    (Bare(), "cannot trace Bare: it has no layers that are modules"),
    (chain(nn.Conv1d(2, 2, 1), nn.AvgPool1d(9), nn.Flatten()), "cannot trace 1, a AvgPool1d: highlighting goes"),
    (chain(nn.Conv1d(2, 2, 1), nn.GELU(), nn.Flatten()), "cannot trace 1, a GELU: .* chains of Conv1d, Linear, ReLU"),
    (chain(nn.Linear(9, 3), nn.Flatten(), nn.Linear(6, 1)),
     r"cannot trace 0: a Linear must get \[1, D\], got \[1, 2, 9\]: flatten"),
    (Product(), "cannot trace product, a Bilinear: it must get one tensor"),
    (Recurrent(), "cannot trace memory, a LSTM: it must give one tensor")])
def test_what_cannot_be_traced(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        highlight(model, window() if not isinstance(model, Bare) else window().float())


@pytest.mark.parametrize(("arguments", "message"), [
    ({"x": torch.zeros(2, 2, 9, dtype=torch.float64)}, r"x must be one input \[1, C, T\], got \[2, 2, 9\]"),
    ({"x": torch.zeros(1, 18, dtype=torch.float64)}, r"x must be one input \[1, C, T\], got \[1, 18\]"),
    ({"x": window() * float("nan")}, "x must be finite"),
    ({"threshold": 1.5}, "threshold must be in 0..1, a part of the maximum, got 1.5"),
    ({"layer": "11"}, "no layer '11' in Sequential; the nearest are: 1"),
    ({"filter": 3}, "the model's output has filters 0..2 with positions 0..0, got filter 3, position 0"),
    ({"position": 1}, "the model's output has filters 0..2 with positions 0..0, got filter 0, position 1"),
    ({"layer": "0", "position": 5}, "0 has filters 0..3 with positions 0..4, got filter 0, position 5"),
    ({"layer": "0", "filter": -1}, "0 has filters 0..3 with positions 0..4, got filter -1, position 0")])
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        highlight(usual(), **{"x": window(), **arguments})


def test_a_layer_with_parts() -> None:
    model = nn.Sequential(usual(), nn.Identity())
    with pytest.raises(ValueError, match="runs once, it ran 0 times as such; choose one of 0.0, 0.1, "):
        highlight(model, window(), layer="0")
    assert highlight(model, window(), layer="0.3", filter=1)["0.2"].sum().item() == pytest.approx(1)
