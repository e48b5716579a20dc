"""The ResNet family: the paper's sizes, one block by hand, and a golden loss curve."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.family import ConfigError, bind
from convscope.models.resnet import Block, build
from convscope.rng import seeded, torch_rng

CIFAR = (3, 32, 32)


def network(depth: int = 8, shape: tuple[int, ...] = (1, 16, 16), **settings: float | bool) -> nn.Module:
    with seeded(0, "init"):
        return build(n_classes=10, input_shape=shape, depth=depth, **settings)  # pyright: ignore[reportArgumentType]


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_sizes_of_the_paper(depth: int, millions: float) -> None:
    assert count(network(depth, CIFAR)) == pytest.approx(millions * 1e6, rel=0.02)  # He et al. 2016, table 6


def by_hand(depth: int, projections: bool) -> int:
    """Parameters of the family from its definition: convolutions k*k*in*out, batch norms 2*out, linear 65 * 10."""
    n = (depth - 2) // 6
    total = 9 * 3 * 16 + 2 * 16 + 65 * 10
    before = 16
    for out in (16, 32, 64):
        total += 9 * before * out + (2 * n - 1) * 9 * out * out + 2 * n * 2 * out
        total += before * out + 2 * out if projections and before != out else 0
        before = out
    return total


def test_exact_sizes() -> None:
    assert count(network(56, CIFAR)) == by_hand(56, True) == 855_770
    assert count(network(20, CIFAR)) == by_hand(20, True) == 272_474
    assert count(network(56, CIFAR, residual=False)) == by_hand(56, False) == 853_018


def test_depth_counts_weighted_layers() -> None:
    plain = network(20, CIFAR, residual=False)
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in plain.modules()) == 20


def test_plain_net_has_no_shortcut_and_residual_net_one_per_block() -> None:
    for residual in (True, False):
        blocks = [m for m in network(20, residual=residual).modules() if isinstance(m, Block)]
        assert len(blocks) == 9 and all((b.shortcut is not None) == residual for b in blocks)
    # Without weights in the last batch norm a residual block passes its input on; a plain one passes nothing.
    x = torch.rand(2, 16, 8, 8, generator=torch_rng(0, "x"))
    for residual, expected in ((True, x), (False, torch.zeros_like(x))):
        block = Block(16, 16, 1, residual)
        nn.init.zeros_(block.norm2.weight)
        assert torch.equal(block(x), expected)


def test_every_relu_is_used_once() -> None:
    model, x = network(20).eval(), torch.rand(1, 1, 16, 16, generator=torch_rng(0, "x"))
    calls: list[nn.Module] = []
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda m, *_: calls.append(m))
    model(x)
    assert len(calls) == len(set(calls)) == 19


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (4, 2)])
def test_a_block_is_the_formula(channels: int, stride: int) -> None:
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)), with batch norm written out and train-mode statistics."""
    with seeded(1, "init"):
        block = Block(channels, 8, stride, residual=True).double()
    x = torch.randn(4, channels, 6, 6, dtype=torch.float64, generator=torch_rng(0, "x"))

    def normalise(z: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        centred = z - z.mean(dim=(0, 2, 3), keepdim=True)
        std = (centred.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()
        return centred / std * norm.weight[:, None, None] + norm.bias[:, None, None]

    f = functional.conv2d(functional.pad(x, (1, 1, 1, 1)), block.conv1.weight, stride=stride)
    f = normalise(f, block.norm1).clamp(min=0)
    f = normalise(functional.conv2d(functional.pad(f, (1, 1, 1, 1)), block.conv2.weight), block.norm2)
    shortcut = x
    if isinstance(block.shortcut, nn.Sequential):
        convolution, norm = block.shortcut
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        picked = x[:, :, ::stride, ::stride]
        shortcut = normalise(torch.einsum("oi,bihw->bohw", convolution.weight[:, :, 0, 0], picked), norm)
    torch.testing.assert_close(block(x), (f + shortcut).clamp(min=0))


def test_initial_weights_are_he_normal() -> None:
    weights = network(20, CIFAR).get_parameter("stages.2.2.conv2.weight")
    assert weights.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


def test_golden_loss_curve() -> None:
    """Ten steps of SGD on one batch, seeded: a change of architecture, initialisation or order shows here."""
    model = network(8, width=0.5).train()
    x = torch.rand(16, 1, 16, 16, generator=torch_rng(0, "x"))
    y = torch.arange(16) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == pytest.approx(GOLDEN, rel=2e-3)


GOLDEN = [2.290578, 2.257502, 2.199184, 2.125537, 2.044386, 1.961900, 1.882096, 1.804542, 1.727463, 1.646699]


@pytest.mark.parametrize("depth", [2, 9, 57])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ConfigError, match=f"depth must be one of 8, 14, .*, got {depth}"):
        bind("models", {"name": "resnet", "depth": depth})
