"""The fast gradient sign method (Goodfellow et al. 2015)."""

from torch import Tensor, nn

from convscope import gradients
from convscope.attacks import checks, loss
from convscope.family import Count, NonNegative
from convscope.gradients import Target

VERSION = 1


def attack(model: nn.Module, x: Tensor, y: Target, *, eps: NonNegative = 0.03137254901960784,
           bounds: tuple[float, float] = (0.0, 1.0), batch_size: Count = 128) -> Tensor:
    """Like x [B, ...]: every value moved by `eps` to where the cross-entropy of label y grows, clipped to the bounds.

    `eps` is on the scale of x, 8/255 by default; a value whose gradient is exactly 0 stays. Raises ValueError for an
    eps below 0, bounds that are reversed or that x is not within, and what `gradients.checked` refuses.
    """
    checks.budget(eps)
    with gradients.borrowed(model) as network:
        x, y = gradients.checked(network, x, y)
        checks.bounds(x, bounds)

        def moved(x: Tensor, y: Tensor) -> Tensor:
            return (x + eps * loss.gradient(network, x, y).sign()).clamp(*bounds)  # Goodfellow 2015, section 4

        return gradients.in_batches(moved, x, y, batch_size)
