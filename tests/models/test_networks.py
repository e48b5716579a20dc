"""Every torch network keeps the family's contract, at the sizes of the digits and of CIFAR-10."""

import pytest
import torch
from torch import nn

from convscope import family
from convscope.rng import seeded, torch_rng

NETWORKS = [n for n in family.names("models") if family.describe("models", n).constants["KIND"] != "classical"]
SETTINGS = {"resnet": {"depth": 8}, "vit": {"depth": 2, "dim": 32}, "convnext": {"dims": (8, 16), "depths": (1, 1)}}
SHAPES = [(1, 16, 16), (3, 32, 32)]


def network(name: str, shape: tuple[int, ...], n_classes: int = 7) -> nn.Module:
    with seeded(0, "init"):
        return family.find("models", name)(n_classes=n_classes, input_shape=shape, **SETTINGS.get(name, {}))


def images(shape: tuple[int, ...], n: int = 4) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch_rng(0, "images"))


def test_kinds() -> None:
    kinds = {name: family.describe("models", name).constants["KIND"] for name in family.names("models")}
    assert set(kinds.values()) == {"convnet", "shallow", "classical"}
    assert [name for name in NETWORKS if kinds[name] == "shallow"] == ["linear_softmax", "shallow_max"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_contract(name: str, shape: tuple[int, ...]) -> None:
    model, x = network(name, shape), images(shape)
    before, state = x.clone(), {k: v.clone() for k, v in model.state_dict().items()}
    model.eval()
    logits = model(x)
    assert logits.shape == (4, 7) and logits.dtype == torch.float32 and bool(logits.isfinite().all())
    assert torch.equal(x, before) and not model.training
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    torch.testing.assert_close(torch.cat([model(x[:1]), model(x[1:2])]), logits[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_seed_same_weights_and_global_state_untouched(name: str) -> None:
    state = torch.get_rng_state()
    first, second = network(name, SHAPES[0]).state_dict(), network(name, SHAPES[0]).state_dict()
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name: str) -> None:
    model, x = network(name, SHAPES[1]).train(), images(SHAPES[1])
    for p in model.parameters():  # torchvision starts some at zero, which stops the gradient of what lies before
        if not bool(p.any()):
            nn.init.normal_(p, std=0.1, generator=torch_rng(0, "noise"))
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


def test_shallow_max_does_not_magnify_a_constant() -> None:
    model, blanks = network("shallow_max", (1, 8, 8)), torch.full((20, 1, 8, 8), 0.1)
    model.adapt(blanks)  # pyright: ignore[reportCallIssue]
    assert torch.equal(model.spread, torch.ones(3, dtype=torch.float64))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("name", "shape", "settings", "message"), [
    ("vit", (3, 30, 30), {}, "multiple of patch=4"), ("vit", (3, 32, 16), {}, "square"),
    ("vit", (3, 32, 32), {"dim": 30}, "multiple of heads"), ("convnext", (1, 4, 4), {}, "at least 8"),
    ("convnext", (1, 16, 16), {"dims": (8, 16)}, "one each for every stage"),
    ("convnext", (1, 16, 16), {"dims": (8,), "depths": (1,)}, "two blocks"), ("resnet", (16,), {}, "images"),
])
def test_what_cannot_be_built_is_refused(name: str, shape: tuple, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family.find("models", name)(n_classes=10, input_shape=shape, **settings)
