"""Every attribution against Captum, a naive second version and its identities; the model left as it was."""

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import captum.attr as captum
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from convscope import family, gradients
from convscope.attribution import (
    deconvnet,
    grad_cam,
    gradient,
    guided_backprop,
    guided_grad_cam,
    input_x_gradient,
    integrated_gradients,
    occlusion,
    smoothgrad,
)
from convscope.models import resnet
from convscope.rng import seeded, torch_rng

NAMES = [name for name in family.names("attribution") if "text" not in
         family.describe("attribution", name).constants.get("KINDS", ())]
RELU_RULES = {"deconvnet": deconvnet, "guided_backprop": guided_backprop}
TARGET = torch.tensor([0, 3, 1])


class Forms(nn.Module):
    """Two convolutions and a head, with `relu` between them: one network, whatever form its ReLU has."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.relu = relu
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(8), nn.Linear(8 * 5 * 6, 4)

    def forward(self, x: Tensor) -> Tensor:
        first = self.relu(self.conv1(x))
        second = self.relu(self.norm(self.conv2(first)) + first)  # a residual sum, and the same ReLU again
        return self.head(functional.max_pool2d(second, 2).flatten(1))


def _statement(x: Tensor) -> Tensor:
    """In place, its result unused: only what happens to x counts."""
    functional.relu_(x)
    return x


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(), "module in place": nn.ReLU(inplace=True), "functional": functional.relu,
    "functional in place": lambda x: functional.relu(x, inplace=True), "torch": torch.relu,
    "torch in place": torch.relu_,
    "method": Tensor.relu, "method in place": Tensor.relu_, "statement": _statement,
    "clamp": lambda x: x.clamp(min=0), "clamp in place": lambda x: x.clamp_(0),
    "clamp_min": lambda x: torch.clamp_min(x, 0), "clamp by a tensor": lambda x: x.clamp(min=x.new_tensor(0.0)),
}


def network(form: str = "module") -> nn.Module:
    """The network of this form, float64, with batch norm's statistics moved away from their start."""
    with seeded(0, "init"):
        model = Forms(FORMS[form]).double()
        model.train()
        with torch.no_grad():
            model(images(16))
    return model.eval()


def linear() -> nn.Module:
    with seeded(1, "init"):
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 10 * 12, 4)).double()


def images(n: int = 3) -> Tensor:
    return torch.rand(n, 3, 10, 12, dtype=torch.float64, generator=torch_rng(0, "images"))


def attribute(name: str, model: nn.Module, x: Tensor, target: Any, **settings: Any) -> Tensor:
    function = family.find("attribution", name)
    if "rng" in inspect.signature(function).parameters:
        settings = {"rng": torch_rng(0, "noise"), **settings}
    return function(model, x, target, **settings)


def test_all_nine_are_there() -> None:
    assert set(NAMES) == {"gradient", "smoothgrad", "deconvnet", "guided_backprop", "grad_cam", "guided_grad_cam",
                          "occlusion", "input_x_gradient", "integrated_gradients"}


# The contract of the family

@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    model, x = network("module in place"), images()
    kept = x.clone()
    found = attribute(name, model, x, TARGET)
    assert found.shape in (x.shape, (3, 1, 10, 12)) and found.dtype == x.dtype and not found.requires_grad
    assert found.isfinite().all() and found.abs().amax(dim=(1, 2, 3)).min() > 0 and torch.equal(x, kept)
    assert torch.equal(found, attribute(name, model, x, TARGET))
    assert torch.equal(attribute(name, model, x, 3), attribute(name, model, x, torch.full((3,), 3)))
    assert not torch.equal(attribute(name, model, x, 0), attribute(name, model, x, 3))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_do_not_mix_and_the_batch_size_changes_nothing(name: str) -> None:
    model, x = network(), images()
    whole = attribute(name, model, x, TARGET)
    torch.testing.assert_close(attribute(name, model, x, TARGET, batch_size=2), whole, rtol=1e-10, atol=1e-12)
    if name != "smoothgrad":  # its noise runs on from input to input
        alone = torch.cat([attribute(name, model, x[i:i + 1], TARGET[i:i + 1], batch_size=1) for i in range(3)])
        torch.testing.assert_close(alone, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_no_more_than_a_batch_is_in_the_model_at_once(name: str) -> None:
    model, sizes = network(), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    attribute(name, model, images(5), torch.tensor([0, 1, 2, 3, 0]), batch_size=4)
    assert max(sizes) == 4


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_as_it_was(name: str, fails: bool) -> None:
    model = network("module in place").train()
    model.get_submodule("norm").eval()
    model.get_parameter("head.bias").requires_grad_(False)
    model.get_parameter("conv1.weight").grad = torch.ones(8, 3, 3, 3, dtype=torch.float64)

    def state() -> list[Any]:
        hooks = [sum(map(len, (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._backward_pre_hooks)))
                 for m in model.modules()]
        return [[m.training for m in model.modules()], [(p.requires_grad, p.grad) for p in model.parameters()], hooks,
                [getattr(m, "inplace", None) for m in model.modules()], list(map(type, model.modules()))]

    before, weights = state(), copy.deepcopy(model.state_dict())
    if fails:
        broken = model.register_forward_hook(lambda *_: (_ for _ in ()).throw(KeyError("in the middle")))
        before = state()
        with pytest.raises(KeyError):
            attribute(name, model, images(), TARGET)
        assert state() == before
        broken.remove()
        with pytest.raises(ValueError, match=r"targets must be in 0\.\.3"):
            attribute(name, model, images(), 4)
    else:
        attribute(name, model, images(), TARGET)
        assert state() == before
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_works_where_gradients_are_switched_off_and_on_compiled_models(name: str) -> None:
    model, x = network(), images()
    whole = attribute(name, model, x, TARGET)
    with torch.no_grad():
        assert torch.equal(attribute(name, model, x, TARGET), whole)
    with torch.inference_mode():
        assert torch.equal(attribute(name, model, x * 1, TARGET), whole)
    assert torch.equal(attribute(name, torch.compile(model), x, TARGET), whole)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_works_in_place_on_its_input(name: str) -> None:
    expected = attribute(name, nn.Sequential(nn.ReLU(), network()), images() - 0.3, TARGET)
    x = images() - 0.3
    found = attribute(name, nn.Sequential(nn.ReLU(inplace=True), network()), x, TARGET)
    assert torch.equal(found, expected) and torch.equal(x, images() - 0.3)


# Independent second versions

RELUS = {"deconvnet": lambda s, g: g.clamp(min=0), "guided_backprop": lambda s, g: g.clamp(min=0) * (s > 0)}


def by_hand(model: nn.Module, x: Tensor, target: Tensor, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The backward pass of `networks.Forms` written out, one input at a time, with convolutions as matrices."""
    p, found = dict(model.state_dict()), []
    for image, wanted in zip(x, target, strict=True):
        scale = p["norm.weight"] / (p["norm.running_var"] + 1e-5).sqrt()
        s1 = functional.conv2d(image[None], p["conv1.weight"], p["conv1.bias"], padding=1)
        first = s1.clamp(min=0)
        c2 = functional.conv2d(first, p["conv2.weight"], p["conv2.bias"], padding=1)
        s2 = (c2 - p["norm.running_mean"].view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1) \
            + p["norm.bias"].view(1, -1, 1, 1) + first
        _, index = functional.max_pool2d(s2.clamp(min=0), 2, return_indices=True)
        g = p["head.weight"][wanted].view(1, 8, 5, 6)
        g2 = rule(s2, functional.max_unpool2d(g, index, 2, output_size=s2.shape[2:]))  # pyright: ignore[reportArgumentType]
        g1 = functional.conv_transpose2d(g2 * scale.view(1, -1, 1, 1), p["conv2.weight"], padding=1) + g2
        found.append(functional.conv_transpose2d(rule(s1, g1), p["conv1.weight"], padding=1))
    return torch.cat(found)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", RELU_RULES)
def test_the_rules_hold_for_every_form_of_a_relu(name: str, form: str) -> None:
    """Captum is silently wrong, or refuses, where the ReLU is no module or is used twice: hence by hand."""
    x = images()
    expected = by_hand(network(), x, TARGET, RELUS[name])
    torch.testing.assert_close(attribute(name, network(form), x, TARGET), expected, rtol=1e-9, atol=1e-12)
    plain = attribute("gradient", network(form), x, TARGET)
    torch.testing.assert_close(plain, by_hand(network(), x, TARGET, lambda s, g: g * (s > 0)), rtol=1e-9, atol=1e-12)
    assert (plain - expected).abs().max() > 1e-3


def residual() -> nn.Module:
    with seeded(0, "init"):
        model = resnet.build(n_classes=4, input_shape=(3, 16, 16), depth=14).double().train()
        with torch.no_grad():
            model(small(16))
    return model.eval()


def small(n: int = 3) -> Tensor:
    return torch.rand(n, 3, 16, 16, dtype=torch.float64, generator=torch_rng(0, "small"))


CAPTUM: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "gradient": lambda m, x: captum.Saliency(m).attribute(x, TARGET, abs=False),
    "input_x_gradient": lambda m, x: captum.InputXGradient(m).attribute(x, TARGET),
    "integrated_gradients": lambda m, x: captum.IntegratedGradients(m).attribute(x, target=TARGET),
    "deconvnet": lambda m, x: captum.Deconvolution(m).attribute(x, TARGET),
    "guided_backprop": lambda m, x: captum.GuidedBackprop(m).attribute(x, TARGET),
    "occlusion": lambda m, x: captum.Occlusion(m).attribute(x, (3, 8, 8), (3, 4, 4), target=TARGET)[:, :1],
    "grad_cam": lambda m, x: captum.LayerAttribution.interpolate(
        captum.LayerGradCam(m, m.get_submodule("stages")).attribute(x, TARGET, relu_attributions=True), (16, 16),  # pyright: ignore[reportArgumentType]
        "bilinear"),
    "guided_grad_cam": lambda m, x: captum.GuidedGradCam(m, m.get_submodule("stages")).attribute(
        x, TARGET, interpolate_mode="bilinear"),
}


@pytest.mark.parametrize("name", CAPTUM)
def test_captum_gives_the_same(name: str) -> None:
    """On our residual network, whose ReLUs are modules that are used once: what Captum can do."""
    model, x = residual(), small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = CAPTUM[name](model, x.clone()).detach()
    torch.testing.assert_close(attribute(name, model, x, TARGET), expected, rtol=1e-5, atol=1e-7, check_dtype=False)


def test_smoothgrad_is_the_mean_over_noisy_copies() -> None:
    model, x = network(), images()
    found = smoothgrad.attribute(model, x, TARGET, rng=torch_rng(1, "noise"), n_samples=5, batch_size=4)
    rng = torch_rng(1, "noise")
    for i in range(3):
        copies = []
        for _ in range(5):
            sigma = 0.25 * (x[i].max() - x[i].min())
            noise = torch.randn(1, *x.shape[1:], generator=rng, dtype=x.dtype)
            copies.append(gradient.attribute(model, x[i:i + 1] + sigma * noise, TARGET[i:i + 1]))
        torch.testing.assert_close(found[i], torch.cat(copies).mean(dim=0), rtol=1e-8, atol=1e-10)


def test_smoothgrad_does_not_depend_on_the_batch_size() -> None:
    first, second = (smoothgrad.attribute(network(), images(), TARGET, rng=torch_rng(1, "n"), batch_size=size)
                     for size in (7, 150))
    torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (3, 2), (5, 3), (10, 1)])
def test_occlusion_is_a_loop_over_windows(window: int, stride: int) -> None:
    model, x = network(), images()
    total, count = torch.zeros(3, 10, 12, dtype=x.dtype), torch.zeros(10, 12)
    at = [[start for start in range(0, size, stride) if start < size - window + stride] for size in (10, 12)]
    with torch.no_grad():
        score = model(x)[range(3), TARGET]
        for top in at[0]:
            for left in at[1]:
                covered = x.clone()
                covered[:, :, top:top + window, left:left + window] = 0.5
                fall = score - model(covered)[range(3), TARGET]
                total[:, top:top + window, left:left + window] += fall[:, None, None]
                count[top:top + window, left:left + window] += 1
    found = occlusion.attribute(model, x, TARGET, window=window, stride=stride, fill=0.5, batch_size=7)
    torch.testing.assert_close(found[:, 0], total / count, rtol=1e-9, atol=1e-12)


# Identities

def test_smoothgrad_without_noise_is_the_gradient() -> None:
    model, x = network(), images()
    found = smoothgrad.attribute(model, x, TARGET, rng=torch_rng(0, "n"), noise_level=0.0, n_samples=3)
    torch.testing.assert_close(found, gradient.attribute(model, x, TARGET))


def test_of_a_linear_model() -> None:
    model, x = linear(), images()
    weight = model[1].weight[TARGET].detach().view_as(x)  # pyright: ignore[reportIndexIssue]
    torch.testing.assert_close(gradient.attribute(model, x, TARGET), weight)
    torch.testing.assert_close(input_x_gradient.attribute(model, x, TARGET), weight * x)
    torch.testing.assert_close(integrated_gradients.attribute(model, x, TARGET, n_steps=1), weight * x)
    found = occlusion.attribute(model, x, TARGET, window=1, stride=1)
    torch.testing.assert_close(found[:, 0], (weight * x).sum(dim=1))


def test_guided_backprop_where_nothing_is_negative_is_the_gradient() -> None:
    model, x = network(), images()
    with torch.no_grad():
        for value in model.parameters():
            value.abs_()
        model.get_buffer("norm.running_mean").zero_()
    expected = gradient.attribute(model, x, TARGET)
    for method in (guided_backprop, deconvnet):
        torch.testing.assert_close(method.attribute(model, x, TARGET), expected)


@pytest.mark.parametrize("baseline", [0.0, 0.3, torch.full((3, 10, 12), 0.1, dtype=torch.float64)])
def test_integrated_gradients_sum_to_the_difference_of_scores(baseline: Any) -> None:
    model, x = network(), images()
    found = integrated_gradients.attribute(model, x, TARGET, baseline=baseline, n_steps=400)
    with torch.no_grad():
        difference = (model(x) - model(torch.zeros_like(x) + baseline))[range(3), TARGET]
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), difference, rtol=2e-3, atol=2e-3)


def test_grad_cam_of_any_layer() -> None:
    model, x = residual(), small()
    assert grad_cam.last_map(model, x) == "stages"
    for name in ("conv", "stages.0.1.relu1", "stages.2"):
        signed = grad_cam.attribute(model, x, TARGET, layer=name, positive=False)
        assert signed.shape == (3, 1, 16, 16)
        # Of linear upsampling and a positive part, either may come first where nothing changes its sign.
        everywhere = (signed > 0).flatten(1).all(dim=1)
        positive = grad_cam.attribute(model, x, TARGET, layer=name)
        assert positive.min() >= 0 and torch.equal(positive[everywhere], signed[everywhere])


def test_the_product_of_both() -> None:
    model, x = residual(), small()
    expected = grad_cam.attribute(model, x, 2) * guided_backprop.attribute(model, x, 2)
    assert torch.equal(guided_grad_cam.attribute(model, x, 2), expected)


@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_residual_network(name: str) -> None:
    """Its blocks use one ReLU module twice and in place."""
    with seeded(0, "init"):
        model = torchvision.models.resnet18(num_classes=5)
    settings = {"window": 16, "stride": 16} if name == "occlusion" else {}
    settings |= {"n_samples": 2} if name == "smoothgrad" else {"n_steps": 2} if "integrated" in name else {}
    found = attribute(name, model, torch.rand(1, 3, 40, 40, generator=torch_rng(0, "x")), 2, **settings)
    assert found.isfinite().all() and found.abs().max() > 0 and model.training


# Bad input

@pytest.mark.parametrize(("x", "target", "message"), [
    (images(), 4, r"targets must be in 0\.\.3, one of the model's classes, got 4"),
    (images(), -1, "targets must be 0 or above"),
    (images(), torch.tensor([0, 1]), r"one class for each input, got int64 \[2\]"),
    (images(), 1.5, "target must be a class or int64"),
    (images()[:0], 0, r"x has no input, got float64 \[0, 3, 10, 12\]; give at least one"),
    (images().float(), 0, r"x must be float64 \[B, ...\], as the model's weights, got float32"),
    ((images() * 255).to(torch.uint8), 0, "divide pixels of 0..255 by 255"),
    (images() / 0, 0, "x must be finite, got NaN or infinity in input 0"),
    (images()[:, :2], 0, r"Forms does not take inputs \[\d+, 2, 10, 12\]: Given groups"),
])
@pytest.mark.parametrize("name", NAMES)
def test_one_sentence(name: str, x: Tensor, target: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attribute(name, network(), x, target)


@pytest.mark.parametrize("name", NAMES)
def test_models_that_cannot_be_explained(name: str) -> None:
    with pytest.raises(ValueError, match="the model is TorchScript, or has a part that is"):
        attribute(name, torch.jit.trace(network(), images()), images(), 0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="the model is on meta, x on cpu: move one of them"):
        attribute(name, network().to("meta"), images(), 0)
    with pytest.raises(ValueError, match=r"the model must return scores \[\d+, K\]"):
        attribute(name, nn.Conv2d(3, 4, 1).double(), images(), 0)
    with pytest.raises(ValueError, match="the model and x are on meta, where there are no numbers"):
        attribute(name, network().to("meta"), images().to("meta"), 0)
    for batch_size in (0, 1.5):
        with pytest.raises(ValueError, match=f"batch_size must be at least 1, got {batch_size}; give a whole number"):
            attribute(name, network(), images(), 0, batch_size=batch_size)


@pytest.mark.parametrize(("name", "settings", "message"), [
    ("smoothgrad", {"n_samples": 0}, "n_samples must be at least 1, got 0"),
    ("smoothgrad", {"noise_level": -0.1}, "noise_level must be a number, at least 0, got -0.1"),
    ("smoothgrad", {"noise_level": float("nan")}, "noise_level must be a number"),
    ("integrated_gradients", {"n_steps": 0}, "n_steps must be at least 1, got 0"),
    ("occlusion", {"stride": 0}, "stride must be at least 1, got 0"),
    ("occlusion", {"window": -4}, "window must be at least 1, got -4"),
])
def test_settings_out_of_range(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attribute(name, network(), images(), 0, **settings)


@pytest.mark.parametrize("name", RELU_RULES)
@pytest.mark.parametrize(("activation", "said"), [
    (nn.GELU(), "gelu"), (nn.SiLU(), "silu"), (nn.LeakyReLU(), "leaky_relu"), (nn.ReLU6(), "hardtanh"),
    (torch.tanh, "tanh"), (lambda x: x.sigmoid(), "sigmoid"), (nn.Hardswish(), "hardswish")])
def test_other_activations_are_refused_by_name(name: str, activation: Any, said: str) -> None:
    model = Forms(activation).double()
    with pytest.raises(ValueError, match=f"do not apply to {said}, which this network uses"):
        attribute(name, model, images(), 0)


@pytest.mark.parametrize("name", RELU_RULES)
def test_without_any_relu(name: str) -> None:
    with pytest.raises(ValueError, match="Sequential has no ReLU that torch calls"):
        attribute(name, linear(), images(), 0)


def test_layers() -> None:
    with pytest.raises(ValueError, match="no layer 'stages.2.1.con1' in ResNet; the nearest are: stages.2.1.conv1, "):
        grad_cam.attribute(residual(), small(), 0, layer="stages.2.1.con1")
    with pytest.raises(ValueError, match=r"the output of head must be a map \[B, F, h, w\], got \[3, 4\]"):
        grad_cam.attribute(residual(), small(), 0, layer="head")
    with pytest.raises(ValueError, match="the layer relu must run once for an input, it ran 2 times"):
        grad_cam.attribute(network("module"), images(), 0, layer="relu")
    with pytest.raises(ValueError, match="no layer whose output is a map"):
        grad_cam.attribute(linear(), images(), 0)
    with pytest.raises(ValueError, match="stride <= window"):
        occlusion.attribute(network(), images(), 0, window=2, stride=3)
    with pytest.raises(ValueError, match="the baseline must be a number or fit x"):
        integrated_gradients.attribute(network(), images(), 0,
                                       baseline=torch.zeros(7))  # pyright: ignore[reportArgumentType]


def test_a_gradient_is_what_finite_differences_give() -> None:
    model, x = network(), images(1)
    found, h = gradients.gradient(model, x, torch.tensor([2])), 1e-6
    for c, row, column in ((0, 0, 0), (1, 4, 7), (2, 9, 11)):
        moved = [x.clone(), x.clone()]
        moved[0][0, c, row, column] += h
        moved[1][0, c, row, column] -= h
        slope = (model(moved[0])[0, 2] - model(moved[1])[0, 2]).item() / (2 * h)
        assert found[0, c, row, column].item() == pytest.approx(slope, abs=1e-6)
