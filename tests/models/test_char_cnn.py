"""The character ConvNets: the paper's sizes, Conv1d layers on dense codes as a second version, a golden loss curve."""

import math
import string

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import family
from convscope.models.char_cnn import build
from convscope.models.one_hot import OneHot
from convscope.rng import seeded, torch_rng

LENGTH = 123
ALPHABET = " " + string.ascii_lowercase
PAPER = "".join(map(chr, range(70)))  # 70 symbols; which ones is of no matter here


def network(length: int = LENGTH, alphabet: str = ALPHABET, **settings: float) -> nn.Module:
    with seeded(0, "init"):
        return build(n_classes=5, input_shape=(length,), alphabet=alphabet,
                     **{"features": 16, "units": 24, **settings})  # pyright: ignore[reportArgumentType]


def texts(n: int = 6, length: int = LENGTH) -> Tensor:
    """With the unknown character among them."""
    return torch.randint(len(ALPHABET) + 1, (n, length), generator=torch_rng(0, "texts")).to(torch.uint8)


def by_hand(features: int, units: int, n_classes: int = 5, symbols: int = 70, places: int = 34) -> int:
    """Zhang et al., tables 1 and 2: kernels of 7, 7, 3, 3, 3, 3, then three linear layers; each with a bias."""
    convolutions = 7 * symbols * features + 7 * features**2 + 4 * 3 * features**2 + 6 * features
    return convolutions + places * features * units + units**2 + units * n_classes + 2 * units + n_classes


@pytest.mark.parametrize(("features", "units", "size"), [(256, 1024, 11_340_805), (1024, 2048, 95_942_661)])
def test_sizes_of_the_paper(features: int, units: int, size: int) -> None:
    with torch.device("meta"):  # without the memory of 96 million weights
        model = build(n_classes=5, input_shape=(1014,), alphabet=PAPER, features=features, units=units)
    assert sum(p.numel() for p in model.parameters()) == by_hand(features, units) == size
    if features == 256:
        defaults = family.bind("models", {"name": "char_cnn"}).arguments
        assert defaults == {"features": 256, "units": 1024, "dropout": 0.5, "init_std": None}
    assert f"{size:,}" in (build.__doc__ or "")


def test_lengths_of_the_paper() -> None:
    model, lengths = network(1014).eval(), {}
    f = texts(1, 1014)
    for name, module in model.named_children():
        f = module(f)
        lengths[name] = f.shape[-1]
    assert [lengths[f"conv{i}"] for i in range(1, 7)] == [1008, 330, 108, 106, 104, 102]  # 1014 - 6, 336 - 6, ...
    assert [lengths[f"pool{i}"] for i in (1, 2, 6)] == [336, 110, 34] and 34 == (1014 - 96) / 27


def test_layers_by_name_and_each_relu_once() -> None:
    model, used = network(), []
    for name, module in model.named_modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda *_, name=name: used.append(name))
    model(texts())
    assert used == [f"relu{i}" for i in range(1, 9)]
    assert list(dict(model.named_children())) == [
        "one_hot", "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4", "relu4", "conv5",
        "relu5", "conv6", "relu6", "pool6", "flatten", "fc1", "relu7", "dropout1", "fc2", "relu8", "dropout2", "fc3"]
    assert sum(isinstance(module, OneHot) for module in model.modules()) == 1


def dense(model: nn.Module, x: Tensor) -> Tensor:
    """A second version: Conv1d and max-pooling over dense codes by torch.nn.functional.one_hot, the same weights."""
    weights = model.state_dict()
    f = functional.one_hot(x.long(), len(ALPHABET) + 1)[..., :-1].to(weights["fc3.weight"].dtype).transpose(1, 2)
    for i in range(1, 7):
        out, channels, _, size = weights[f"conv{i}.weight"].shape
        layer = nn.Conv1d(channels, out, size).to(f.dtype)
        layer.load_state_dict({"weight": weights[f"conv{i}.weight"][:, :, 0], "bias": weights[f"conv{i}.bias"]})
        f = layer(f).clamp(min=0)
        if i in (1, 2, 6):
            f = functional.max_pool1d(f, 3)
    f = f.reshape(len(x), -1)
    for i in (1, 2):
        f = (f @ weights[f"fc{i}.weight"].T + weights[f"fc{i}.bias"]).clamp(min=0)
    return f @ weights["fc3.weight"].T + weights["fc3.bias"]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("length", [LENGTH, 200])
def test_conv1d_on_dense_codes_gives_the_same_logits(length: int, dtype: torch.dtype, tolerance: float) -> None:
    model, x = network(length, init_std=0.2).to(dtype).eval(), texts(length=length)
    for p in model.parameters():
        if p.ndim == 1:  # biases of zero would not be tested
            nn.init.normal_(p, std=0.1, generator=torch_rng(0, "biases"))
    logits, expected = model(x), dense(model, x)
    assert logits.dtype == dtype and float(logits.detach().std()) > 0.1
    torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)


def test_an_unknown_character_adds_nothing_but_is_not_the_space() -> None:
    model = network().eval()
    first = model.get_submodule("conv1")
    unknown = torch.full((1, LENGTH), len(ALPHABET), dtype=torch.uint8)
    with torch.no_grad():
        nn.init.normal_(first.bias, generator=torch_rng(0, "bias"))  # pyright: ignore[reportArgumentType]
        found = first(model.get_submodule("one_hot")(unknown))
    torch.testing.assert_close(found[0, :, 0, 3], first.bias)  # pyright: ignore[reportArgumentType]
    assert not torch.allclose(model(unknown), model(torch.zeros_like(unknown)))


def test_dropout_only_in_training() -> None:
    x = texts()
    for rate, alike in ((0.5, False), (0.0, True)):
        model = network(dropout=rate, init_std=0.2)
        with seeded(0, "dropout"):
            assert torch.equal(model.train()(x), model(x)) == alike
        assert torch.equal(model.eval()(x), model(x))


@pytest.mark.parametrize(("features", "stds"), [
    (256, (0.05, 0.05)), (1024, (0.02, 0.02)), (64, (math.sqrt(2 / (7 * 64)), None)), (16, (math.sqrt(2 / 112), None))])
def test_initial_weights(features: int, stds: tuple[float, float | None]) -> None:
    """The paper's for its two widths; of others sqrt(2 / fan in), He et al."""
    model = network(features=features, units=64)
    for name, std in zip(("conv2.weight", "fc1.weight"), stds, strict=True):
        weight = model.get_parameter(name).detach()
        std = math.sqrt(2 / weight.shape[1]) if std is None else std
        assert float(weight.std()) == pytest.approx(std, rel=0.05) and abs(float(weight.mean())) < std / 20
    assert not any(bool(p.any()) for name, p in model.named_parameters() if name.endswith("bias"))
    given = network(features=features, units=64, init_std=0.3).get_parameter("fc1.weight")
    assert given.std().item() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("features", [16, 64, 256])
def test_at_any_width_the_logits_start_apart(features: int) -> None:
    """At the paper's .05 for 256 features, a network of 64 starts with logits that hardly depend on the text."""
    x = texts(32)
    with torch.no_grad():
        spread = network(features=features, units=4 * features).eval()(x).std(dim=0).mean()
        assert 0.02 < float(spread) < 2
        if features == 64:
            narrow = network(features=features, units=4 * features, init_std=0.05).eval()(x).std(dim=0).mean()
            assert float(narrow) < float(spread) / 20


def test_golden_loss_curve() -> None:
    """Ten steps of SGD on one batch, seeded: a change of architecture, initialisation or order shows here."""
    model = network(dropout=0.0).train()  # whose numbers differ between builds of torch
    x = texts(16)
    y = torch.arange(16) % 5
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == pytest.approx(GOLDEN, rel=2e-3)


GOLDEN = [1.550254, 1.502365, 1.422525, 1.348567, 1.280918, 1.193052, 1.152547, 1.162058, 1.050861, 0.943260]


def test_a_characters_code_has_a_gradient() -> None:
    model, taken = network().eval(), []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], code: Tensor) -> Tensor:
        taken.append(code.detach().requires_grad_())
        return taken[-1]

    model.get_submodule("one_hot").register_forward_hook(keep)
    gradient, = torch.autograd.grad(model(texts())[:, 2].sum(), taken)
    assert gradient.shape == (6, len(ALPHABET), 1, LENGTH) and bool(gradient.isfinite().all())
    reached = (gradient != 0).any(dim=1).flatten(1).float().mean(dim=1)
    assert bool((reached > 0.5).all())  # each text by most of its characters, whatever max-pooling passes over
