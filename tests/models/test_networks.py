"""Every torch network keeps the family's contract, at the sizes of the digits and of CIFAR-10, or on short texts."""

import string

import pytest
import torch
from torch import nn

from convscope import family
from convscope.rng import seeded, torch_rng

NETWORKS = [n for n in family.names("models") if family.describe("models", n).constants["KIND"] != "classical"]
KINDS = {name: family.describe("models", name).constants["KINDS"] for name in family.names("models")}
SETTINGS = {"resnet": {"depth": 8}, "vit": {"depth": 2, "dim": 32}, "convnext": {"dims": (8, 16), "depths": (1, 1)},
            "char_cnn": {"features": 8, "units": 12}, "imagenet": {"arch": "resnet18"},
            "vgg": {"depth": 11, "width": 0.2}, "alexnet": {"width": 0.2}, "resnet_flat": {"blocks": 2, "channels": 4}}
SHAPES = {"image": [(1, 16, 16), (3, 32, 32)], "text": [(123,), (200,)], "table": [(2,), (30,)],
          "windows": [(1, 20), (2, 50)], "series": []}  # forecasters have one output: test_forecasters
TEXTS = [*SHAPES["text"], (6,)]
COLOUR = ("imagenet",)  # made for colour images, of 32 x 32 at least
SERVED = [(name, shape) for name in NETWORKS for kind in KINDS[name] for shape in SHAPES[kind][name in COLOUR:]]
ALPHABET = " " + string.ascii_lowercase + string.digits


def network(name: str, shape: tuple[int, ...], n_classes: int = 7) -> nn.Module:
    bound = family.bind("models", {"name": name, **SETTINGS.get(name, {})})
    with seeded(0, "init"):
        return bound.call(n_classes=n_classes, input_shape=shape, alphabet=ALPHABET if shape in TEXTS else "")


def images(shape: tuple[int, ...], n: int = 4) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch_rng(0, "images"))


def texts(shape: tuple[int, ...], n: int = 4) -> torch.Tensor:
    """With the unknown character among them."""
    return torch.randint(len(ALPHABET) + 1, (n, *shape), generator=torch_rng(0, "texts")).to(torch.uint8)


def inputs(shape: tuple[int, ...], n: int = 4) -> torch.Tensor:
    return texts(shape, n) if shape in TEXTS else images(shape, n)


def test_kinds() -> None:
    kinds = {name: family.describe("models", name).constants["KIND"] for name in family.names("models")}
    assert set(kinds.values()) == {"convnet", "shallow", "classical"}
    assert [name for name in NETWORKS if kinds[name] == "shallow"] == ["linear_softmax", "shallow_max"]
    assert {name for name in NETWORKS if "text" in KINDS[name]} == {"char_cnn", "linear_softmax", "shallow_max"}
    assert {name for name in NETWORKS if "image" not in KINDS[name]} == {"char_cnn", "traffic_cnn", "day_attention"}
    assert all(set(served) <= set(SHAPES) and served for served in KINDS.values())


@pytest.mark.parametrize(("name", "shape"), SERVED)
def test_contract(name: str, shape: tuple[int, ...]) -> None:
    model, x = network(name, shape), inputs(shape)
    before, state = x.clone(), {k: v.clone() for k, v in model.state_dict().items()}
    model.eval()
    logits = model(x)
    assert logits.shape == (4, 7) and logits.dtype == torch.float32 and bool(logits.isfinite().all())
    assert torch.equal(x, before) and not model.training
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    torch.testing.assert_close(torch.cat([model(x[:1]), model(x[1:2])]), logits[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "shape"), SERVED)
def test_same_seed_same_weights_and_global_state_untouched(name: str, shape: tuple[int, ...]) -> None:
    state = torch.get_rng_state()
    first, second = network(name, shape).state_dict(), network(name, shape).state_dict()
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("name", "shape"), [
    (name, shape) for name in NETWORKS for kind in KINDS[name] for shape in SHAPES[kind][1:]])
def test_every_parameter_learns(name: str, shape: tuple[int, ...]) -> None:
    model, x = network(name, shape).train(), inputs(shape)
    for p in model.parameters():  # torchvision starts some at zero, which stops the gradient of what lies before
        if not bool(p.any()):
            nn.init.normal_(p, std=0.1, generator=torch_rng(0, "noise"))
    with seeded(0, "dropout"):
        nn.functional.cross_entropy(model(x), torch.arange(4)).backward()
    assert [k for k, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())] == []


def test_comparators_are_of_the_size_of_resnet_56() -> None:
    for name, millions in (("vit", 0.81), ("convnext", 0.91)):
        model = family.find("models", name)(n_classes=10, input_shape=(3, 32, 32))
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(millions * 1e6, rel=0.01)


def test_linear_softmax_is_one_matrix() -> None:
    model, x = network("linear_softmax", (3, 4, 4)), images((3, 4, 4))
    weight, bias = model.parameters()
    torch.testing.assert_close(model(x), torch.stack([weight @ image.flatten() + bias for image in x]))


def test_linear_softmax_has_a_weight_for_every_symbol_at_every_place_of_a_text() -> None:
    model, x = network("linear_softmax", (6,)), texts((6,))
    weight, bias = model.parameters()
    of_symbol = weight.view(7, len(ALPHABET), 6)
    for text, logits_K in zip(x.tolist(), model(x), strict=True):
        known = [of_symbol[:, symbol, t] for t, symbol in enumerate(text) if symbol < len(ALPHABET)]
        torch.testing.assert_close(logits_K, bias + torch.stack(known).sum(dim=0))
    assert set(model.state_dict()) == {"2.weight", "2.bias"}
    assert set(network("linear_softmax", (3, 4, 4)).state_dict()) == {"1.weight", "1.bias"}


def test_shallow_max_sees_maximum_minimum_and_mean_only() -> None:
    model, x = network("shallow_max", (3, 8, 8)), images((3, 8, 8))
    shuffled = x.flatten(1)[:, torch.randperm(192, generator=torch_rng(0, "shuffle"))].view_as(x)
    torch.testing.assert_close(model(shuffled), model(x))
    brighter = x.clone()
    brighter[:, 0, 0, 0] = 2
    assert not torch.allclose(model(brighter), model(x))


def test_shallow_max_adapts_to_its_training_inputs() -> None:
    model, x = network("shallow_max", (3, 8, 8)), images((3, 8, 8), n=50)
    seen: list[torch.Tensor] = []
    model.get_submodule("hidden").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.adapt(x)  # pyright: ignore[reportCallIssue]
    model(x)
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen[0].std(0, correction=0), torch.ones(3))
    image = x[0].double().flatten()
    naive = torch.tensor([max(image), min(image), sum(image) / len(image)])
    torch.testing.assert_close(seen[0][0], ((naive - model.centre) / model.spread).float())  # pyright: ignore
    other = network("shallow_max", (3, 8, 8))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


def test_shallow_max_takes_the_characters_of_a_text_as_numbers() -> None:
    model, x = network("shallow_max", (200,)), texts((200,), n=30)
    model.adapt(x)  # pyright: ignore[reportCallIssue]
    numbers = network("shallow_max", (200,))
    numbers.adapt(x.double())  # pyright: ignore[reportCallIssue]
    assert torch.equal(numbers(x.double()), model(x)) and model(x).dtype == torch.float32
    mean = [sum(text) / 200 for text in x.tolist()]
    assert model.get_buffer("centre")[2].item() == pytest.approx(sum(mean) / 30)


def test_shallow_max_does_not_magnify_a_constant() -> None:
    model, blanks = network("shallow_max", (1, 8, 8)), torch.full((20, 1, 8, 8), 0.1)
    model.adapt(blanks)  # pyright: ignore[reportCallIssue]
    assert torch.equal(model.spread, torch.ones(3, dtype=torch.float64))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("name", "shape", "settings", "message"), [
    ("vit", (3, 30, 30), {}, "multiple of patch=4"), ("vit", (3, 32, 16), {}, "square"),
    ("vit", (3, 32, 32), {"dim": 30}, "multiple of heads"), ("convnext", (1, 4, 4), {}, "at least 8"),
    ("convnext", (1, 16, 16), {"dims": (8, 16)}, "one each for every stage"),
    ("convnext", (1, 16, 16), {"dims": (8,), "depths": (1,)}, "two blocks"), ("resnet", (16,), {}, "images"),
    ("char_cnn", (122,), {"alphabet": " ab"}, r"at least 123 characters.*got the input shape \[122\]"),
    ("char_cnn", (1, 32, 32), {"alphabet": " ab"}, "takes texts"),
])
def test_what_cannot_be_built_is_refused(name: str, shape: tuple, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family.find("models", name)(n_classes=10, input_shape=shape, **settings)


def test_the_lectures_network_has_66_layers_and_keeps_the_images_size() -> None:
    model = family.bind("models", {"name": "resnet_flat"}).call(n_classes=10, input_shape=(3, 32, 32))
    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 66 and all(getattr(layer, "stride", (1, 1)) == (1, 1) for layer in layers)
    assert sum(p.numel() for p in model.parameters()) == 313818
