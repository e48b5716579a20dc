"""The shallow max network of Hoffer et al., On the Blindspots of Convolutional Networks."""

import torch
from torch import Tensor, nn

from convscope.family import Count

VERSION = 1
KIND = "shallow"
KINDS = ("image", "text")


def build(*, n_classes: int, input_shape: tuple[int, ...], hidden: Count = 64) -> nn.Module:
    """Logits from the maximum, minimum and mean of all raw input values, through one hidden layer of ReLUs.

    A text's values are its characters' indices, uint8 [B, T], taken as numbers.
    Call `adapt(x)` with the training inputs once before training: signals of 1e-3 show only after standardisation.
    """
    return ShallowMax(n_classes, hidden)


class ShallowMax(nn.Module):
    centre: Tensor  # [3], float64 as the statistics themselves
    spread: Tensor

    def __init__(self, n_classes: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(3, dtype=torch.float64))
        self.hidden = nn.Linear(3, hidden)
        self.relu = nn.ReLU()
        self.head = nn.Linear(hidden, n_classes)

    def adapt(self, x: Tensor) -> None:
        """Sets the mean and standard deviation by which the three statistics are standardised from training inputs."""
        statistics_B3 = statistics(x)
        std_3 = statistics_B3.std(dim=0, correction=0)
        self.centre.copy_(statistics_B3.mean(dim=0))
        # A statistic that is constant up to rounding (the maximum of blank images) stays near 0, not magnified noise.
        self.spread.copy_(torch.where(std_3 > 1e-9, std_3, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        standard_B3 = ((statistics(x) - self.centre) / self.spread).to(self.hidden.weight.dtype)
        return self.head(self.relu(self.hidden(standard_B3)))


def statistics(x: Tensor) -> Tensor:
    """float64 [B, 3]: maximum, minimum and mean over all values of each input."""
    values = x.flatten(1)
    return torch.stack([values.amax(1).double(), values.amin(1).double(), values.mean(1, dtype=torch.float64)], dim=1)
