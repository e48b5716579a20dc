"""Does an attribution lie where the evidence is known to lie? (Arras et al. 2022, CLEVR-XAI; Zhang et al. 2018)

A heatmap is [N, H, W], at least 0 and larger where more matters; a mask, bool [N, H, W], is true where evidence is.
Ties count by expectation, so that a map that says nothing scores what chance would.
"""

import numpy as np


def heatmap(attribution: np.ndarray) -> np.ndarray:
    """[N, H, W] of attributions [N, C, H, W]: absolute values, summed over channels (evidence for or against)."""
    return np.abs(np.asarray(attribution, dtype=np.float64)).sum(axis=1)


def mass_accuracy(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[N]: the share of each map's total that lies on the evidence; of an empty map the evidence's share of places."""
    flat, inside = _checked(heat, mask)
    total = flat.sum(axis=1)
    on = (flat * inside).sum(axis=1)
    return np.where(total > 0, on / np.where(total > 0, total, 1), inside.mean(axis=1))


def rank_accuracy(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[N]: of the K hottest places, K the number of places with evidence, the share that has evidence."""
    flat, inside = _checked(heat, mask)
    return _among_hottest(flat, inside, inside.sum(axis=1))


def pointing_game(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[N]: 1 where the hottest place has evidence, else 0."""
    flat, inside = _checked(heat, mask)
    return _among_hottest(flat, inside, np.ones(len(flat), dtype=np.int64))


def _among_hottest(flat: np.ndarray, inside: np.ndarray, k: np.ndarray) -> np.ndarray:
    """[N]: the expected share of evidence among the k hottest places, equally hot ones drawn at random."""
    least = np.take_along_axis(np.sort(flat, axis=1)[:, ::-1], k[:, None] - 1, axis=1)
    above, tied = flat > least, flat == least
    drawn = (k - above.sum(axis=1)) / tied.sum(axis=1)
    return ((above & inside).sum(axis=1) + drawn * (tied & inside).sum(axis=1)) / k


def _checked(heat: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    heat, mask = np.asarray(heat), np.asarray(mask)
    if heat.ndim != 3 or mask.shape != heat.shape or mask.dtype != bool:
        raise ValueError(f"expected maps [N, H, W] and masks of the same shape, true or false, got {list(heat.shape)} "
                         f"and {mask.dtype} {list(mask.shape)}")
    flat, inside = heat.reshape(len(heat), -1).astype(np.float64), mask.reshape(len(mask), -1)
    if not np.isfinite(flat).all() or (flat < 0).any():
        raise ValueError("heat must be finite and at least 0: take heatmap(attribution) first")
    if not inside.any(axis=1).all():
        empty = int((~inside.any(axis=1)).argmax())
        raise ValueError(f"every mask must have evidence somewhere, number {empty} has none; leave it out")
    return flat, inside
