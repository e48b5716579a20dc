"""Filters, activations, lines and separability, each against what can be computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from convscope.features import activations, filters, lines, separability
from convscope.rng import numpy_rng, seeded, torch_rng


def network() -> nn.Module:
    with seeded(0, "init"):
        return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(64, 2))


# Filters

def test_filters_are_a_copy_on_one_scale() -> None:
    model = network()
    found = filters.weights(model, "2")
    assert torch.equal(found, model[2].weight) and not found.requires_grad  # pyright: ignore[reportIndexIssue]
    found.zero_()
    assert model[2].weight.abs().min() > 0  # pyright: ignore[reportIndexIssue]
    assert filters.convolutions(model) == ["0", "2"]
    scaled = filters.scaled(filters.weights(model, "0"))
    assert float(scaled.abs().max()) == 1.0
    torch.testing.assert_close(filters.as_rgb(filters.weights(model, "0")), (scaled + 1) / 2)


def test_what_has_no_filters() -> None:
    with pytest.raises(ValueError, match="1 is a ReLU, no 2-D convolution"):
        filters.weights(network(), "1")
    with pytest.raises(ValueError, match="no layer '9'"):
        filters.weights(network(), "9")
    with pytest.raises(ValueError, match="three channels"):
        filters.as_rgb(torch.ones(2, 1, 3, 3))


# Activations

def test_channels_of_a_layer() -> None:
    x = torch.rand(2, 3, 8, 8, generator=torch_rng(0, "x"))
    maps = torch.stack([torch.full((2, 5, 5), float(k)) for k in (1, 9, 3)], dim=1)
    assert activations.channels(maps, 2) == [1, 2]
    drawn = activations.channels(torch.ones(1, 50, 2, 2), 8, by="random", rng=numpy_rng(0, "c"))
    assert len(set(drawn)) == 8 and drawn == sorted(drawn)
    found = activations.images(network(), x, "2", [3, 0])
    with torch.no_grad():
        torch.testing.assert_close(found, network()[:3](x)[:, [3, 0]])  # pyright: ignore[reportIndexIssue]


def test_channels_that_there_are_not() -> None:
    x = torch.rand(2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"2 has the channels 0\.\.3, got 4"):
        activations.images(network(), x, "2", [1, 4])
    with pytest.raises(ValueError, match=r"must be maps \[N, F, h, w\], got \[2, 2\]"):
        activations.images(network(), x, "4", [0])
    with pytest.raises(ValueError, match="needs an rng"):
        activations.channels(torch.ones(1, 2, 2, 2), 1, by="random")


# Lines

def test_lines_are_where_a_hidden_unit_is_zero() -> None:
    with seeded(1, "init"):
        model = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2))
    found = lines.hidden_lines(model).double()
    assert found.shape == (20, 3)
    normal, b = found[:, :2], found[:, 2:]
    on_line = -b * normal / normal.square().sum(dim=1, keepdim=True)
    hidden = model[0].double()(on_line)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(hidden.diagonal(), torch.zeros(20, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_map_has_x2_in_rows() -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 50.0]]))  # class 1 where x2 > 0
        model.bias.zero_()
    found = lines.decision_map(model, np.array([-1, -1]), np.array([1, 1]), size=10)
    assert found[:5].max() < 0.01 and found[5:].min() > 0.99


def test_no_plane() -> None:
    with pytest.raises(ValueError, match="a first linear layer on the plane, of 2 inputs, got one of 64 inputs"):
        lines.hidden_lines(network())


# Separability

def blobs(distance: float, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = numpy_rng(0, "blobs", f"{distance}")
    y = np.arange(n) % 3
    return rng.normal(size=(n, 5)) + distance * np.eye(5)[y], y


def test_classes_that_are_apart_and_that_are_not() -> None:
    apart, one = (separability.measure(*blobs(d), *blobs(d + 1e-9), rng=numpy_rng(0, "s")) for d in (20.0, 0.0))
    assert apart.knn == apart.linear == apart.purity == 1.0
    assert max(one.knn, one.linear) < 0.55 and one.purity < 0.6


def test_purity_is_the_share_of_each_clusters_most_frequent_class() -> None:
    assert separability.purity(np.array([0, 0, 0, 7, 7]), np.array([4, 4, 5, 5, 5])) == pytest.approx(4 / 5)


def test_many_dimensions_and_sets_that_do_not_fit() -> None:
    x, y = blobs(20.0)
    wide = np.concatenate([x, np.zeros((60, 500))], axis=1).reshape(60, 5, 101)
    assert separability.measure(wide, y, wide, y, rng=numpy_rng(0, "s")).linear == 1.0
    with pytest.raises(ValueError, match=r"expected train \[N > 5, D\]"):
        separability.measure(x, y, x[:, :3], y, rng=numpy_rng(0, "s"))
