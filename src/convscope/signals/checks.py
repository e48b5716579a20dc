"""What every signal asks of its carriers and labels."""

import torch
from torch import Tensor


def carriers(x: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """The labels as int64 on the carriers' device; raises ValueError where x or y is not what a signal can encode.

    x must be float32 [N, C, H, W]; y must hold N whole numbers in 0..n_classes - 1.
    """
    if x.dtype != torch.float32 or x.ndim != 4:
        raise ValueError(f"x must be float32 [N, C, H, W], got {_kind(x)}; scale the pixels to [0, 1] first")
    return _labels(x, y, n_classes, "image")


def texts(x: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """As `carriers`, for texts: x must be uint8 [N, T], the characters' indices in the alphabet."""
    if x.dtype != torch.uint8 or x.ndim != 2:
        raise ValueError(f"x must be uint8 [N, T], got {_kind(x)}; give the characters' indices in the alphabet")
    return _labels(x, y, n_classes, "text")


def rows(x: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """As `carriers`, for tables: x must be float32 [N, D]."""
    if x.dtype != torch.float32 or x.ndim != 2:
        raise ValueError(f"x must be float32 [N, D], got {_kind(x)}; convert the columns to numbers")
    return _labels(x, y, n_classes, "row")


def windows(x: Tensor, y: Tensor, n_classes: int) -> Tensor:
    """As `carriers`, for windows of a series: x must be float32 [N, C, T]."""
    if x.dtype != torch.float32 or x.ndim != 3:
        raise ValueError(f"x must be float32 [N, C, T], got {_kind(x)}; convert the values to numbers")
    return _labels(x, y, n_classes, "window")


def _labels(x: Tensor, y: Tensor, n_classes: int, sample: str) -> Tensor:
    if y.is_floating_point() or y.dtype == torch.bool or y.shape != x.shape[:1]:
        raise ValueError(f"y must be whole numbers [{len(x)}], one per {sample}, got {_kind(y)}")
    if len(y) and (int(y.min()) < 0 or int(y.max()) >= n_classes):
        raise ValueError(f"labels must be in 0..{n_classes - 1}, got {int(y.min())}..{int(y.max())}; "
                         f"check n_classes={n_classes} against the data")
    return y.to(x.device, torch.int64)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
