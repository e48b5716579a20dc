"""A sampler for torch's DataLoader that draws every class as often as the others: resampling for ConvNets."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

VERSION = 1


class BalancedSampler(Sampler[int]):
    """Draws `num_samples` indices of the labels y [N] with replacement, anew at each pass.

    A class of n_k samples is drawn in proportion to n_k^(1 - power): power 1 balances, 0 leaves the data as they are.
    Passes follow from `generator` alone. Raises ValueError for labels or numbers that cannot be used.
    """

    def __init__(self, y: Tensor, *, generator: torch.Generator, num_samples: int | None = None,
                 power: float = 1.0) -> None:
        if y.ndim != 1 or not len(y) or y.is_floating_point():
            raise ValueError(f"y must be whole numbers [N], one per sample, got {y.dtype} {list(y.shape)}")
        if not 0 <= power <= 1:
            raise ValueError(f"power must be between 0 (as they are) and 1 (balanced), got {power}")
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        _, index, count = y.unique(return_inverse=True, return_counts=True)
        self.weights = (count.double() ** -power)[index]
        self.num_samples = len(y) if num_samples is None else num_samples
        self.generator = generator

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        drawn = torch.multinomial(self.weights, self.num_samples, replacement=True, generator=self.generator)
        yield from drawn.tolist()
