"""What the plain families share: widths that scale, and initial weights."""

from torch import nn


def scaled(channels: int, width: float) -> int:
    """So many channels times width, at least one."""
    return max(1, round(channels * width))


def he(network: nn.Sequential) -> nn.Sequential:
    """The network with weights as in He et al. 2015, equation 10, and biases of zero."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
