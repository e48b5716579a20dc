"""Occlusion sensitivity: how far the score falls where a part of the image is covered (Zeiler and Fergus 2014)."""

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1
KINDS = ("image",)


def attribute(model: nn.Module, x: Tensor, target: Target, *, window: Count = 8, stride: Count = 4, fill: float = 0.0,
              batch_size: Count = 32, score: Score | None = None) -> Tensor:
    """[B, 1, H, W] for x [B, C, H, W]: the mean fall of the score over the windows that cover each place.

    A window of `window` x `window` moves by `stride` and covers all channels with `fill`; the last ones may stand out
    of the image, so that every place is covered. (The lecture: 32 and 2 at 224 pixels.) At most `batch_size` covered
    images are in the model at once. Raises ValueError for a window larger than the image or a stride larger than the
    window, besides what `gradient` raises.
    """
    gradients.counts(window=window, stride=stride)
    with gradients.borrowed(model, score) as network:
        x, target = gradients.checked(network, x, target)
        if x.ndim != 4 or window > max(x.shape[2:]) or stride > window:
            raise ValueError(f"occlusion needs images [B, C, H, W] and stride <= window <= the larger side, got "
                             f"{list(x.shape)}, stride {stride} and window {window}")
        with torch.no_grad():
            inside_QHW = windows(x.shape[2], x.shape[3], window, stride).to(x.device)
            score_B = gradients.in_batches(lambda *part: gradients.scores(network, *part), x, target, batch_size)
            fall_BQ = x.new_empty(len(x), len(inside_QHW))
            for pair in torch.arange(fall_BQ.numel(), device=x.device).split(batch_size):
                sample, place = pair // len(inside_QHW), pair % len(inside_QHW)
                covered = x[sample].masked_fill(inside_QHW[place, None], fill)
                fall_BQ.view(-1)[pair] = score_B[sample] - gradients.scores(network, covered, target[sample], sample)
            weight_QHW = inside_QHW.to(x.dtype)
            total_BHW = torch.einsum("bq,qhw->bhw", fall_BQ, weight_QHW)
            return gradients.finite(total_BHW / weight_QHW.sum(dim=0), "result")[:, None]


def windows(height: int, width: int, window: int, stride: int) -> Tensor:
    """bool [Q, H, W]: the places inside each window, row by row; the last ones of a row or column may be cut."""
    edges = []
    for size in (height, width):
        at = torch.arange(0, max(size - window + stride - 1, 0) // stride * stride + 1, stride)[:, None]
        place = torch.arange(size)
        edges.append((place >= at) & (place < at + window))
    rows_RH, columns_SW = edges
    return (rows_RH[:, None, :, None] & columns_SW[None, :, None, :]).flatten(0, 1)
