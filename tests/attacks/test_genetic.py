"""Fooling images: found on a network that knows digits, better with every generation, and refusals."""

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from convscope.attacks import genetic
from convscope.rng import seeded, torch_rng

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def digits() -> nn.Module:
    """A small convolutional network, trained on the 8x8 digits to some 97 % or more."""
    pixels, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels, dtype=torch.float32).view(-1, *SHAPE) / 16, torch.tensor(labels)
    with seeded(0, "init"):
        model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(),
                              nn.Linear(256, 10))
    optimizer, rng = torch.optim.Adam(model.parameters(), lr=3e-3), torch_rng(0, "order")
    for _ in range(300):
        index = torch.randint(len(x), (64,), generator=rng)
        optimizer.zero_grad()
        functional.cross_entropy(model(x[index]), y[index]).backward()
        optimizer.step()
    assert (model(x).argmax(dim=1) == y).float().mean() > 0.97
    return model.eval()


def probability(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).softmax(dim=1)


def direct(model: nn.Module, target: Any, **settings: Any) -> tuple[Tensor, Tensor]:
    return genetic.direct(model, target, **{"shape": SHAPE, "rng": torch_rng(0, "evolution"), **settings})


def elites(model: nn.Module, **settings: Any) -> tuple[Tensor, Tensor]:
    given = {"n_classes": 10, "shape": SHAPE, "rng": torch_rng(0, "evolution"), **settings}
    return genetic.map_elites(model, **given)


def test_direct_fools_for_every_class(digits: nn.Module) -> None:
    images, probs = direct(digits, range(10))
    assert images.shape == (10, *SHAPE) and images.min() >= 0 and images.max() <= 1
    assert probs.shape == (10,) and probs.min() > 0.95
    torch.testing.assert_close(probs, probability(digits, images).diagonal(), rtol=1e-5, atol=1e-7)


def test_map_elites_fools_for_every_class(digits: nn.Module) -> None:
    images, probs = elites(digits, iterations=100, batch_size=100)
    assert images.shape == (10, *SHAPE) and images.min() >= 0 and images.max() <= 1
    assert probs.shape == (10,) and probs.min() > 0.9
    torch.testing.assert_close(probs, probability(digits, images).diagonal(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("search", ["direct", "map elites"])
def test_nothing_found_is_ever_lost(digits: nn.Module, search: str) -> None:
    """The first generations of a longer run are those of a shorter one: its best can only be as good or better."""
    history = []
    for generations in (1, 2, 3, 5, 9, 17):
        found = (direct(digits, [3], generations=generations, enough=1.0, population=20)[1]
                 if search == "direct" else elites(digits, iterations=generations, batch_size=20, enough=1.0)[1])
        history.append(found)
    rising = torch.stack(history)
    assert (rising.diff(dim=0) >= 0).all() and (rising[-1] > rising[0]).all()


def test_parents_are_winners_of_the_population(digits: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, mutants = [], genetic._mutants
    monkeypatch.setattr(genetic, "_mutants", lambda parents, *rest: (seen.append(parents), mutants(parents, *rest))[1])
    direct(digits, [6], generations=1, population=200)
    start = torch.rand(200, *SHAPE, generator=torch_rng(0, "evolution"))
    fitness, chosen = (probability(digits, images)[:, 6] for images in (start, seen[0]))
    rank = (chosen[:, None] > fitness).float().mean(dim=1)
    assert torch.isin(seen[0], start).all() and float(rank.mean()) == pytest.approx(2 / 3, abs=0.05)


def test_enough_ends_the_search(digits: nn.Module) -> None:
    calls = []
    handle = digits.register_forward_hook(lambda *_: calls.append(1))
    try:
        _, probs = direct(digits, [0], enough=0.5)
        assert 0.5 <= probs[0] < 0.95 and len(calls) < 100
        calls.clear()
        direct(digits, [0], enough=0.0)
        assert len(calls) == 1
    finally:
        handle.remove()


def test_the_batch_size_of_direct_bounds_the_model_and_changes_nothing(digits: nn.Module) -> None:
    sizes = []
    handle = digits.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    try:
        first, second = (direct(digits, torch.tensor([4]), generations=4, batch_size=size) for size in (8, 256))
    finally:
        handle.remove()
    torch.testing.assert_close(first, second)
    assert sizes[:3] == [8, 8, 4] and max(sizes) == 20


def test_a_model_in_double_precision_gets_images_of_its_own_type() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).double()
    images, probs = direct(model, [1], generations=2)
    assert images.dtype == probs.dtype == torch.float64


def test_polynomial_mutation_has_its_distribution() -> None:
    """Deb's density on [-1, 1] is (STRENGTH + 1) / 2 * (1 - |d|)^STRENGTH: half of it is within 1 - 0.5^(1 / 16)."""
    shift = genetic._polynomial(torch.rand(40000, generator=torch_rng(0, "u")))
    assert float(shift.abs().mean()) == pytest.approx(1 / (genetic.STRENGTH + 2), rel=0.02)
    assert float((shift.abs() < 1 - 0.5 ** (1 / 16)).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert float((shift > 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    torch.testing.assert_close(genetic._polynomial(torch.tensor([0.0, 0.5])), torch.tensor([-1.0, 0.0]))


@pytest.mark.parametrize(("generation", "rate"), [(0, 0.1), (999, 0.1), (1000, 0.05), (2500, 0.025)])
def test_the_rate_of_mutation_halves(generation: int, rate: float) -> None:
    parents = torch.full((200, 1, 20, 20), 0.5)
    kept = parents.clone()
    mutants = genetic._mutants(parents, torch_rng(0, "m"), generation)
    assert float((mutants != parents).float().mean()) == pytest.approx(rate, rel=0.05) and torch.equal(parents, kept)
    edge = genetic._mutants(torch.ones(100, 1, 20, 20), torch_rng(0, "m"), generation)
    assert edge.max() == 1 and edge.min() >= 0


@pytest.mark.parametrize(("settings", "said"), [
    ({"target": [10]}, r"targets must be in 0\.\.9, one of the model's classes, got 10"),
    ({"target": [-1]}, "target must be a list of classes"), ({"target": []}, "target must be a list of classes"),
    ({"target": [0.5]}, "target must be a list of classes"), ({"target": 3}, "target must be a list of classes"),
    ({"population": 0}, "population must be at least 1"), ({"generations": 0}, "generations must be at least 1"),
    ({"enough": 95}, "enough must be between 0 and 1, got 95"), ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"shape": (8, 8)}, r"shape must be \[C, H, W\]"), ({"shape": (3, 8, 8)}, "does not take inputs"),
])
def test_direct_refuses(digits: nn.Module, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        direct(digits, **{"target": [0], **settings})


@pytest.mark.parametrize(("settings", "said"), [
    ({"n_classes": 7}, "n_classes must be 10, as many as the model has, got 7"),
    ({"n_classes": 0}, "n_classes must be at least 1"), ({"iterations": 0}, "iterations must be at least 1"),
    ({"batch_size": 0}, "batch_size must be at least 1"), ({"enough": -1}, "enough must be between 0 and 1"),
    ({"shape": (1, 0, 8)}, r"shape must be \[C, H, W\]"),
])
def test_map_elites_refuses(digits: nn.Module, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        elites(digits, **settings)
