"""Influence (Siddiqui et al. 2019, TSViz, section 3.2): what each filter does to the output, each input to a filter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import gradients
from convscope.family import Count
from convscope.features.live_taps import BEHIND, named, run
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1
AT = ("preactivation", "activation")


@dataclass(frozen=True, eq=False)
class Influence:
    """Of one layer, on the CPU: gradient and activation [B, F, ...positions], the place looked at in every input."""

    gradient: Tensor
    activation: Tensor

    @property
    def profile(self) -> Tensor:
        """[B, F, ...]: |gradient|, how much each position of a filter moves the output."""
        return self.gradient.abs()

    @property
    def raw(self) -> Tensor:
        """[B, F]: a filter's |gradient|, summed over its positions."""
        return _flat(self.profile).sum(dim=2)  # eq. 12

    @property
    def scaled(self) -> Tensor:
        """[B, F] in 0..1: `raw`, min-max scaled within the layer for each input; 0 where all filters are equal."""
        low, high = self.raw.aminmax(dim=1, keepdim=True)
        span = high - low
        return torch.where(span > 0, (self.raw - low) / span, 0.0)  # eq. 16


def filter_influence(model: nn.Module, x: Tensor, *, target: Target | None = None, layers: Sequence[str] | None = None,
                     at: str = "preactivation", batch_size: Count = 256,
                     score: Score | None = None) -> dict[str, Influence]:
    """Name -> the gradient of the output for each layer's output z, in the order in which the layers run (eq. 11).

    x [B, ...] is what the model takes, or uint8 [B, T] for a network of texts. The output explained is `target`, one
    number for all or int64 [B]; None is the only output of a forecaster and the predicted class of a classifier.
    `layers` are modules that run once and give [B, F, ...] (default: every Conv1d and Conv2d that does). With
    at="activation" it is the gradient for the output of the first ReLU, bounded or not (`relus.Watch`), that torch
    calls after the layer and before the next one, as the authors' code takes it: filters that are dead, and have none
    for z, then get some. A layer without such a ReLU is looked at as it is. Where the output does not depend on a
    layer, the gradient is 0.

    One forward and one backward pass for each batch. The model is in eval mode meanwhile and the same afterwards.
    Raises ValueError for other layers, inputs, targets or models, where scores are not finite, and at="activation"
    where a layer's output is cut at 0 in a way that cannot be told from a ReLU.
    """
    with gradients.borrowed(model, score) as network:
        x, classes_B = gradients.checked(network, x, 0 if target is None else target, texts=True)
        return _influence(network, x, lambda score_BK, part: _explained(
            score_BK, None if target is None else classes_B[part]), layers, at, batch_size)


def loss_influence(model: nn.Module, x: Tensor, y: Tensor, *, layers: Sequence[str] | None = None,
                   at: str = "preactivation", loss: Callable[[Tensor, Tensor], Tensor] | None = None,
                   batch_size: Count = 256, score: Score | None = None) -> dict[str, Influence]:
    """As `filter_influence`, of each input's loss: what would change an error, not an output.

    The loss is the squared error where y is a float [B], which takes a model with one output, and the cross-entropy
    where it is int64 [B]; or `loss(score_BK, y_B)`, which gives [B], one number for each input.
    """
    with gradients.borrowed(model, score) as network:
        x, _ = gradients.checked(network, x, 0, texts=True)
        if not isinstance(y, Tensor) or y.shape != x.shape[:1] or not bool(y.isfinite().all()):
            found = f"{_kind(y)}" if isinstance(y, Tensor) else type(y).__name__
            raise ValueError(f"y must be finite [{len(x)}], one value or class for each input, got {found}")

        def lost(score_BK: Tensor, part: slice) -> Tensor:
            loss_B = (loss or _loss)(score_BK, y[part].to(score_BK.device))
            if loss_B.shape != score_BK.shape[:1]:
                raise ValueError(f"the loss must be [{len(score_BK)}], one number for each input, got "
                                 f"{list(loss_B.shape)}; take reduction='none'")
            return loss_B

        return _influence(network, x, lost, layers, at, batch_size)


def input_saliency(model: nn.Module, x: Tensor, *, target: Target | None = None, layer: str | None = None,
                   filter: int | None = None, batch_size: Count = 256,
                   score: Score | None = None) -> Tensor:
    """Like x: |gradient| with respect to the input of the output or, with layer and filter, of what one filter holds.

    The output is `target`, as in `filter_influence`. A filter is the sum over its positions of a^d (eq. 13-15), its
    activation after the ReLU that follows, so that only positions where it is active count; without such a ReLU, of
    the layer's output. Raises ValueError for texts, whose characters have no gradient, besides what that one raises.
    """
    if (layer is None) != (filter is None) or (layer is not None and target is not None):
        raise ValueError("give a layer with a filter of it, or a target, or neither for the model's own choice, got "
                         f"layer={layer!r}, filter={filter!r}, target={target!r}")
    if isinstance(x, Tensor) and x.dtype == torch.uint8 and x.ndim == 2:
        raise ValueError(f"a text's characters have no gradient, got {_kind(x)}; for the output take "
                         "convscope.attribution.character_gradient")
    saliency = []
    with gradients.borrowed(model, score) as network:
        x, classes_B = gradients.checked(network, x, 0 if target is None else target)
        for part in _parts(x, batch_size):
            leaf = x[part].detach().requires_grad_()
            # A copy: a network may begin with a ReLU in place, which a leaf does not take.
            score_BK, taken = run(network, leaf.clone(), [] if layer is None else [layer], BEHIND)
            if layer is None or filter is None:
                wanted = _explained(score_BK, None if target is None else classes_B[part])
            else:
                if not 0 <= filter < taken[layer].shape[1]:
                    raise ValueError(f"{layer} has the filters 0..{taken[layer].shape[1] - 1}, got {filter}")
                wanted = taken[layer][:, filter]
            found = gradients.slopes(network, wanted, [leaf])[0]
            if found is None:
                raise ValueError(f"{layer or 'the output'} does not depend on the input in torch's graph: the model "
                                 "must not detach it")
            saliency.append(gradients.finite(found, "gradient", part.start).abs())  # eq. 15
    return torch.cat(saliency)


def dead(model: nn.Module, x: Tensor, *, layers: Sequence[str] | None = None,
         batch_size: Count = 256, score: Score | None = None) -> dict[str, Tensor]:
    """Name -> bool [B, F] on the CPU: filters whose activation, after the ReLU, is 0 at every position of an input.

    x and layers are those of `filter_influence`, and what is raised is the same. Any other activation is as good as a
    ReLU here; a layer without one is judged by its output.
    """
    found: dict[str, list[Tensor]] = {}
    with gradients.borrowed(model, score) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0, texts=True)
        names = named(network, layers)
        for part in _parts(x, batch_size):
            for name, activation in run(network, x[part], names, (*BEHIND, "other"),
                                        strict=layers is not None)[1].items():
                found.setdefault(name, []).append((_flat(activation) == 0).all(dim=2).cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


def by_percentile(importance: Tensor, percentile: float) -> Tensor:
    """bool, like importance [..., F]: the entries at or above the percentile of their row, by rank.

    0 keeps all, 100 the highest alone; equal entries are kept or left together. Raises ValueError for a percentile that
    is not in 0..100, and for importances that are NaN or none.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must be in 0..100, got {percentile}")
    if not importance.ndim or not importance.shape[-1] or bool(importance.isnan().any()):
        raise ValueError(f"importance must be [..., F] with at least one entry and without NaN, got {_kind(importance)}"
                         f" with {int(importance.isnan().sum())} NaN")
    # Of F ranks 0..F-1, the first that is not below the percentile; the product first, for whole numbers stay exact.
    rank = -int(-(percentile * (importance.shape[-1] - 1) / 100) // 1)
    return importance >= importance.sort(dim=-1).values[..., rank, None]


def _influence(network: nn.Module, x: Tensor, explained: Callable[[Tensor, slice], Tensor],
               layers: Sequence[str] | None, at: str, batch_size: int) -> dict[str, Influence]:
    """Of a borrowed network: the gradients of `explained(score_BK, part)` [B] for all layers."""
    if at not in AT:
        raise ValueError(f"at must be one of {', '.join(AT)}, got {at!r}")
    names = named(network, layers)
    found: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for part in _parts(x, batch_size):
        score_BK, taken = run(network, x[part], names, BEHIND if at == AT[1] else (), strict=layers is not None)
        # In eval mode an input's score depends on no other input, so the sum keeps them apart.
        total = explained(score_BK, part).sum()
        if not total.requires_grad:
            raise ValueError(f"the output does not depend on {', '.join(taken)} in torch's graph: name other layers")
        slopes = gradients.slopes(network, total, list(taken.values()))  # eq. 11
        for (name, activation), slope in zip(taken.items(), slopes, strict=True):
            slope = torch.zeros_like(activation) if slope is None else gradients.finite(slope, "gradient", part.start)
            found.setdefault(name, []).append((slope.cpu(), activation.detach().cpu()))
    return {name: Influence(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
            for name, parts in found.items()}


def _explained(score_BK: Tensor, target: Tensor | None) -> Tensor:
    """[B]: each input's score of its target; without targets, of the class predicted or the only output."""
    if target is None:
        target = score_BK.argmax(dim=1)
    if int(target.max()) >= score_BK.shape[1]:
        raise ValueError(f"targets must be in 0..{score_BK.shape[1] - 1}, one of the model's outputs, got "
                         f"{int(target.max())}")
    return score_BK.gather(1, target[:, None].to(score_BK.device))[:, 0]


def _loss(score_BK: Tensor, y: Tensor) -> Tensor:
    n_outputs = score_BK.shape[1]
    if y.is_floating_point() and n_outputs == 1:
        return (score_BK[:, 0] - y.to(score_BK.dtype)) ** 2
    if y.dtype != torch.int64 or n_outputs == 1 or not 0 <= int(y.min()) <= int(y.max()) < n_outputs:
        wanted = "a float [B]" if n_outputs == 1 else f"int64 [B] classes in 0..{n_outputs - 1}"
        seen = "" if y.is_floating_point() else f" of {int(y.min())}..{int(y.max())}"
        raise ValueError(f"y must be {wanted} for a model with {n_outputs} outputs, got {_kind(y)}{seen}; or give a "
                         "loss of your own")
    return functional.cross_entropy(score_BK, y, reduction="none")


def _parts(x: Tensor, batch_size: int) -> Iterator[slice]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    return (slice(start, start + batch_size) for start in range(0, len(x), batch_size))


def _flat(tensor: Tensor) -> Tensor:
    """[B, F, P], whatever the positions; P is 1 where there are none."""
    return tensor.reshape(*tensor.shape[:2], -1)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
