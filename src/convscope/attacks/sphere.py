"""Is an adversarial example a rare direction? Labels on the sphere around an image (Fleuret's lecture)."""

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.attacks import checks
from convscope.family import Count, Positive
from convscope.outputs import Score

VERSION = 1


def labels_changed(model: nn.Module, x: Tensor, x_adv: Tensor, *, rng: torch.Generator, n: Count = 1000,
                   factor: Positive = 2.0, batch_size: Count = 250,
                   score: Score | None = None) -> Tensor:
    """[B], each in [0, 1]: the share of `n` points around x [B, ...] whose predicted label is not that of x.

    The points are drawn uniformly on the sphere around x whose radius is `factor` times the Euclidean distance from x
    to x_adv; they are not clipped, so they may leave [0, 1]. (Where x_adv is x the radius is 0, and so is the share.)
    At most `batch_size` points are in the model at once. Raises ValueError for settings out of range, an x_adv that is
    not like x or not finite, and what `gradients.checked` refuses.
    """
    checks.counts(n=n, batch_size=batch_size)
    checks.above_zero(factor=factor)
    with gradients.borrowed(model, score) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0)
        if not isinstance(x_adv, Tensor) or (x_adv.shape, x_adv.dtype, x_adv.device) != (x.shape, x.dtype, x.device):
            found = f"{x_adv.dtype} {list(x_adv.shape)}" if isinstance(x_adv, Tensor) else type(x_adv).__name__
            raise ValueError(f"x_adv must be like x, {x.dtype} {list(x.shape)} on {x.device}, got {found}; give the "
                             "attack's result for this x")
        radius = factor * (x_adv - x).flatten(1).norm(dim=1)
        if not bool(radius.isfinite().all()):
            raise ValueError("x_adv must be finite, got NaN or infinity; attack with a smaller step, or within bounds")
        label = torch.cat([gradients.class_scores(network, part, i * batch_size).argmax(dim=1)
                           for i, part in enumerate(x.split(batch_size))])
        changed = torch.zeros_like(radius)
        for sample in torch.arange(len(x), device=x.device).repeat_interleave(n).split(batch_size):
            points = _on_sphere(x[sample], radius[sample], rng)
            other = gradients.class_scores(network, points, sample).argmax(dim=1) != label[sample]
            changed.index_add_(0, sample, other.to(changed.dtype))
        return changed / n


def _on_sphere(centre: Tensor, radius: Tensor, rng: torch.Generator) -> Tensor:
    """Like centre [P, ...]: one point around each, drawn uniformly at its distance radius [P]."""
    # One by one: torch draws other numbers where several are asked for at once.
    noise = torch.stack([torch.randn(centre.shape[1:], generator=rng, dtype=centre.dtype, device=rng.device)
                         for _ in range(len(centre))]).to(centre.device)
    scale = radius / noise.flatten(1).norm(dim=1)  # a Gaussian vector's direction is uniform
    return torch.addcmul(centre, noise, scale.view(-1, *[1] * (centre.ndim - 1)))
