"""A network with what it needs to be used alone: input shape, class names, the carriers' statistics or alphabet."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """Logits [B, K] of pixels: network((x - mean) / std), or network(x) without statistics.

    Everything outside (signals, attacks, attributions) speaks pixels in [0, 1]. mean and std are buffers and lie in the
    state_dict; input_shape and class_names are attributes. The network's dtype is the input's: float32, or float64
    after `.double()`. With an `alphabet`, inputs are texts instead: uint8 [B, T] indices of its characters.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, network: nn.Module, *, input_shape: Sequence[int], class_names: Sequence[str],
                 mean: Tensor | Sequence[float] | None = None, std: Tensor | Sequence[float] | None = None,
                 alphabet: str = "") -> None:
        super().__init__()
        self.network = network
        self.input_shape = tuple(int(size) for size in input_shape)
        self.class_names = tuple(class_names)
        self.alphabet = alphabet
        if alphabet and mean is not None:
            raise ValueError("texts are not normalised: give an alphabet, or mean and std, not both")
        if (mean is None) != (std is None):
            raise ValueError("mean and std come together: give both, or neither for raw pixels")
        self.register_buffer("mean", None if mean is None else self._per_channel("mean", mean))
        self.register_buffer("std", None if std is None else self._per_channel("std", std))
        if self.std is not None and not bool((self.std > 0).all()):
            raise ValueError(f"std must be above 0 in every channel, got {self.std.tolist()}; "
                             "a channel without variation cannot be normalised")

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    def forward(self, x: Tensor) -> Tensor:
        dtype = next((p.dtype for p in self.network.parameters()), torch.float32) if not self.alphabet else torch.uint8
        if x.dtype != dtype or tuple(x.shape[1:]) != self.input_shape or x.ndim != len(self.input_shape) + 1:
            raise ValueError(f"expected {_word(dtype)} inputs [B, {', '.join(map(str, self.input_shape))}], got "
                             f"{_word(x.dtype)} {list(x.shape)}")
        logits_BK = self.network(self._normalised(x))
        if logits_BK.shape != (len(x), self.n_classes):
            raise ValueError(f"the network must return logits [B, {self.n_classes}], one for each class name, got "
                             f"{list(logits_BK.shape)} for {len(x)} inputs")
        return logits_BK

    @torch.no_grad()
    def adapt(self, x: Tensor) -> None:
        """Lets a network that asks for it (with a method adapt) see the training inputs once, before training."""
        adapt = getattr(self.network, "adapt", None)
        if adapt is not None:
            adapt(self._normalised(x))

    def _normalised(self, x: Tensor) -> Tensor:
        if self.mean is None or self.std is None:
            return x
        shape = (-1, *[1] * (len(self.input_shape) - 1))
        return (x - self.mean.view(shape)) / self.std.view(shape)

    def _per_channel(self, name: str, values: Tensor | Sequence[float]) -> Tensor:
        tensor = torch.as_tensor(values, dtype=torch.float32).clone()
        if tensor.shape != self.input_shape[:1] or not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} must be {self.input_shape[0]} finite numbers, one per channel, "
                             f"got {tensor.tolist()}")
        return tensor


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
