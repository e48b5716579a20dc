"""Taps against the network run by hand; which stages are looked at; the model left as it was."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from convscope.features import taps
from convscope.models import lenet, resnet, resnet_flat, vgg
from convscope.models.classifier import Classifier
from convscope.rng import seeded, torch_rng


def small() -> nn.Module:
    with seeded(0, "init"):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(),
                             nn.Linear(4 * 36, 5))


def images(n: int = 5, side: int = 8) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch_rng(0, "images"))


def test_what_layers_put_out() -> None:
    model, x = small().train(), images()
    found = taps.record(model, x, ["1", "2", "4"], batch_size=2)
    assert model.training and not any(module._forward_hooks for module in model.modules())
    model.eval()
    with torch.no_grad():
        normed = model[1](model[0](x))  # pyright: ignore[reportIndexIssue]
        torch.testing.assert_close(found["1"], normed)  # not what the ReLU in place made of it
        torch.testing.assert_close(found["2"], normed.relu())
        torch.testing.assert_close(found["4"], model(x))


def test_reduced_while_it_runs() -> None:
    found = taps.record(small(), images(), ["0"], reduce=lambda a: a.flatten(1)[:, :3])
    assert found["0"].shape == (5, 3)


@pytest.mark.parametrize(("names", "message"), [
    (["3x"], "no layer '3x' in Sequential; the nearest are: 3"), (["0", "head"], "no layer 'head'")])
def test_unknown_layers(names: list[str], message: str) -> None:
    model = small()
    with pytest.raises(ValueError, match=message):
        taps.record(model, images(), names)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_that_runs_twice() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 3, 3), relu, nn.Conv2d(3, 3, 3), relu, nn.Flatten(), nn.Linear(48, 2))
    with pytest.raises(ValueError, match="the layer 1 must run once for an input, it ran 2 times"):
        taps.record(model, images(), ["1"])


def wrapped(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    return Classifier(network, input_shape=shape, class_names=list("abcd"))


@pytest.mark.parametrize(("model", "expected"), [
    (wrapped(resnet.build(n_classes=4, input_shape=(3, 16, 16), depth=8), (3, 16, 16)),
     ["network.relu", "network.stages.0.0", "network.stages.1.0", "network.stages.2.0", "network.pool",
      "network.head"]),
    (wrapped(resnet_flat.build(n_classes=4, input_shape=(3, 16, 16), blocks=2, channels=4), (3, 16, 16)),
     ["network.relu", "network.blocks.0", "network.blocks.1", "network.head"]),
    (lenet.build(n_classes=4, input_shape=(3, 16, 16)), ["1", "2", "4", "5", "7", "8", "9", "10", "11"]),
    (torchvision.models.resnet18(num_classes=4),
     ["relu", "maxpool", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1", "layer4.0", "layer4.1",
      "avgpool", "fc"])])
def test_stages(model: nn.Module, expected: list[str]) -> None:
    """Residual blocks as wholes; outside of them ReLUs, pooling and linear layers, in the order in which they end."""
    assert taps.stages(model, images(1, 16), most=99) == expected


def test_many_stages_are_thinned() -> None:
    model = vgg.build(n_classes=4, input_shape=(3, 16, 16), width=0.1)
    every, few = (taps.stages(model, images(1, 16), most=most) for most in (99, 5))
    assert len(few) == 5 and few[0] == every[0] and few[-1] == every[-1] and set(few) < set(every)
