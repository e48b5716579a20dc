"""Seeds to generators, by name: nothing in convscope draws from global state.

One run has one seed; every use of randomness derives its own stream from it by a name (`numpy_rng(seed, "subset")`), so
that adding a use changes no other one.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for the stream called `names` of the run with this seed."""
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    return np.random.default_rng(derive(seed, *names))


def torch_rng(seed: int, *names: str | int) -> "torch.Generator":
    """A CPU generator; draw on the CPU and move, so that CPU and GPU runs use the same numbers."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Seeds torch's global generators inside the block and restores them after it.

    For what torch itself draws from global state only: initial weights and dropout.
    """
    import torch

    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(seed, *names))
        yield
