"""What attacks refuse: settings out of range, and images outside their bounds."""

import math

from torch import Tensor


def counts(**values: int) -> None:
    """Raises ValueError for the first of the named values that is below 1."""
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}; give a whole number from 1 on")


def above_zero(**values: float) -> None:
    """Raises ValueError for the first of the named values that is no finite number above 0."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0, got {value}; give a small positive one")


def fraction(**values: float) -> None:
    """Raises ValueError for the first of the named values that is not in [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}; give a share, not per cent")


def budget(eps: float) -> None:
    """Raises ValueError for a budget that is no finite number from 0 on."""
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be a number, at least 0, got {eps}; give the largest change on the scale of x")


def bounds(x: Tensor, bounds: tuple[float, float]) -> None:
    """Raises ValueError for bounds that are not (lowest, highest), and for an x that has values outside them."""
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(f"bounds must be (lowest, highest) value of a pixel, got {tuple(bounds)}; for images (0, 1)")
    low, high = float(x.min()), float(x.max())
    if low < bounds[0] or high > bounds[1]:
        raise ValueError(f"x must be within the bounds [{bounds[0]:g}, {bounds[1]:g}], got [{low:.3f}, {high:.3f}]; "
                         "give images that are not normalised (the model normalises inside), or other bounds")
