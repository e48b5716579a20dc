"""Are attributions for this network? Each is tried on one input, before hours are spent on its training."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from convscope.family import Bound


def run(methods: Iterable[Bound], model: nn.Module, x: Tensor) -> None:
    """Explains class 0 of x [1, ...] by every bound attribution; their own ValueError says what does not apply."""
    target = torch.zeros(len(x), dtype=torch.int64)
    for method in methods:
        method.call(model=model, x=x, target=target, rng=torch.Generator().manual_seed(0))
