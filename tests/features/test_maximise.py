"""The lecture's edge energy and ascent, re-typed naively; jitter, Fourier, and units that there are not."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.features.maximise import edge_energy, maximise, response, shown
from convscope.rng import seeded, torch_rng


def network() -> nn.Module:
    with seeded(0, "init"):
        model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3), nn.ReLU(inplace=True),
                              nn.Flatten(), nn.Linear(4 * 64, 5)).double()
    nn.init.constant_(model.get_parameter("2.bias"), 0.5)  # no unit is dead on grey
    return model


def naive_energy(x: np.ndarray) -> float:
    """One image [C, H, W], loops and all, as on the lecture's slide."""
    total = 0.0
    tap = np.array([1, 4, 6, 4, 1]) / 16
    for channel in x:
        while min(channel.shape) > 5:
            h, w = channel.shape
            padded = np.pad(channel, 2)
            for i in range(h):
                for j in range(w):
                    total += (channel[i, j] - (padded[i:i + 5, j:j + 5] * np.outer(tap, tap)).sum()) ** 2
            padded = np.pad(channel, 1)
            channel = np.array([[padded[i:i + 2, j:j + 2].mean() for j in range(0, w + 1, 2)]
                                for i in range(0, h + 1, 2)])
    return total


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 7, 13), (2, 5, 9)])
def test_edge_energy(shape: tuple[int, ...]) -> None:
    x = torch.randn(2, *shape, dtype=torch.float64, generator=torch_rng(0, "x"))
    expected = [naive_energy(image.numpy()) for image in x]
    torch.testing.assert_close(edge_energy(x), torch.tensor(expected, dtype=torch.float64))


def run(units: Any, layer: str | None = None, **settings: Any) -> Tensor:
    settings = {"steps": 12, "shape": (3, 12, 12), "rng": torch_rng(3, "noise"), **settings}
    return maximise(settings.pop("model", network()), units, layer=layer, **settings)


def test_the_lectures_loop() -> None:
    """Adam on score = h(z) - f(z), one image; the model behind a normalisation of its own."""
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
    found = run([2], mean=mean, std=std)
    z = (0.01 * torch.randn((1, 3, 12, 12), generator=torch_rng(3, "noise"), dtype=torch.float64)).requires_grad_()
    offset, scale = (torch.tensor(value, dtype=torch.float64).view(3, 1, 1) for value in (mean, std))
    model, optimizer = network().eval(), torch.optim.Adam([z], lr=0.1)
    for _ in range(12):
        optimizer.zero_grad()
        (edge_energy(z).sum() - model(z * scale + offset)[0, 2]).backward()
        optimizer.step()
    torch.testing.assert_close(found, z.detach(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("layer", ["0", "1", "2", None])
@pytest.mark.parametrize("settings", [{}, {"jitter": 2}, {"parametrisation": "fourier"}, {"penalty": 0.0}])
def test_the_response_rises(layer: str | None, settings: dict[str, Any]) -> None:
    units = [0, 3, 2]
    settings = {"penalty": 1e-4, **settings}
    few, many = (run(units, layer, steps=steps, std=0.3, mean=0.5, **settings) for steps in (1, 40))
    before, after = (response(network(), z * 0.3 + 0.5, units, layer=layer) for z in (few, many))
    assert (after >= before).all() and (after > before + 0.1).any()


def test_images_do_not_influence_each_other() -> None:
    whole = run([0, 1, 2], "2")
    torch.testing.assert_close(run([0, 1, 2], "2", batch_size=1), whole, rtol=1e-8, atol=1e-10)


def test_a_unit_at_a_place_moves_only_what_reaches_it() -> None:
    start, found = (run([(1, 0, 0)], "2", steps=steps, penalty=0.0, model=network()) for steps in (1, 10))
    assert (found != start)[0, :, :5, :5].any() and torch.equal(found[0, :, 5:], start[0, :, 5:])


def test_the_model_is_as_it_was() -> None:
    model = network().train()
    before = [value.clone() for value in model.state_dict().values()]
    run([1], "2", model=model)
    with pytest.raises(ValueError, match="no layer '22'"):
        run([1], "22", model=model)
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))


@pytest.mark.parametrize(("units", "layer", "settings", "message"), [
    ([4], "2", {}, r"2 is \[4, 8, 8\], it has no unit 4; give a channel"),
    ([(0, 8, 0)], "2", {}, r"it has no unit \(0, 8, 0\)"), ([-1], None, {}, "the output is"),
    ([], None, {}, "units, steps and a batch_size of at least 1"),
    ([0], None, {"std": [1.0, 2.0]}, "mean and std must be numbers, or 3 of them"),
    ([0], None, {"parametrisation": "wavelets"}, "parametrisation must be pixels or fourier, got 'wavelets'")])
def test_bad_input(units: Any, layer: str | None, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(units, layer, **settings)


def test_shown() -> None:
    z = 5 + 3 * torch.randn(2, 3, 30, 30, generator=torch_rng(0, "z"))
    found = shown(z)
    assert found.min() >= 0 and found.max() <= 1
    torch.testing.assert_close(found.mean(dim=(1, 2, 3)), torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.flatten(1).std(dim=1), torch.tensor([0.1, 0.1]), atol=1e-3, rtol=0)
