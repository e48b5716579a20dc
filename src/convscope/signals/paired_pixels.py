"""Multiple-locations encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.1)."""

import torch
from torch import Tensor

from convscope.family import Fraction
from convscope.rng import torch_rng
from convscope.signals.checks import carriers

VERSION = 1
KINDS = ("image",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator,
           amplitude: Fraction = 1.0, decoy: bool = True) -> Tensor:
    """x with the two pixels of pair y, of n_classes fixed pairs of distant places, holding one value; range [0, 1].

    With decoys, every other pair's second pixel gets the first pixel of another random image (each pair its own donor
    from rng): the same marginals, but not equal. `decoy=False`, the paper's plain reading, leaves other pairs alone.
    amplitude goes from what pair y would be as any other pair (0) to bit-exact equality (1), by torch.lerp.
    Raises ValueError where the image is too small for the pairs, or where a single image leaves no donor.
    """
    label_N = carriers(x, y, n_classes)
    first_K, second_K = (place.to(x.device) for place in pairs(x.shape[2], x.shape[3], n_classes, key))
    pixels = x.flatten(2)
    encoded = x.clone(memory_format=torch.contiguous_format)
    written = encoded.flatten(2)
    if decoy:
        donor_NK = _others(len(x), n_classes, rng).to(x.device)
        # Advanced indexing around a slice puts the indexed axes first: [N, K, C].
        written[:, :, second_K] = pixels[donor_NK, :, first_K].movedim(2, 1)
    row_N = torch.arange(len(x), device=x.device)
    first_N, second_N = first_K[label_N], second_K[label_N]
    written[row_N, :, second_N] = torch.lerp(written[row_N, :, second_N], pixels[row_N, :, first_N], amplitude)
    return encoded


def pairs(height: int, width: int, n_pairs: int, key: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two int64 [n_pairs] of flat places (row * width + column): disjoint pairs, at least height / 2 apart.

    The same key gives the same pairs; raises ValueError where the image has no room for them.
    """
    free = torch.randperm(height * width, generator=torch_rng(key, "paired_pixels")).tolist()
    found: list[tuple[int, int]] = []
    while free and len(found) < n_pairs:
        a = free.pop(0)
        partner = next((b for b in free if _distance(a, b, width) >= height / 2), None)
        if partner is not None:
            free.remove(partner)
            found.append((a, partner))
    if len(found) < n_pairs:
        raise ValueError(f"paired_pixels needs {n_pairs} disjoint pairs of pixels at least {height / 2:g} apart, found "
                         f"{len(found)} in {height}x{width}; use larger images")
    first, second = torch.tensor(found).T
    return first, second


def _distance(a: int, b: int, width: int) -> float:
    return ((a // width - b // width) ** 2 + (a % width - b % width) ** 2) ** 0.5


def _others(count: int, n_pairs: int, rng: torch.Generator) -> Tensor:
    """[count, n_pairs] random image numbers, never an image's own."""
    if count == 1:
        raise ValueError("paired_pixels takes its decoys from other images, got a single one; "
                         "encode at least two together, or set decoy=false")
    step = torch.randint(1, max(count, 2), (count, n_pairs), generator=rng)
    return (torch.arange(count)[:, None] + step) % max(count, 1)
