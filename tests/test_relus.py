"""Every way to write a ReLU: found, or refused by name, wherever it matters what one is; nothing else taken for one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import relus
from convscope.attribution import deconvnet, guided_backprop
from convscope.features import influence, pruning
from convscope.rng import seeded, torch_rng

Activation = Callable[[Tensor], Tensor]


def in_place(change: Callable[[Tensor], Any]) -> Activation:
    """The change's own result is dropped: only what happens to the tensor counts."""
    def activation(s: Tensor) -> Tensor:
        s = s * 1
        change(s)
        return s
    return activation


def filled(s: Tensor) -> Tensor:
    found = torch.zeros_like(s)
    found[s > 0] = s[s > 0]
    return found


def by_numpy(s: Tensor) -> Tensor:
    return torch.where(torch.from_numpy(s.detach().numpy() > 0), s, 0)


def without_gradient(s: Tensor) -> Tensor:
    with torch.no_grad():
        active = (s > 0).to(s)
    return active * s


FORMS: dict[str, Activation] = {
    "maximum": lambda s: torch.maximum(s, s.new_zeros(())),
    "zeros first": lambda s: torch.maximum(torch.zeros_like(s), s),
    "max": lambda s: torch.max(s, torch.zeros_like(s)), "max by keyword": lambda s: torch.max(s, other=s.new_zeros(1)),
    "Tensor.max": lambda s: s.max(s.new_zeros(())), "Tensor.maximum": lambda s: s.maximum(torch.zeros_like(s)),
    "fmax": lambda s: torch.fmax(s, s.new_zeros(())), "Tensor.fmax": lambda s: s.new_zeros(()).fmax(s),
    "where": lambda s: torch.where(s > 0, s, 0), "where >=": lambda s: torch.where(s >= 0, s, 0.0),
    "where <": lambda s: torch.where(s < 0, torch.zeros_like(s), s),
    "where 0 <": lambda s: torch.where(s > 0, s, s * 0),
    "where le": lambda s: torch.where(s.le(0), s.new_zeros(()), s), "Tensor.where": lambda s: s.where(s > 0, 0),
    "where zeros": lambda s: torch.where(torch.zeros_like(s) < s, s, 0),
    "where -s": lambda s: torch.where(-s < 0, s, 0),
    "where detached": lambda s: torch.where(s.detach() > 0, s, 0), "where 2 s": lambda s: torch.where(2 * s > 0, s, 0),
    "where flat": lambda s: torch.where((s.flatten(1) > 0).view_as(s), s, 0), "where numpy": by_numpy,
    "times": lambda s: s * (s > 0), "times first": lambda s: (s > 0) * s, "times ~": lambda s: s * ~(s < 0),
    "times to": lambda s: s * (s > 0).to(s.dtype), "times type_as": lambda s: s.gt(0).type_as(s) * s,
    "times 1 -": lambda s: s * (1 - (s <= 0).double()), "times in place": in_place(lambda s: s.mul_(s > 0)),
    "times no_grad": without_gradient, "times a step": lambda s: s * torch.heaviside(s.detach(), s.new_zeros(())),
    "times a sign": lambda s: s * (1 + s.sign()) / 2, "times a cut sign": lambda s: s * s.sign().clamp(min=0),
    "addcmul": lambda s: torch.addcmul(torch.zeros_like(s), s, (s > 0).to(s)),
    "modulus": lambda s: (s + s.abs()) / 2, "modulus first": lambda s: 0.5 * (abs(s) + s),
    "halves": lambda s: 0.5 * s + 0.5 * torch.abs(s), "modulus of -s": lambda s: ((-s).abs() - (-s)) / 2,
    "clamp": lambda s: s.clamp(min=s.new_zeros(())), "clamp zeros": lambda s: s.clamp(torch.zeros_like(s)),
    "clamp inf": lambda s: s.clamp(0, float("inf")), "clamp keywords": lambda s: torch.clamp(input=s, min=0.0),
    "clamp_min": lambda s: torch.clamp_min(s, s.new_zeros(())), "clip": lambda s: s.clip(0),
    "clamp in place": in_place(lambda s: torch.clamp_(s, 0)), "relu in place": in_place(torch.relu_),
    "threshold": lambda s: functional.threshold(s, 0, 0), "Threshold": nn.Threshold(0, 0),
    "Threshold in place": in_place(nn.Threshold(0, 0, True)), "torch.threshold": lambda s: torch.threshold(s, 0, 0),
    "hardtanh": lambda s: functional.hardtanh(s, 0, float("inf")), "Hardtanh": nn.Hardtanh(0, float("inf")),
    "masked_fill": lambda s: s.masked_fill(s < 0, 0),
    "masked_fill 0-dim": lambda s: s.masked_fill(s <= 0, s.new_zeros(())),
    "masked_fill_": in_place(lambda s: s.masked_fill_(s < 0, 0)), "filled": filled,
    "index": in_place(lambda s: s.__setitem__(s < 0, 0)), "index_put": lambda s: s.index_put((s < 0,), s.new_zeros(())),
    "masked_scatter": lambda s: s.masked_scatter(s < 0, torch.zeros_like(s)), "aten": torch.ops.aten.relu.default}
BOUNDED: dict[str, tuple[Activation, str]] = {
    "relu6": (functional.relu6, "relu6"), "ReLU6": (nn.ReLU6(inplace=True), "hardtanh"),
    "Hardtanh": (nn.Hardtanh(0, 2), "hardtanh"),
    "clamp": (lambda s: s.clamp(0, 1), "clamp"),
    "clip": (lambda s: s.clip(min=s.new_tensor(0.0), max=s.new_tensor(2.0)), "clip"),
    "clamp in place": (in_place(lambda s: s.clamp_(0, 6)), "clamp")}
OTHER: dict[str, tuple[Activation, str]] = {
    "GELU": (nn.GELU(), "gelu"), "SiLU": (nn.SiLU(), "silu"), "Hardswish": (nn.Hardswish(inplace=True), "hardswish"),
    "Hardsigmoid": (nn.Hardsigmoid(), "hardsigmoid"), "Hardshrink": (nn.Hardshrink(), "hardshrink"),
    "Threshold": (nn.Threshold(0.5, 0), "threshold"), "LogSigmoid": (nn.LogSigmoid(), "log_sigmoid"),
    "LeakyReLU": (nn.LeakyReLU(), "leaky_relu"), "LeakyReLU(0)": (nn.LeakyReLU(0.0), "leaky_relu"),
    "ELU": (nn.ELU(), "elu"), "expit": (torch.special.expit, "special_expit"),
    "leaky by hand": (lambda s: torch.where(s > 0, s, 0.1 * s), "where of a value and its own sign"),
    "threshold by hand": (lambda s: s * (s > 0.3), "mul of a value and its own sign"),
    "softsign by hand": (lambda s: s / (1 + s.abs()), "div of a value and its own sign")}
UNCLEAR: dict[str, tuple[Activation, str]] = {
    "s - clamp": (lambda s: s - s.clamp(max=0), "clamp"),
    "s - minimum": (lambda s: s - torch.minimum(s, s.new_zeros(())), "minimum"),
    "-clamp(-s)": (lambda s: -(-s).clamp(max=0), "clamp"),
    "-fmin": (lambda s: -torch.fmin(-s, torch.zeros_like(s)), "fmin"),
    "gate": (lambda s: (s + 1) * (s > 0), "mul"),
    "clamp of some": (lambda s: s.clamp(torch.arange(4.0).to(s)[:, None]), "clamp")}


class Net(nn.Module):
    """Two convolutions of 4 filters; of the first, filter 1 is always below 0, filter 2 always far above."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        with seeded(0, "init"):
            self.first, self.second, self.head = nn.Conv1d(2, 4, 3, padding=1), nn.Conv1d(4, 4, 3), nn.Linear(4, 2)
        assert self.first.bias is not None
        with torch.no_grad():
            self.first.bias[1], self.first.bias[2] = -200, 200
        self.activation = activation
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.activation(self.second(self.activation(self.first(x)))).mean(2))


def windows() -> Tensor:
    return torch.randn(6, 2, 9, dtype=torch.float64, generator=torch_rng(0, "windows"))


def dead(activation: Activation) -> list[int]:
    with torch.no_grad():
        return (activation(Net(activation).first(windows())) == 0).all(dim=2).all(dim=0).nonzero()[:, 0].tolist()


@pytest.mark.parametrize("form", FORMS)
def test_a_relu_in_any_form_is_a_relu(form: str) -> None:
    net, plain, x = Net(FORMS[form]), Net(nn.ReLU()), windows()
    for method in (deconvnet, guided_backprop):
        torch.testing.assert_close(method.attribute(net, x, 1), method.attribute(plain, x, 1), rtol=1e-12, atol=1e-15)
    found, expected = (influence.filter_influence(n, x, at="activation") for n in (net, plain))
    for name in expected:
        torch.testing.assert_close(found[name].activation, expected[name].activation, rtol=0, atol=0)
        torch.testing.assert_close(found[name].gradient, expected[name].gradient, rtol=1e-12, atol=1e-15)
    assert dead(FORMS[form]) == [1]
    assert influence.dead(net, x)["first"].all(dim=0).tolist() == [False, True, False, False]
    assert pruning.dead_filters(net, x)["first"] == [1]
    small, lost = pruning.lossless(net, x)
    assert lost["first"] == [1]
    torch.testing.assert_close(small(x), plain(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", [*BOUNDED, *OTHER])
def test_other_activations_are_refused_by_the_rules_and_have_dead_filters(form: str) -> None:
    activation, name = (BOUNDED | OTHER)[form]
    net, x = Net(activation), windows()
    for method in (deconvnet, guided_backprop):
        with pytest.raises(ValueError, match=f"rules for ReLUs do not apply to {name}, which this network uses; take"):
            method.attribute(net, x, 1)
    expected = dead(activation)
    assert influence.dead(net, x)["first"].all(dim=0).nonzero()[:, 0].tolist() == expected
    assert pruning.dead_filters(net, x)["first"] == expected
    assert (1 in expected) == (form not in ("Hardshrink", "SiLU", "LogSigmoid", "LeakyReLU", "ELU", "expit",
                                            "leaky by hand", "softsign by hand"))
    small, _ = pruning.lossless(net, x)
    torch.testing.assert_close(small(x), net(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", BOUNDED)
def test_behind_a_bounded_relu(form: str) -> None:
    """What is looked at is its output: the gradient there is that of the next layer alone."""
    net, x = Net(BOUNDED[form][0]), windows()
    found = influence.filter_influence(net, x, at="activation", target=1)["first"]
    with torch.enable_grad():
        a = net.activation(net.first(x)).detach().requires_grad_()
        expected, = torch.autograd.grad(net.head(net.activation(net.second(a * 1)).mean(2))[:, 1].sum(), a)
    torch.testing.assert_close(found.activation, a.detach(), rtol=0, atol=0)
    torch.testing.assert_close(found.gradient, expected, rtol=1e-12, atol=1e-15)
    z = net.first(x)
    with torch.no_grad():
        active = (a > 0) & (a == z)
    leaf = x.clone().requires_grad_()
    slope, = torch.autograd.grad((net.first(leaf)[:, 2] * active[:, 2]).sum(), leaf)
    torch.testing.assert_close(influence.input_saliency(net, x, layer="first", filter=2), slope.abs())


@pytest.mark.parametrize("form", UNCLEAR)
def test_what_may_be_a_relu_is_refused_by_name(form: str) -> None:
    activation, name = UNCLEAR[form]
    net, x = Net(activation), windows()
    for method in (deconvnet, guided_backprop):
        with pytest.raises(ValueError, match=f"rules for ReLUs may apply to {name}, with which this network cuts"):
            method.attribute(net, x, 1)
    for call in (lambda: influence.filter_influence(net, x, at="activation"), lambda: influence.dead(net, x)):
        with pytest.raises(ValueError, match=f"what first gives is cut at 0 by {name}, in a way .*; write torch.relu"):
            call()
    assert list(influence.filter_influence(net, x)) == ["first", "second"]  # before any activation
    assert pruning.dead_filters(net, x)["first"] == dead(activation)


class Mine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, s: Tensor) -> Tensor:
        ctx.save_for_backward(s)
        return s.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Any:
        return grad[0] * (ctx.saved_tensors[0] > 0)


def test_where_torch_records_no_gradient() -> None:
    net, x = Net(Mine.apply), windows()
    for method in (deconvnet, guided_backprop):
        with pytest.raises(ValueError, match="rules for ReLUs do not reach clamp where torch records no gradient"):
            method.attribute(net, x, 1)
    with pytest.raises(ValueError, match="what first gives goes through clamp where torch records no gradient"):
        influence.filter_influence(net, x, at="activation")
    assert influence.dead(net, x)["first"].all(dim=0).tolist() == [False, True, False, False]
    with torch.no_grad(), pytest.raises(ValueError, match="cut at 0 by clamp with out=, in a way that"):
        influence.dead(Net(lambda s: torch.clamp(s, 0, out=torch.empty_like(s))), x)


class Noting(relus.Watch):
    """Gives what the calls give, and keeps which they are."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[tuple[str, str]] = []

    def meet(self, call: relus.Call) -> Tensor:
        self.met.append((call.name, call.kind))
        return call.run()


MASK = torch.arange(9) % 2 == 0
NONE: dict[str, Callable[[Tensor], Any]] = {
    "largest": lambda s: s.max(), "along an axis": lambda s: torch.max(s, 0).values,
    "of two": lambda s: s.maximum(s.flip(0)),
    "from 1": lambda s: s.clamp(1), "from -1 to 1": lambda s: s.clamp(-1, 1), "at most 2": lambda s: s.clamp(max=2),
    "a mask": lambda s: s * MASK, "a mask of -inf": lambda s: s.masked_fill(MASK, -torch.inf),
    "a mask of positive values": lambda s: torch.where(MASK | True, s.exp(), 0),
    "NaN": lambda s: torch.where(s.isnan(), 0, s),
    "by the largest": lambda s: s / s.abs().amax(dim=2, keepdim=True), "modulus": lambda s: s.abs() + s.flip(0),
    "a step": lambda s: (s > 0).to(s) + 1, "an open gate": lambda s: s * (s.exp() > 0),
    "whole": lambda s: s.long().clamp(0),
    "a sum": lambda s: s.add_(1), "a branch": lambda s: torch.where(MASK, s, s.flip(0))}


@pytest.mark.parametrize("form", NONE)
def test_what_is_no_activation(form: str) -> None:
    with Noting() as watch:
        NONE[form](windows())
    assert watch.met == []


@pytest.mark.parametrize("change", [lambda sign, s: sign.copy_(s), lambda sign, s: sign.mul_(s + 3)])
def test_a_sign_that_is_overwritten_is_none(change: Callable[[Tensor, Tensor], Tensor]) -> None:
    x = windows()
    with Noting() as watch:
        sign = (x > 0).to(x)
        assert torch.equal(sign.relu(), sign) and watch.met == []
        change(sign, x.flip(0))
        sign.relu()
    assert watch.met[-1] == ("relu", "relu")


@pytest.mark.parametrize("form", [*FORMS, *BOUNDED, *OTHER, *UNCLEAR])
def test_watching_changes_no_value(form: str) -> None:
    activation = (FORMS | {k: v for k, (v, _) in (BOUNDED | OTHER | UNCLEAR).items()})[form]
    x = windows()[:, :1].expand(-1, 4, -1) + 0.1
    expected = activation(x.clone())
    with Noting() as watch:
        found = activation(x.clone())
    assert torch.equal(found, expected) and watch.met


def test_modules() -> None:
    yes = (nn.ReLU(), nn.ReLU6(), nn.Hardtanh(0, 3), nn.Threshold(0, 0))
    no = (nn.Hardtanh(), nn.Threshold(0.1, 0), nn.Threshold(0, 1), nn.LeakyReLU(), nn.Identity())
    assert [relus.cuts_at_0(module) for module in (*yes, *no)] == [True] * 4 + [False] * 5
