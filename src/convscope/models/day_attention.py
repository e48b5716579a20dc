"""A forecaster of ours: it looks at the same time of the past seven days, and trusts the days that went like today.

The last values say how the next one continues them (an autoregression of differences). Each head compares the window
with the same window of every past day, scaled to today's level, and averages what those days did next, weighted by how
alike they were: attention whose keys are days. One head has 112 parameters; more heads forecast no better.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from convscope.family import Count

VERSION = 1
KIND = "convnet"
KINDS = ("series",)
DAYS, LENGTH = 7, 50
AHEAD = 3      # steps of past days from the target's time on
TAPS = 5       # differences around the target's time that are averaged
STEEP = 5.0    # a past day's level counts as at most so many times lower than today's
UNIT = 20.0    # differences are so much smaller than levels


class DayAttention(nn.Module):
    """Forecasts [B, 1] of standardised windows [B, 1 + days, T + AHEAD]; `zero` is where no traffic at all would be."""

    zero: Tensor

    def __init__(self, days: int, length: int, heads: int, zero: float) -> None:
        super().__init__()
        self.length = length
        self.register_buffer("zero", torch.tensor(float(zero)))
        self.recent = nn.Linear(length - 1, 1)
        self.focus = nn.Parameter(0.1 * torch.randn(heads, length - 1))  # which steps a head compares
        self.sharp = nn.Parameter(torch.linspace(0, 1, heads))
        self.day = nn.Parameter(torch.zeros(heads, days))                # what it thinks of a day beforehand
        self.next = nn.Linear(heads * TAPS, 1, bias=False)
        for layer in (self.recent, self.next):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.recent.bias)

    def forward(self, x_BDT: Tensor) -> Tensor:
        last = self.length - 1
        level_BD = x_BDT[:, :, last] - self.zero
        now_BT = x_BDT[:, 0, :self.length] - x_BDT[:, 0, last:self.length]
        scale_BD = (level_BD[:, :1] / level_BD[:, 1:].clamp(min=1e-3)).clamp(0, STEEP)
        past_BDT = (x_BDT[:, 1:] - x_BDT[:, 1:, last:self.length]) * scale_BD[:, :, None]
        unlike_BDT = (now_BT[:, None, :last] - past_BDT[:, :, :last]) ** 2
        unlike_BHD = torch.einsum("bdt,ht->bhd", unlike_BDT, self.focus.softmax(1))
        unlike_BHD = unlike_BHD / (unlike_BHD.mean(2, keepdim=True) + 1e-9)
        trust_BHD = (self.day - self.sharp.exp()[:, None] * unlike_BHD).softmax(2)
        centre = last - TAPS // 2  # of the differences: number `last` leads to the target
        steps_BDJ = past_BDT.diff(dim=2)[:, :, centre:centre + TAPS]
        then_BHJ = torch.einsum("bhd,bdj->bhj", trust_BHD, steps_BDJ)
        change_B1 = (self.recent(UNIT * now_BT.diff(dim=1)) + self.next(UNIT * then_BHJ.flatten(1))) / UNIT
        return x_BDT[:, 0, last:self.length] + change_B1


def needs(*, horizon: int, per_day: int | None) -> int:
    """How many rows before its own a forecast takes; raises ValueError for a series that it is not for."""
    if horizon != 1 or per_day is None or per_day <= AHEAD:
        rows = "steps that do not divide a day" if per_day is None else f"{per_day} rows a day"
        raise ValueError(f"day_attention forecasts one row ahead, of more than {AHEAD} a day, got a horizon of "
                         f"{horizon} and {rows}; take another model")
    return DAYS * per_day + LENGTH


def inputs(values: np.ndarray, rows: np.ndarray, *, horizon: int, per_day: int) -> np.ndarray:
    """[len(rows), 1 + DAYS, LENGTH + AHEAD]: the values before each row, and those around the same time of past days.

    The last AHEAD steps of today, from the row itself on, are 0: nothing after the past is looked at.
    """
    at = rows[:, None] + np.arange(-LENGTH, AHEAD)
    today = np.where(np.arange(-LENGTH, AHEAD) < 0, values[np.minimum(at, len(values) - 1)], 0.0)
    return np.stack([today, *(values[at - day * per_day] for day in range(1, DAYS + 1))], axis=1)


def build(*, n_classes: int = 1, input_shape: Sequence[int] = (8, 53), zero: float = 0.0,
          heads: Count = 1) -> nn.Module:
    """The network for one forecast; with seven days, 50 steps and one head it has 112 parameters.

    `zero` is where a value of 0 lies in the inputs' units: levels of two days are compared as ratios. Raises ValueError
    for an input that is not [1 + days, T + 3], or for more than one output.
    """
    if len(input_shape) != 2 or input_shape[0] < 2 or input_shape[1] < AHEAD + TAPS:
        raise ValueError(f"day_attention takes [1 + days, T + {AHEAD}] with a day and {TAPS} steps at least, got the "
                         f"input shape {list(input_shape)}")
    if n_classes != 1:
        raise ValueError(f"day_attention gives one forecast, got n_classes={n_classes}")
    return DayAttention(input_shape[0] - 1, input_shape[1] - AHEAD, heads, zero)
