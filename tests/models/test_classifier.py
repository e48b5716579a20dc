"""The classifier normalises inside, checks what it gets and keeps its statistics."""

import pytest
import torch
from torch import nn

from convscope.models.classifier import Classifier
from convscope.rng import torch_rng

SHAPE, NAMES = (3, 4, 4), ("cat", "dog")
MEAN, STD = [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]


def classifier(**settings: object) -> Classifier:
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    return Classifier(network, input_shape=SHAPE, class_names=NAMES, **settings)  # pyright: ignore[reportArgumentType]


def images() -> torch.Tensor:
    return torch.rand(5, *SHAPE, generator=torch_rng(0, "images"))


def test_normalises_each_channel() -> None:
    model, x = classifier(mean=MEAN, std=torch.tensor(STD)), images()
    by_hand = torch.stack([(x[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)
    torch.testing.assert_close(model(x), model.network(by_hand))
    assert model.n_classes == 2 and model.input_shape == SHAPE and model.class_names == NAMES


def test_without_statistics_it_is_the_network() -> None:
    model, x = classifier(), images()
    assert torch.equal(model(x), model.network(x))
    assert set(model.state_dict()) == {"network.1.weight", "network.1.bias"}


def test_state_dict_carries_the_statistics() -> None:
    model, other, x = classifier(mean=MEAN, std=STD), classifier(mean=[0.0] * 3, std=[1.0] * 3), images()
    assert {"mean", "std"} <= set(model.state_dict())
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


def test_gradient_speaks_pixels() -> None:
    model, x = classifier(mean=MEAN, std=STD), images().requires_grad_()
    gradient, = torch.autograd.grad(model(x)[:, 1].sum(), x)
    weight = model.network[1].weight[1].detach().view(SHAPE)  # pyright: ignore[reportIndexIssue]
    torch.testing.assert_close(gradient[0], weight / torch.tensor(STD)[:, None, None])


def test_follows_its_weights_to_double() -> None:
    model = classifier(mean=MEAN, std=STD).double()
    assert model(images().double()).dtype == torch.float64


def test_compiles_in_one_graph() -> None:
    model, x = classifier(mean=MEAN, std=STD), images()
    torch.testing.assert_close(torch.compile(model, backend="eager", fullgraph=True)(x), model(x))


def test_adapt_reaches_a_network_that_asks_for_it() -> None:
    class Adaptive(nn.Module):
        seen: torch.Tensor

        def adapt(self, x: torch.Tensor) -> None:
            self.seen = x

    network, x = Adaptive(), images()
    Classifier(network, input_shape=SHAPE, class_names=NAMES).adapt(x)
    assert torch.equal(network.seen, x)
    Classifier(network, input_shape=SHAPE, class_names=NAMES, mean=MEAN, std=STD).adapt(x)
    torch.testing.assert_close(network.seen[:, 2], (x[:, 2] - MEAN[2]) / STD[2])
    classifier().adapt(x)  # a network without adapt is left alone


@pytest.mark.parametrize("bad", [
    torch.zeros(2, 3, 4, 5), torch.zeros(3, 4, 4), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4).double(),
    torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
])
def test_other_inputs_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected float32 inputs \[B, 3, 4, 4\], got"):
        classifier(mean=MEAN, std=STD)(bad)


def test_a_network_of_other_classes_is_refused() -> None:
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), input_shape=SHAPE, class_names=NAMES)
    with pytest.raises(ValueError, match=r"logits \[B, 2\].*got \[5, 3\]"):
        model(images())


@pytest.mark.parametrize(("mean", "std", "message"), [
    (MEAN, None, "come together"), (MEAN, [0.1, 0.0, 0.1], "above 0"), (MEAN[:2], STD[:2], "one per channel"),
    ([float("nan")] * 3, STD, "finite"),
])
def test_bad_statistics_are_refused(mean: list[float], std: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier(mean=mean, std=std)


def test_with_an_alphabet_it_takes_texts() -> None:
    network = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(18, 2))

    class Texts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x.long())

    model = Classifier(Texts(), input_shape=(6,), class_names=NAMES, alphabet=" abc")
    x = torch.randint(0, 5, (7, 6), dtype=torch.uint8, generator=torch_rng(0, "texts"))
    assert model.alphabet == " abc" and torch.equal(model(x), network(x.long()))
    assert model.double()(x).dtype == torch.float64  # texts stay uint8 whatever the weights are
    for wrong in (x.long(), x.float(), x[:, :5]):
        with pytest.raises(ValueError, match=r"expected uint8 inputs \[B, 6\], got"):
            model(wrong)
    with pytest.raises(ValueError, match="an alphabet, or mean and std, not both"):
        Classifier(Texts(), input_shape=(6,), class_names=NAMES, alphabet=" abc", mean=[0.0] * 6, std=[1.0] * 6)
