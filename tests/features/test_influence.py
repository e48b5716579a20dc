"""Influence against finite differences, a loop over filters and a network by hand; ReLUs of every kind; saliency."""

import copy
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.features import influence
from convscope.models import char_cnn, resnet_flat, traffic_cnn
from convscope.models.classifier import Classifier
from convscope.rng import seeded, torch_rng

EPS = 1e-6


def network(outputs: int = 1, length: int = 12) -> nn.Module:
    with seeded(0, "init"):
        return traffic_cnn.build(n_classes=outputs, input_shape=(2, length), width=0.1).double()


def windows(n: int = 3, length: int = 12) -> Tensor:
    return torch.randn(n, 2, length, generator=torch_rng(0, "windows"), dtype=torch.float64)


def texts(n: int = 3) -> tuple[nn.Module, Tensor]:
    with seeded(0, "init"):
        model = char_cnn.build(n_classes=4, input_shape=(130,), alphabet=string.ascii_lowercase, features=6, units=8)
    return model.double(), torch.randint(0, 27, (n, 130), generator=torch_rng(0, "texts"), dtype=torch.uint8)


class Written(nn.Module):
    """Two convolutions, whose ReLU is `relu`, called as one likes."""

    def __init__(self, relu: Callable[[Tensor], Any]) -> None:
        super().__init__()
        with seeded(1, "init"):
            self.first, self.second = nn.Conv1d(2, 4, 3, padding=1), nn.Conv1d(4, 3, 3, padding=1)
            self.head = nn.Linear(3, 2)
        self.relu = relu
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        x = self.relu(self.second(x))
        return self.head(x.mean(dim=2))


def dropped(s: Tensor) -> Tensor:
    functional.relu_(s)  # what it returns is dropped
    return s


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(), "module in place": nn.ReLU(inplace=True), "functional": functional.relu,
    "functional in place": lambda s: functional.relu(s, inplace=True), "positional": lambda s: functional.relu(s, True),
    "torch": torch.relu, "method": lambda s: s.relu(), "method in place": lambda s: s.relu_(), "dropped": dropped,
    "clamp": lambda s: s.clamp(min=0), "clamp in place": lambda s: s.clamp_(0)}


def differences(model: nn.Module, x: Tensor, name: str, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Central differences of score(logits) [B] for each value that the layer puts out; x one input."""
    shape = influence.filter_influence(model, x, layers=[name], target=0)[name].gradient.shape
    found = torch.zeros(shape, dtype=torch.float64)
    for place in range(found.numel()):
        moved = []
        for step in (EPS, -EPS):
            change = torch.zeros(found.numel(), dtype=torch.float64)
            change[place] = step
            handle = model.get_submodule(name).register_forward_hook(
                lambda _, __, output, change=change: output + change.view_as(output))
            with torch.no_grad():
                moved.append(score(model(x)).item())
            handle.remove()
        found.view(-1)[place] = (moved[0] - moved[1]) / (2 * EPS)
    return found


@pytest.mark.parametrize("name", ["conv1", "conv2", "conv3", "dense"])
def test_equals_finite_differences(name: str) -> None:
    model, x = network(outputs=3), windows(1)
    found = influence.filter_influence(model, x, layers=[name], target=2)[name]
    torch.testing.assert_close(found.gradient, differences(model, x, name, lambda s: s[:, 2]), atol=1e-6, rtol=0)
    assert found.gradient.abs().max() > 1e-3


def test_the_loss_equals_finite_differences() -> None:
    x = windows(1)
    y, label = torch.tensor([0.7], dtype=torch.float64), torch.tensor([1])
    model = network()
    torch.testing.assert_close(influence.loss_influence(model, x, y)["conv2"].gradient,
                               differences(model, x, "conv2", lambda s: (s[:, 0] - y) ** 2), atol=1e-6, rtol=0)
    model = network(outputs=3)
    torch.testing.assert_close(influence.loss_influence(model, x, label)["conv2"].gradient,
                               differences(model, x, "conv2", lambda s: functional.cross_entropy(s, label)),
                               atol=1e-6, rtol=0)
    mine = influence.loss_influence(model, x, label, loss=lambda s, y: s.gather(1, y[:, None])[:, 0])
    torch.testing.assert_close(mine["conv2"].gradient, influence.filter_influence(
        model, x, target=1)["conv2"].gradient, atol=0, rtol=0)


def test_equals_a_loop_over_inputs_and_filters() -> None:
    model, x = network(outputs=3), windows()
    assert isinstance(model, traffic_cnn.TrafficCNN)
    found = influence.filter_influence(model, x)
    assert list(found) == ["conv1", "conv2", "conv3"]
    for i in range(len(x)):
        one = x[i:i + 1]
        before = model.pool1(model.relu1(model.conv1(one)))
        filters = [z.detach().requires_grad_() for z in model.conv2(before).split(1, dim=1)]
        a = model.pool2(model.relu2(torch.cat(filters, dim=1)))
        a = model.relu3(model.conv3(a))
        scores = model.dense(a.transpose(1, 2).flatten(1))
        for f, z in enumerate(filters):
            expected, = torch.autograd.grad(scores[0].max(), z, retain_graph=True)
            torch.testing.assert_close(found["conv2"].gradient[i, f], expected[0, 0], atol=1e-15, rtol=0)
            torch.testing.assert_close(found["conv2"].activation[i, f], z[0, 0].detach(), atol=1e-15, rtol=0)
            assert abs(found["conv2"].raw[i, f] - expected.abs().sum()) < 1e-14


def test_a_network_by_hand() -> None:
    """y = 2 relu(x) + 3 relu(-x) + 0 relu(x) summed over x = (1, -2, 4, 5)."""
    first, last = nn.Conv1d(1, 3, 1, bias=False), nn.Linear(12, 1)
    model = nn.Sequential(first, nn.ReLU(), nn.Flatten(), last)
    with torch.no_grad():
        first.weight[:, 0, 0] = torch.tensor([1.0, -1.0, 1.0])
        last.weight[0] = torch.tensor([2.0, 3.0, 0.0]).repeat_interleave(4)
    x = torch.tensor([[[1.0, -2.0, 4.0, 5.0]]])
    found = influence.filter_influence(model, x)["0"]
    assert found.gradient.tolist() == [[[2, 0, 2, 2], [0, 3, 0, 0], [0, 0, 0, 0]]]
    assert found.activation.tolist() == [[[1, -2, 4, 5], [-1, 2, -4, -5], [1, -2, 4, 5]]]
    assert found.raw.tolist() == [[6, 3, 0]] and found.scaled.tolist() == [[1, 0.5, 0]]
    after = influence.filter_influence(model, x, at="activation")["0"]
    assert after.gradient.tolist() == [[[2] * 4, [3] * 4, [0] * 4]]
    assert after.activation.tolist() == [[[1, 0, 4, 5], [0, 2, 0, 0], [1, 0, 4, 5]]]
    assert influence.input_saliency(model, x).tolist() == [[[2, 3, 2, 2]]]
    assert influence.input_saliency(model, x, layer="0", filter=1).tolist() == [[[0, 1, 0, 0]]]
    assert influence.dead(model, torch.cat([x, -x.abs(), 0 * x]))["0"].tolist() == [
        [False] * 3, [True, False, True], [True] * 3]


def test_scaled_is_0_where_all_filters_are_equal() -> None:
    gradient = torch.tensor([[[1.0, -1.0], [2.0, 0.0]], [[1.0, -3.0], [0.0, 2.0]]])
    found = influence.Influence(gradient, gradient)
    assert found.scaled.tolist() == [[0, 0], [1, 0]] and found.profile.tolist() == gradient.abs().tolist()


def test_before_and_after_the_relu_differ_on_dead_positions_alone() -> None:
    model, x = network(), windows()
    before, after = (influence.filter_influence(model, x, at=at) for at in influence.AT)
    for name in before:
        active = before[name].activation > 0
        assert 0 < active.double().mean() < 1
        torch.testing.assert_close(before[name].gradient, after[name].gradient * active, atol=0, rtol=0)
        torch.testing.assert_close(after[name].activation, before[name].activation.relu(), atol=0, rtol=0)
    assert any(bool((after[name].gradient[before[name].activation <= 0] != 0).any()) for name in before)


@pytest.mark.parametrize("at", influence.AT)
@pytest.mark.parametrize("kind", RELUS)
def test_relus_of_every_kind(kind: str, at: str) -> None:
    x = windows()
    expected = influence.filter_influence(Written(RELUS["module"]), x, at=at)
    found = influence.filter_influence(Written(RELUS[kind]), x, at=at)
    for name in ("first", "second"):
        assert bool((found[name].activation < 0).any()) == (at == "preactivation")
        torch.testing.assert_close(found[name].activation, expected[name].activation, atol=0, rtol=0)
        torch.testing.assert_close(found[name].gradient, expected[name].gradient, atol=0, rtol=0)


class Bent(nn.Module):
    """Convolutions whose ReLU comes after another layer, or not at all, or with another number of filters."""

    def __init__(self) -> None:
        super().__init__()
        with seeded(2, "init"):
            self.a, self.b, self.c = (nn.Conv1d(n, m, 1) for n, m in ((2, 3), (3, 4), (4, 3)))
            self.weight = nn.Parameter(torch.randn(3, 3, 1))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = functional.conv1d(self.a(x), self.weight).relu()  # the ReLU of the functional layer, not of a
        x = self.b(x).clamp(min=-1, max=5)                    # no ReLU
        return self.c(x).flatten(1)[:, :2].relu()             # no longer c's filters


def test_a_layer_without_a_relu_is_looked_at_as_it_is() -> None:
    before, after = (influence.filter_influence(Bent(), windows(), at=at) for at in influence.AT)
    for name in ("a", "b", "c"):
        assert bool((before[name].activation < 0).any())
        torch.testing.assert_close(after[name].activation, before[name].activation, atol=0, rtol=0)
        torch.testing.assert_close(after[name].gradient, before[name].gradient, atol=0, rtol=0)


@pytest.mark.parametrize("relu", [
    lambda s: s * functional.relu6(s + 3, inplace=True) / 6, lambda s: s * (functional.hardtanh(s + 3, 0, 6) / 6),
    lambda s: (s + 3).clamp(0, 6).mul(s).div(6)])
def test_a_bounded_relu_that_scales_a_value_is_no_activation(relu: Callable[[Tensor], Tensor]) -> None:
    """A hard swish by hand: its gate alone is not what the layer gives."""
    before, after = (influence.filter_influence(Written(relu), windows(), at=at) for at in influence.AT)
    for name in before:
        torch.testing.assert_close(after[name].activation, before[name].activation, atol=0, rtol=0)
        torch.testing.assert_close(after[name].gradient, before[name].gradient, atol=0, rtol=0)


@pytest.mark.parametrize("at", influence.AT)
def test_two_at_once_are_one_and_one(at: str) -> None:
    model, x = network(outputs=3), windows(2)
    target = torch.tensor([2, 0])
    together = influence.filter_influence(model, x, target=target, at=at)
    parts = influence.filter_influence(model, x, target=target, at=at, batch_size=1)
    for name, found in together.items():
        torch.testing.assert_close(found.gradient, parts[name].gradient, atol=1e-14, rtol=0)
        torch.testing.assert_close(found.activation, parts[name].activation, atol=1e-14, rtol=0)
    for i in range(2):
        alone = influence.filter_influence(model, x[i:i + 1], target=int(target[i]), at=at)
        torch.testing.assert_close(together["conv1"].gradient[i:i + 1], alone["conv1"].gradient, atol=1e-14, rtol=0)
    torch.testing.assert_close(influence.input_saliency(model, x, layer="conv2", filter=1),
                               influence.input_saliency(model, x, layer="conv2", filter=1, batch_size=1),
                               atol=1e-14, rtol=0)
    assert torch.equal(influence.dead(model, x)["conv1"], influence.dead(model, x, batch_size=1)["conv1"])


def test_the_model_comes_back_as_it_was() -> None:
    model, x = Written(nn.ReLU(inplace=True)), windows()
    model.train()
    model.first.requires_grad_(False)
    before, given = copy.deepcopy(model.state_dict()), x.clone()

    def check() -> None:
        assert all(module.training and not module._forward_hooks and not module._forward_pre_hooks
                   for module in model.modules())
        assert [p.requires_grad for p in model.parameters()] == [False] * 2 + [True] * 4
        assert all(p.grad is None for p in model.parameters()) and not x.requires_grad and torch.equal(x, given)
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())

    for at in influence.AT:
        influence.filter_influence(model, x, at=at)
        check()
    influence.loss_influence(model, x, torch.zeros(3, dtype=torch.int64))
    influence.input_saliency(model, x, layer="second", filter=0)
    influence.dead(model, x)
    check()
    with pytest.raises(ValueError, match="no layer 'third'"):
        influence.filter_influence(model, x, layers=["first", "third"])
    check()


@pytest.mark.parametrize("wrapped", [False, True])
def test_texts(wrapped: bool) -> None:
    """The gradient of conv1, the first of the graph, as of the rest of the network run by hand."""
    model, x = texts()
    layers = list(model.children())
    name = "conv1"
    whole = Classifier(model, input_shape=(130,), class_names=list("abcd"),
                       alphabet=string.ascii_lowercase).eval() if wrapped else model
    if wrapped:
        name = "network.conv1"
    found = influence.filter_influence(whole, x)
    assert len(found) == 6
    model.eval()
    z = layers[1](layers[0](x)).detach().requires_grad_()
    a = z.clone()
    for layer in layers[2:]:
        a = layer(a)
    expected, = torch.autograd.grad(a.max(dim=1).values.sum(), z)
    assert found[name].gradient.shape == (3, 6, 1, 124) and expected.abs().max() > 0
    torch.testing.assert_close(found[name].gradient, expected, atol=1e-14, rtol=0)
    after = influence.filter_influence(whole, x, at="activation")[name]
    torch.testing.assert_close(after.gradient * (z > 0), expected, atol=1e-14, rtol=0)
    assert influence.dead(whole, x)[name].shape == (3, 6)
    with pytest.raises(ValueError, match="no gradient, got uint8 .3, 130.; for the output take convscope.attribution"):
        influence.input_saliency(whole, x)
    with pytest.raises(ValueError, match="target must be a class or int64"):
        influence.filter_influence(whole, x, target=torch.tensor([1]))


def test_an_image_classifier_with_branches() -> None:
    with seeded(0, "init"):
        model = Classifier(resnet_flat.build(n_classes=3, input_shape=(1, 8, 8), blocks=1, channels=4),
                           input_shape=(1, 8, 8), class_names=list("abc"), mean=[0.5], std=[0.2]).double()
    x = torch.rand(2, 1, 8, 8, generator=torch_rng(0, "images"), dtype=torch.float64)
    found = influence.filter_influence(model, x)
    convolutions = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    assert sorted(found) == sorted(convolutions) and found[convolutions[0]].gradient.shape[:2] == (2, 4)
    model.eval()
    first = x[:1]
    chosen = int(model(first).argmax())
    torch.testing.assert_close(found[convolutions[0]].gradient[:1],
                               differences(model, first, convolutions[0], lambda s: s[:, chosen]), atol=1e-6, rtol=0)


def test_the_predicted_class_is_the_default() -> None:
    model, x = network(outputs=3), windows(6)
    predicted = model(x).argmax(dim=1)
    assert len(predicted.unique()) > 1
    for target, same in ((predicted, True), ((predicted + 1) % 3, False)):
        assert torch.equal(influence.filter_influence(model, x)["conv1"].gradient,
                           influence.filter_influence(model, x, target=target)["conv1"].gradient) == same
        assert torch.equal(influence.input_saliency(model, x),
                           influence.input_saliency(model, x, target=target)) == same


def test_saliency_equals_finite_differences() -> None:
    model, x = network(), windows(1)
    assert isinstance(model, traffic_cnn.TrafficCNN)

    def held(x: Tensor) -> Tensor:
        return model.conv2(model.pool1(model.conv1(x).relu())).relu()[0].sum(dim=1)

    most = int(held(x).argmax())
    reaches: list[tuple[Callable[[Tensor], Tensor], dict[str, Any]]] = [
        (lambda x: model(x)[0, 0], {}), (lambda x: held(x)[most], {"layer": "conv2", "filter": most})]
    for value, arguments in reaches:
        expected = torch.zeros_like(x)
        with torch.no_grad():
            for place in range(x.numel()):
                step = torch.zeros(x.numel(), dtype=x.dtype)
                step[place] = EPS
                step = step.view_as(x)
                expected.view(-1)[place] = (value(x + step) - value(x - step)).abs() / (2 * EPS)
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(influence.input_saliency(model, x, **arguments), expected, atol=1e-6, rtol=0)


def test_a_network_that_begins_with_a_relu_in_place() -> None:
    linear = nn.Linear(6, 2)
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), linear)
    x = torch.tensor([[[1.0, -1.0, 2.0], [-3.0, 1.0, 1.0]]])
    given = x.clone()
    found = influence.input_saliency(model, x, target=1)
    assert torch.equal(found, linear.weight[1].abs().view(1, 2, 3).detach() * (given > 0)) and torch.equal(x, given)


def test_a_layer_on_which_nothing_depends_has_gradient_0() -> None:
    model, aside = network(), nn.Conv1d(2, 3, 1).double()
    model.register_module("aside", aside)
    model.register_forward_pre_hook(lambda _, args: (aside(args[0]), None)[1])
    found = influence.filter_influence(model, windows())
    assert list(found)[0] == "aside" and not found["aside"].gradient.any() and found["conv1"].gradient.any()


@pytest.mark.parametrize(("percentile", "kept"), [
    (0, [True] * 5), (100, [False, False, False, True, False]), (50, [True, False, True, True, False]),
    (51, [True, False, False, True, False]), (75, [True, False, False, True, False]),
    (76, [False] * 3 + [True, False])])
def test_percentiles(percentile: float, kept: list[bool]) -> None:
    importance = torch.tensor([0.3, 0.0, 0.2, 9.0, 0.1])
    assert influence.by_percentile(importance, percentile).tolist() == kept
    both = influence.by_percentile(torch.stack([importance, -importance]), percentile)
    assert both[0].tolist() == kept and both.sum(dim=1).tolist() == [sum(kept)] * 2  # by rank, whatever the scale


def test_percentiles_of_many() -> None:
    importance = torch.rand(64, generator=torch_rng(0, "importance"))
    for percentile in (0, 12.5, 33, 90, 99, 100):
        expected = importance.numpy() >= np.quantile(importance.numpy(), percentile / 100, method="higher")
        assert influence.by_percentile(importance, percentile).tolist() == expected.tolist()
    assert influence.by_percentile(torch.tensor([2.0, 1.0, 2.0, 2.0]), 100).tolist() == [True, False, True, True]


@pytest.mark.parametrize(("importance", "percentile", "message"), [
    (torch.ones(3), 101, "percentile must be in 0..100, got 101"), (torch.ones(3), -1, "in 0..100, got -1"),
    (torch.ones(3), float("nan"), "in 0..100, got nan"),
    (torch.tensor([1.0, float("nan")]), 50, r"at least one entry and without NaN, got float32 \[2\] with 1 NaN"),
    (torch.zeros(2, 0), 50, r"importance must be .* got float32 \[2, 0\]")])
def test_wrong_percentiles(importance: Tensor, percentile: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        influence.by_percentile(importance, percentile)


NAN = windows().clone()
NAN[1, 0, 0] = float("nan")


@pytest.mark.parametrize(("arguments", "message"), [
    ({"layers": ["conv4"]}, "no layer 'conv4' in TrafficCNN; the nearest are: conv3"),
    ({"layers": []}, r"layers must be a list of names, at least one, got \[\]"),
    ({"layers": "conv1"}, "layers must be a list of names, at least one, got 'conv1'"),
    ({"at": "relu"}, "at must be one of preactivation, activation, got 'relu'"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"x": NAN}, "x must be finite, got NaN or infinity in input 1"),
    ({"x": windows().float()}, "x must be float64"),
    ({"target": 3}, "targets must be in 0..2, one of the model's outputs, got 3"),
    ({"target": torch.tensor([0, 1])}, r"target must be a class or int64 \[3\]")])
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        influence.filter_influence(network(outputs=3), **{"x": windows(), **arguments})


@pytest.mark.parametrize(("outputs", "y", "message"), [
    (1, torch.zeros(2), r"y must be finite \[3\], one value or class for each input, got float32 \[2\]"),
    (1, torch.full((3,), float("nan")), r"y must be finite \[3\]"),
    (1, [0, 0, 0], "got list"),
    (1, torch.zeros(3, dtype=torch.int64), r"y must be a float \[B\] for a model with 1 outputs, got int64 \[3\]"),
    (3, torch.zeros(3), r"y must be int64 \[B\] classes in 0..2 for a model with 3 outputs, got float32"),
    (3, torch.tensor([0, 1, 3]), r"classes in 0..2 for a model with 3 outputs, got int64 \[3\] of 0..3")])
def test_refused_losses(outputs: int, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        influence.loss_influence(network(outputs), windows(), y)


def test_a_loss_that_is_one_number() -> None:
    with pytest.raises(ValueError, match=r"the loss must be \[3\], one number for each input, got \[\]; take"):
        influence.loss_influence(network(3), windows(), torch.tensor([0, 1, 2]), loss=functional.cross_entropy)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"layer": "conv1"}, "give a layer with a filter of it, or a target, .* got layer='conv1', filter=None"),
    ({"filter": 1}, "got layer=None, filter=1, target=None"),
    ({"layer": "conv1", "filter": 1, "target": 0}, "got layer='conv1', filter=1, target=0"),
    ({"layer": "conv1", "filter": 6}, r"conv1 has the filters 0..5, got 6"),
    ({"layer": "conv9", "filter": 0}, "no layer 'conv9'")])
def test_refused_saliency(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        influence.input_saliency(network(), windows(), **arguments)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Conv1d(2, 1, 12), nn.Linear(1, 2)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.a(x)[:, :, 0]).detach()


def test_refused_models() -> None:
    x = windows()
    shared = nn.Conv1d(2, 2, 3, padding=1)
    twice = nn.Sequential(shared, nn.ReLU(), shared, nn.Flatten(), nn.Linear(24, 2)).double()
    with pytest.raises(ValueError, match="the layer 0 must run once for an input, it ran 2 times; choose another"):
        influence.filter_influence(twice, x, layers=["0"])
    with pytest.raises(ValueError, match="Sequential has no Conv1d or Conv2d that runs once: name its layers"):
        influence.filter_influence(twice, x)
    assert list(influence.filter_influence(twice, x, layers=["3", "4", "1"])) == ["1", "3", "4"]
    with pytest.raises(ValueError, match="Sequential has no Conv1d or Conv2d that runs once: name its layers"):
        influence.dead(nn.Sequential(nn.Flatten(), nn.Linear(24, 2)).double(), x)
    linear = nn.Sequential(nn.Linear(12, 3), nn.Flatten(), nn.Linear(6, 2)).double()
    with pytest.raises(ValueError, match=r"the layer 0 must give filters \[B, F, ...\], got float64 \[3, 2, 3\]"):
        influence.filter_influence(linear, x, layers=["0"])
    with pytest.raises(ValueError, match="the output does not depend on a in torch's graph: name other layers"):
        influence.filter_influence(Detached(), x)
    with pytest.raises(ValueError, match="the output does not depend on the input in torch's graph: the model"):
        influence.input_saliency(Detached(), x)
    with pytest.raises(ValueError, match=r"the model must return scores \[3, K\]"):
        influence.filter_influence(nn.Sequential(nn.Conv1d(2, 2, 1)).double(), x)
    broken = network()
    with torch.no_grad():
        broken.get_parameter("dense.bias").fill_(float("inf"))
    with pytest.raises(ValueError, match="the model's scores must be finite, got NaN or infinity for input 0"):
        influence.filter_influence(broken, x)
