"""Networks of a wanted capacity: the paper's model warehouse (debugging paper, section 4)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from convscope.capacity.bits import Capacity, capacity_bits

VERSION = 1
HALVINGS = 16  # of a factor of 512 between low and high: widths apart by less than a ten-thousandth


@dataclass(frozen=True)
class Sized:
    """The network `model`, of this `width` multiplier, and what it holds."""

    width: float
    model: nn.Module
    capacity: Capacity


def size_to(wanted: float, build: Callable[[float], nn.Module], *, input_shape: Sequence[int], low: float = 1 / 64,
            high: float = 8.0, **options: Any) -> Sized:
    """The network build(width), width in [low, high], whose capacity in bits is nearest to `wanted`, of those tried.

    A bisection on the logarithm of the width. Widths are rounded to whole channels, so that the capacity moves in steps
    and may be missed by one. It stops rising where an image's own neurons bound it: then larger widths hold no more.
    `options` go to `capacity_bits`. Raises ValueError where `wanted` is out of reach, or build(width) fails.
    """
    if not (math.isfinite(wanted) and wanted > 0):
        raise ValueError(f"the wanted capacity must be a number of bits above 0, got {wanted!r}")
    if not 0 < low < high:
        raise ValueError(f"low and high must be widths with 0 < low < high, got {low!r} and {high!r}")

    def total_at(width: float) -> float:
        return capacity_bits(_bare(build, width), input_shape, **options).total

    ends = (low, total_at(low)), (high, total_at(high))
    if not ends[0][1] <= wanted <= ends[1][1]:
        raise ValueError(f"widths from {low:g} to {high:g} hold {ends[0][1]:,.0f} to {ends[1][1]:,.0f} bits, "
                         f"{wanted:,.0f} are wanted; take another family or other widths")
    best = min(ends, key=lambda end: abs(end[1] - wanted))
    below, above = low, high
    for _ in range(HALVINGS):
        width = math.sqrt(below * above)
        total = total_at(width)
        if abs(total - wanted) < abs(best[1] - wanted):
            best = (width, total)
        if total == wanted:
            break
        below, above = (width, above) if total < wanted else (below, width)
    model = _built(build, best[0])
    return Sized(best[0], model, capacity_bits(model, input_shape, **options))


def _bare(build: Callable[[float], nn.Module], width: float) -> nn.Module:
    """The network without weights, however wide; with them where its build reads numbers of them.

    A build that reads a number of a tensor (the rates of stochastic depth) has tensors with numbers, and weights that
    lose theirs as soon as their module has them.
    """
    try:
        with torch.device("meta"):
            return build(width)
    except Exception:  # whatever Python and torch say of a tensor without numbers
        pass
    hook = register_module_parameter_registration_hook(
        _without_numbers)  # pyright: ignore[reportArgumentType]
    try:
        return build(width)
    except Exception:  # as before, of a weight without numbers
        pass
    finally:
        hook.remove()
    return _built(build, width)


def _without_numbers(_: nn.Module, __: str, weight: nn.Parameter) -> nn.Parameter:
    return weight if weight.is_meta else nn.Parameter(weight.detach().to("meta"), weight.requires_grad)


def _built(build: Callable[[float], nn.Module], width: float) -> nn.Module:
    try:
        return build(width)
    except ValueError:
        raise
    except Exception as error:  # a user's own build
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"build(width={width:g}) must give a network, it raises {type(error).__name__}: {said}"
                         ) from error
