"""Deletion and insertion against a loop, random weights against the model, rank correlation against scipy."""

import copy

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from convscope.attribution import faithfulness
from convscope.models import resnet
from convscope.rng import seeded, torch_rng


def network() -> nn.Module:
    with seeded(0, "init"):
        return resnet.build(n_classes=4, input_shape=(3, 8, 8), depth=8, width=0.25).eval()


def images() -> Tensor:
    return torch.rand(3, 3, 8, 8, generator=torch_rng(0, "images"))


HEAT = torch.rand(3, 8, 8, generator=torch_rng(0, "heat"))
TARGET = torch.tensor([1, 0, 3])


@pytest.mark.parametrize("insert", [False, True])
def test_against_a_loop(insert: bool) -> None:
    model, x = network(), images()
    measure = faithfulness.insertion if insert else faithfulness.deletion
    found = measure(model, x, TARGET, HEAT, steps=4, fill=0.5, batch_size=2)
    for i in range(3):
        order = HEAT[i].flatten().argsort(descending=True)
        for step in range(5):
            image = torch.full_like(x[i], 0.5) if insert else x[i].clone()
            first = order[:16 * step]
            image.view(3, 64)[:, first] = x[i].view(3, 64)[:, first] if insert else 0.5
            with torch.no_grad():
                prob = model(image[None]).softmax(dim=1)[0, TARGET[i]]
            torch.testing.assert_close(found[i, step], prob)


def test_ends_of_the_curves() -> None:
    model, x = network(), images()
    deletion, insertion = (measure(model, x, TARGET, HEAT, steps=7) for measure in (
        faithfulness.deletion, faithfulness.insertion))
    torch.testing.assert_close(deletion[:, 0], insertion[:, -1])
    torch.testing.assert_close(deletion[:, -1], insertion[:, 0])


def test_area() -> None:
    torch.testing.assert_close(faithfulness.area(torch.tensor([[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]])),
                               torch.tensor([0.5, 1.0]))


def test_more_and_more_layers_have_random_weights() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    changed: list[set[str]] = []
    for _, copied in faithfulness.randomised(model, seed=1):
        changed.append({key for key, value in copied.state_dict().items() if not torch.equal(value, before[key])})
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(a <= b for a, b in zip(changed, changed[1:], strict=False))
    assert changed[0] == {"head.weight", "head.bias"}
    weights = {key for key, value in before.items() if key.endswith("weight") and value.ndim > 1}
    assert weights <= changed[-1]


def test_what_cannot_draw_weights() -> None:
    with pytest.raises(ValueError, match="Flatten has no layer that can draw new weights"):
        next(faithfulness.randomised(nn.Flatten(), seed=0))


def test_rank_correlation() -> None:
    a = torch.randint(5, (4, 3, 6), generator=torch_rng(0, "a")).float()
    b = torch.randint(5, (4, 3, 6), generator=torch_rng(0, "b")).float()
    found = faithfulness.rank_correlation(a, b)
    for i in range(4):
        expected = spearmanr(a[i].flatten(), b[i].flatten()).statistic  # pyright: ignore[reportAttributeAccessIssue]
        assert found[i].item() == pytest.approx(expected, abs=1e-9)
    assert faithfulness.rank_correlation(a, torch.ones_like(a)).tolist() == [0, 0, 0, 0]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"heat must be \[B, H, W\] for images"):
        faithfulness.deletion(network(), images(), TARGET, HEAT[:, :4])
    with pytest.raises(ValueError, match="steps must be at least 1"):
        faithfulness.deletion(network(), images(), TARGET, HEAT, steps=0)
