"""Batches of tensors that already lie on the device: no worker processes, and an order that needs no memory."""

from collections.abc import Iterator

import torch
from torch import Tensor

from convscope.rng import torch_rng


class DeviceBatches:
    """Iterates over one epoch of (step, x [B, ...], y [B]); the order is a pure function of (seed, step).

    Every epoch is a new permutation. With n >= batch_size its tail is dropped (another one each time), else all n
    samples are the one batch of an epoch. `step` is the next global step; the last epoch ends early at `iterations`.
    """

    def __init__(self, x: Tensor, y: Tensor, *, batch_size: int, iterations: int, seed: int,
                 channels_last: bool = False) -> None:
        # Stored as NHWC, a batch is gathered in whole rows, and stays channels_last, which index_select would undo.
        self._x = x.permute(0, 2, 3, 1).contiguous() if channels_last else x.contiguous()
        self._y, self._channels_last = y, channels_last
        self.batch_size, self.iterations, self.seed = min(batch_size, len(x)), iterations, seed
        self.step = 0

    def __len__(self) -> int:
        return len(self._x) // self.batch_size

    @property
    def epoch(self) -> int:
        """The epoch, from 0, of the next step."""
        return self.step // len(self)

    @property
    def epochs(self) -> int:
        return -(-self.iterations // len(self))

    def order(self, epoch: int) -> Tensor:
        """The permutation [N] of an epoch, drawn on the CPU, so that every device sees the same batches."""
        return torch.randperm(len(self._x), generator=torch_rng(self.seed, "batches", epoch))

    def batch(self, step: int, order: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(x [B, ...], y [B]) of a global step; `order` is its epoch's, where it is at hand."""
        epoch, position = divmod(step, len(self))
        order = self.order(epoch) if order is None else order
        rows = order[position * self.batch_size:(position + 1) * self.batch_size].to(self._x.device)
        x = self._x.index_select(0, rows)
        return x.permute(0, 3, 1, 2) if self._channels_last else x, self._y.index_select(0, rows)

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        epoch = self.epoch
        order = self.order(epoch).to(self._x.device)
        while self.step < min((epoch + 1) * len(self), self.iterations):
            step = self.step
            x, y = self.batch(step, order)
            self.step += 1
            yield step, x, y
