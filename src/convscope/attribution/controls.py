"""Maps that know no network: what an attribution has to be better than."""

import torch
from torch import Tensor
from torch.nn import functional


def edges(x: Tensor) -> Tensor:
    """Like x [B, C, H, W]: the length of the image's gradient, by central differences."""
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return torch.hypot(padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1],
                       padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2])


def chance(x: Tensor, *, rng: torch.Generator) -> Tensor:
    """Like x: uniform in [0, 1)."""
    return torch.rand(x.shape, generator=rng)
