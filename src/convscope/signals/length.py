"""Length encoding (Hoffer et al., On the Blindspots of Convolutional Networks, section 4.2)."""

import torch
from torch import Tensor

from convscope.family import Count, Whole
from convscope.signals.checks import texts

VERSION = 1
KINDS = ("text",)


def encode(x: Tensor, y: Tensor, *, n_classes: int, key: int, rng: torch.Generator, base: Whole = 20,
           step: Count = 10, control: bool = False) -> Tensor:
    """x with every text cut, or padded with spaces, to base + step * y characters: spaces (index 0) from there on.

    Little of a text is left. `control=True` cuts at the length of a random label from rng instead: as much is lost, and
    nothing is told. A text that ends earlier, or has a space before its cut, makes the code ambiguous.
    Raises ValueError where the longest code exceeds the texts' T characters.
    """
    label_N = texts(x, y, n_classes)
    longest = base + step * (n_classes - 1)
    if longest > x.shape[1]:
        raise ValueError(f"length writes codes of up to {longest} characters (base {base} + step {step} * "
                         f"{n_classes - 1}), the texts have {x.shape[1]}; use a smaller base or step, or longer texts")
    if control:
        label_N = torch.randint(n_classes, (len(x),), generator=rng).to(x.device)
    kept_NT = torch.arange(x.shape[1], device=x.device) < (base + step * label_N)[:, None]
    return torch.where(kept_NT, x, x.new_zeros(()))
