"""Character ConvNets (Zhang, Zhao, LeCun 2015, Character-level Convolutional Networks for Text Classification)."""

from collections import OrderedDict

from torch import nn

from convscope.family import Count, Fraction, Positive
from convscope.models.one_hot import OneHot

VERSION = 1
KIND = "convnet"
KINDS = ("text",)

SIZES = (7, 7, 3, 3, 3, 3)  # of the kernels: Zhang et al., table 1
PAPER_STD = {256: 0.05, 1024: 0.02}  # of the initial weights, by features: section 2.3
POOLED = (1, 2, 6)          # the convolutions that max-pooling by 3 follows


def build(*, n_classes: int, input_shape: tuple[int, ...], alphabet: str, features: Count = 256, units: Count = 1024,
          dropout: Fraction = 0.5, init_std: Positive | None = None) -> nn.Module:
    """Nine layers on one-hot characters: six valid convolutions, then three linear layers with dropout between them.

    T characters become (T - 96) / 27 places where nothing is left over: 34 of 1014. With 70 characters and 5 classes
    the paper's small network (features 256, units 1024) has 11,340,805 parameters, its large one (1024, 2048)
    95,942,661. Weights are drawn from N(0, init_std), by default the paper's .05 with 256 features and .02 with 1024;
    networks of other widths, in which these would let the activations die away (64 features at .05: logits of .003),
    start as in He et al. 2015, equation 10. Biases, of which the paper says nothing, start at zero.
    Raises ValueError unless the input is [T] with T of at least 123, of which the layers leave one place.
    """
    if len(input_shape) != 1 or input_shape[0] < 123:
        raise ValueError("char_cnn takes texts [T] of at least 123 characters, of which its convolutions and pooling "
                         f"leave one place, got the input shape {list(input_shape)}")
    layers: OrderedDict[str, nn.Module] = OrderedDict(one_hot=OneHot(len(alphabet)))
    channels, length = len(alphabet), input_shape[0]
    for i, size in enumerate(SIZES, start=1):
        # Convolutions over time written as (1, k) over images one pixel high: the same sums, but these can read the
        # channels_last code of OneHot as it is, and CPUs compute them faster than Conv1d.
        layers[f"conv{i}"] = nn.Conv2d(channels, features, (1, size))
        layers[f"relu{i}"] = nn.ReLU(inplace=True)
        channels, length = features, length - size + 1
        if i in POOLED:
            layers[f"pool{i}"] = nn.MaxPool2d((1, 3))
            length //= 3
    layers["flatten"] = nn.Flatten()
    for i, (before, out) in enumerate([(features * length, units), (units, units)], start=1):
        layers[f"fc{i}"] = nn.Linear(before, out)
        layers[f"relu{len(SIZES) + i}"] = nn.ReLU(inplace=True)
        layers[f"dropout{i}"] = nn.Dropout(dropout)
    layers["fc3"] = nn.Linear(units, n_classes)
    std = init_std or PAPER_STD.get(features)
    for layer in layers.values():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if std is None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, std=std)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return nn.Sequential(layers)
