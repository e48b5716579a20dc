"""The forecaster of TSViz (Siddiqui et al. 2019): three convolutions, two poolings, one full connection."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from convscope.family import Positive
from convscope.models.sizes import scaled

VERSION = 1
KIND = "convnet"
KINDS = ("series", "windows")
LAYERS = ("conv1", "conv2", "conv3", "dense")


class TrafficCNN(nn.Module):
    """Outputs [B, K] of windows [B, C, T]; the layers conv1, conv2, conv3 and dense can be looked into by name."""

    def __init__(self, channels: int, length: int, filters: Sequence[int], outputs: int) -> None:
        super().__init__()
        a, b, c = filters
        self.conv1, self.relu1, self.pool1 = nn.Conv1d(channels, a, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2)
        self.conv2, self.relu2 = nn.Conv1d(a, b, 3, padding=1), nn.ReLU()
        self.pool2 = nn.MaxPool1d(2, ceil_mode=True)  # Keras's "same": 25 -> 13
        self.conv3, self.relu3 = nn.Conv1d(b, c, 3, padding=1), nn.ReLU()
        self.dense = nn.Linear(c * (-(-(length // 2) // 2)), outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        a_BFT = self.pool1(self.relu1(self.conv1(x_BCT)))
        a_BFT = self.pool2(self.relu2(self.conv2(a_BFT)))
        a_BFT = self.relu3(self.conv3(a_BFT))
        return self.dense(a_BFT.transpose(1, 2).flatten(1))  # by time first, as Keras flattens: its weights fit


def build(*, n_classes: int = 1, input_shape: Sequence[int] = (2, 50), width: Positive = 1.0) -> nn.Module:
    """64, 32 and 16 filters of three steps, times width, ReLU and max-pooling between; n_classes = 1 is a forecast.

    For the authors' two channels and 50 steps it has 8,385 parameters. Weights as Keras draws them: Glorot's uniform,
    biases 0. Raises ValueError for an input that is not [C, T] with at least 4 steps.
    """
    if len(input_shape) != 2 or input_shape[1] < 4:
        raise ValueError(f"traffic_cnn takes windows [C, T] of at least 4 steps, got the input shape "
                         f"{list(input_shape)}")
    network = TrafficCNN(input_shape[0], input_shape[1], [scaled(n, width) for n in (64, 32, 16)], n_classes)
    for name in LAYERS:
        layer = network.get_submodule(name)
        assert isinstance(layer, (nn.Conv1d, nn.Linear)) and layer.bias is not None
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return network


def from_keras(weights: Sequence[np.ndarray]) -> nn.Module:
    """The network that has these weights, as Keras's `model.get_weights()` lists them: kernel and bias, four times.

    Kernels are [3, C, F], the dense one [T * F, K]: what `np.savez("w.npz", *model.get_weights())` keeps of a network
    that someone else trained. Raises ValueError where shapes do not follow from one another.
    """
    if len(weights) != 2 * len(LAYERS):
        raise ValueError(f"expected {2 * len(LAYERS)} arrays, kernel and bias of {', '.join(LAYERS)}, got "
                         f"{len(weights)}")
    kernels, biases = [np.asarray(w) for w in weights[::2]], [np.asarray(w) for w in weights[1::2]]
    ranks = [kernel.ndim for kernel in kernels]
    if ranks != [3, 3, 3, 2] or any(bias.shape != kernel.shape[-1:] for kernel, bias in zip(kernels, biases,
                                                                                              strict=True)):
        raise ValueError("expected kernels [3, C, F] three times and [T * F, K], each with a bias of its last size, "
                         f"got {[list(np.shape(w)) for w in weights]}")
    a, b, c = (kernel.shape[2] for kernel in kernels[:3])
    steps, rest = divmod(kernels[3].shape[0], c)
    if rest or kernels[1].shape[1] != a or kernels[2].shape[1] != b or {k.shape[0] for k in kernels[:3]} != {3}:
        raise ValueError("expected each layer to take what the one before gives, in kernels of 3 steps, got "
                         f"{[list(kernel.shape) for kernel in kernels]}")
    network = TrafficCNN(kernels[0].shape[1], 4 * steps, (a, b, c), kernels[3].shape[1])
    with torch.no_grad():
        for name, kernel, bias in zip(LAYERS, kernels, biases, strict=True):
            layer = network.get_submodule(name)
            assert isinstance(layer, (nn.Conv1d, nn.Linear)) and layer.bias is not None
            layer.weight.copy_(torch.tensor(kernel.T.copy()))  # [3, C, F] -> [F, C, 3]; [T * F, K] -> [K, T * F]
            layer.bias.copy_(torch.tensor(bias))
    return network
