"""The fast gradient sign method (Goodfellow et al. 2015)."""

from torch import Tensor, nn

from convscope import gradients
from convscope.attacks import checks, loss
from convscope.family import Count, NonNegative
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1


def attack(model: nn.Module, x: Tensor, y: Target, *, eps: NonNegative = 0.03137254901960784,
           bounds: tuple[float, float] = (0.0, 1.0), batch_size: Count = 128,
           score: Score | None = None) -> Tensor:
    """Like x [B, ...]: every value moved by `eps` to where the cross-entropy of label y grows, clipped to the bounds.

    `eps` is on the scale of x, 8/255 by default; a value whose gradient is exactly 0 stays. `score` says
    where in the model's output the scores are, if it is not [B, K] itself: a key, a place, or a function of it, such as
    `convscope.outputs.sigmoid` for a model with one logit. Raises ValueError for an
    eps below 0, bounds that are reversed or that x is not within, and what `gradients.checked` refuses.
    """
    checks.budget(eps)
    with gradients.borrowed(model, score) as network:
        x, y = gradients.checked(network, x, y)
        checks.bounds(x, bounds)

        def moved(x: Tensor, y: Tensor, at: int) -> Tensor:
            return (x + eps * loss.gradient(network, x, y, at).sign()).clamp(*bounds)  # Goodfellow 2015, section 4

        return gradients.in_batches(moved, x, y, batch_size)
