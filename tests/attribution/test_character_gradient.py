"""Gradient x input of characters, against occlusion, finite differences, and with the model left as it was."""

import copy

import pytest
import torch
from torch import Tensor, nn

from convscope.attribution.character_gradient import attribute
from convscope.models import char_cnn
from convscope.models.classifier import Classifier
from convscope.models.one_hot import OneHot
from convscope.rng import seeded, torch_rng

ALPHABET, LENGTH = " abcdef", 130
UNKNOWN = len(ALPHABET)


def texts(n: int = 5, length: int = LENGTH) -> Tensor:
    return torch.randint(UNKNOWN + 1, (n, length), dtype=torch.uint8, generator=torch_rng(0, "texts"))


def network() -> nn.Module:
    with seeded(0, "init"):
        return char_cnn.build(n_classes=3, input_shape=(LENGTH,), alphabet=ALPHABET, features=8, units=12)


def linear(length: int = 9) -> nn.Module:
    with seeded(0, "init"):
        return nn.Sequential(OneHot(UNKNOWN), nn.Flatten(), nn.Linear(UNKNOWN * length, 3))


def test_of_a_linear_network_it_is_what_an_unknown_character_costs() -> None:
    """Occlusion, character by character: exact where the score is linear in the code."""
    model, x, target = linear().double(), texts(length=9), torch.tensor([0, 1, 2, 1, 0])
    found = attribute(model, x, target)
    score = model(x).gather(1, target[:, None])[:, 0]
    for place in range(9):
        without = x.clone()
        without[:, place] = UNKNOWN
        drop = score - model(without).gather(1, target[:, None])[:, 0]
        torch.testing.assert_close(found[:, place], drop.detach().float())
    assert found.shape == x.shape and found.dtype == torch.float32 and not found[x == UNKNOWN].any()


def test_finite_differences() -> None:
    """The code of the character at one place, a little smaller and a little larger, in float64."""
    model, x, target = network().double().eval(), texts(2), torch.tensor([2, 0])
    found = attribute(model, x, target)
    layers, h = nn.Sequential(*list(model.children())[1:]), 1e-5
    code = model.get_submodule("one_hot")(x)
    for i, place in ((0, 3), (0, 77), (1, 0), (1, 129)):
        if int(x[i, place]) == UNKNOWN:
            assert found[i, place] == 0
            continue
        scores = []
        for sign in (1, -1):
            moved = code.clone()
            moved[i, int(x[i, place]), 0, place] += sign * h
            scores.append(layers(moved)[i, int(target[i])].item())
        assert found[i, place].item() == pytest.approx((scores[0] - scores[1]) / (2 * h), abs=1e-6)
    assert found.abs().max() > 1e-3


def test_texts_do_not_mix_and_the_batch_size_changes_nothing() -> None:
    model, x, target = network(), texts(), torch.tensor([0, 1, 2, 1, 0])
    whole = attribute(model, x, target)
    for other in (attribute(model, x, target, batch_size=2),
                  torch.cat([attribute(model, x[i:i + 1], target[i:i + 1]) for i in range(5)])):
        torch.testing.assert_close(other, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_it_was(fails: bool) -> None:
    model = Classifier(network(), input_shape=(LENGTH,), class_names=("a", "b", "c"), alphabet=ALPHABET).train()
    model.network.get_submodule("relu2").eval()
    next(model.parameters()).requires_grad_(False)
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    target = torch.tensor([0, 1, 3 if fails else 2])
    if fails:
        with pytest.raises(ValueError, match=r"targets must be in 0\.\.2, one of the model's classes, got 3"):
            attribute(model, texts(3), target)
    else:
        torch.testing.assert_close(attribute(model, texts(3), target), attribute(copy.deepcopy(model).eval(), texts(3),
                                                                                 target))  # dropout is off
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * (len(list(model.parameters())) - 1)
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(("x", "target", "message"), [
    (texts(2).long(), torch.tensor([0, 1]), r"x must be uint8 \[B, T\], the characters' indices, got int64 \[2, 130\]"),
    (texts(2)[0], torch.tensor([0]), r"x must be uint8 \[B, T\]"),
    (texts(2), torch.tensor([0]), r"target must be int64 \[2\], one class for each text, got int64 \[1\]"),
    (texts(2), torch.tensor([0.0, 1.0]), r"target must be int64 \[2\]"),
    (texts(2), torch.tensor([0, -1]), "targets must be 0 or above")])
def test_other_inputs_are_refused(x: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attribute(network(), x, target)


def test_other_models_are_refused() -> None:
    for model, count in ((nn.Linear(3, 2), 0), (nn.ModuleList([OneHot(7), OneHot(7)]), 2)):
        with pytest.raises(ValueError, match=f"one module of type .*OneHot, got {type(model).__name__} with {count}"):
            attribute(model, texts(2), torch.tensor([0, 1]))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = linear()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) + self.inner(x)

    class Backwards(Twice):
        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.flip(1))

    for model, found in ((Twice(), "2 calls"), (Backwards(), "other texts")):
        with pytest.raises(ValueError, match=f"to its OneHot once and as they came, got {found}"):
            attribute(model, texts(2, 9), torch.tensor([0, 1]))
