"""Smaller networks: filters removed, with all weights that only they used (TSViz, section 6; Li et al. 2017)."""

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.features import links
from convscope.features.choice import at_random as at_random
from convscope.features.choice import indices
from convscope.features.choice import least_important as least_important
from convscope.features.choice import outside_representatives as outside_representatives
from convscope.features.links import LAYERS, NORMS, Link
from convscope.outputs import Score

VERSION = 1
FEW = 16          # inputs on which a smaller network is checked
TOLERANCE = 1e-6  # of the largest output: what counts as lossless


def remove(model: nn.Module, x: Tensor, filters: Mapping[str, Sequence[int]], *,
           score: Score | None = None) -> nn.Module:
    """A copy of the model without these filters: smaller tensors, no masks. The model itself stays as it is.

    `filters` maps a layer's name (Conv1d, Conv2d, or Linear for hidden units) to the output channels that go; with them
    go the weights of the next layer, and of a batch norm between, that read only them. The copy gives what the model
    gives where the next layer reads 0 in their place. So a filter that is 0 for all inputs goes without loss; one that
    reaches the next layer as a constant (by a batch norm after its ReLU) does not, since no constant is folded into the
    next bias: with padding it would be wrong at the borders.
    x [N, ...] is what the model takes, or texts uint8 [N, T]; one input is enough. Which weights read which filter is
    found by running it, for any flattening, pooling or dropout between; each copy is compared with the model on up to
    16 inputs. Raises ValueError for names and indices that there are not, for a whole layer, and for a layer whose
    filters do not go to one other layer, each to places of its own (sums, several readers, layers that run twice, norms
    over channels).
    """
    with gradients.borrowed(model, score) as network, torch.no_grad():
        x = gradients.checked(network, x, 0, texts=True)[0][:FEW]
        lost = {name: found for name, which in filters.items() if (found := _indices(network, name, which))}
        owners, readers = _read(network, x[:1], lost)
    gone = {name: torch.isin(owner, torch.tensor(which)) for name, (owner, which) in owners.items()}
    small = copy.deepcopy(network)  # behind the loan: trainable and in the mode of the model
    for name, which in lost.items():
        _cut(small.get_submodule(name), 0, torch.isin(torch.arange(links.count(small, name)), torch.tensor(which)))
    for name, inputs in gone.items():
        module = small.get_submodule(name)
        _cut(module, 0 if isinstance(module, NORMS) else 1, inputs)
    _check(network, small, x, {name: gone[name] for name in readers}, ", ".join(lost), score)
    return small


def dead_filters(model: nn.Module, x: Tensor, *, batch_size: int = 256,
                 score: Score | None = None) -> dict[str, list[int]]:
    """For each convolution, in the order in which they run, its filters that are dead: 0 for all of x [N, ...].

    A filter counts by what the next layer reads of it, so behind the ReLU, pooling and batch norm that follow: for
    Conv -> ReLU it is dead where its pre-activation is at most 0 at every position of every input. What pooling drops
    does not count. Where filters cannot be followed (sums, several readers), only one whose own output is 0 is dead.
    Raises ValueError for inputs that the model does not take.
    """
    return _dead(model, x, batch_size, score)[0]


def lossless(model: nn.Module, x: Tensor, *, batch_size: int = 256,
             score: Score | None = None) -> tuple[nn.Module, dict[str, list[int]]]:
    """The model without the filters that are dead on all of x, and which these were; one at least stays in a layer.

    Filters that `remove` would refuse stay. The outputs for x are equal to 1e-6 of the largest; where rounding alone
    could be more, both networks are compared in float64. Raises ValueError where they differ.
    """
    dead, removable = _dead(model, x, batch_size, score)
    kept = {name: which[len(which) == links.count(model, name):] for name, which in dead.items() if name in removable}
    lost = {name: which for name, which in kept.items() if which}
    small = remove(model, x, lost, score=score)
    off = _difference(model, small, x, batch_size, TOLERANCE, {}, score)
    if not off <= TOLERANCE:
        raise ValueError(f"without its dead filters {type(model).__name__} must give the same outputs to {TOLERANCE:g} "
                         f"of the largest, they differ by {off:.3g}; does it give the same for the same input?")
    return small, lost


def parameters(model: nn.Module) -> int:
    """How many numbers the model learns, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _read(network: nn.Module, x: Tensor, lost: Mapping[str, list[int]]) -> tuple[
        dict[str, tuple[Tensor, list[int]]], list[str]]:
    """Of what reads these filters, layers and norms: to which each input belongs, and which go; and the layers."""
    found = links.find(network, x)
    owners, readers = {}, []
    for name, which in lost.items():
        link = found.get(name, f"{name} does not run for this input: its filters can be left as they are")
        if isinstance(link, str):
            raise ValueError(link)
        owners |= {other: (owner, which) for other, owner in link.owner.items()}
        readers.append(link.reader)
    return owners, readers


def _indices(network: nn.Module, name: str, which: Sequence[int]) -> list[int]:
    module = gradients.layer(network, name)
    if not isinstance(module, LAYERS):
        raise ValueError(f"{name} is a {type(module).__name__}, filters can be removed from Conv1d, Conv2d and Linear; "
                         "name the layer that makes them")
    found = indices(f"filters of {name}", which, links.count(network, name))
    if len(found) == links.count(network, name):
        raise ValueError(f"all {len(found)} filters of {name} would go, nothing would be left to read; keep at least "
                         "one")
    return found


def _cut(module: nn.Module, axis: int, gone: Tensor) -> None:
    """Takes outputs (axis 0) or inputs (axis 1) of a layer, or channels of a norm (axis 0), out of its tensors."""
    kept = (~gone).nonzero()[:, 0]
    for key in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(module, key, None)
        if tensor is not None and tensor.ndim > axis:
            less = tensor.detach().index_select(axis, kept.to(tensor.device))
            trained = isinstance(tensor, nn.Parameter)
            setattr(module, key, nn.Parameter(less, tensor.requires_grad) if trained else less)
    sizes = ("num_features",) if isinstance(module, NORMS) else (
        "out_features", "in_features") if isinstance(module, nn.Linear) else ("out_channels", "in_channels")
    setattr(module, sizes[axis], len(kept))


def _without(network: nn.Module, x: Tensor, gone: Mapping[str, Tensor]) -> Tensor:
    """The outputs where these layers read 0 in these channels: what a network without them must give."""
    def zeroed(name: str, read: Tensor) -> Tensor:
        return read.movedim(links.axis(network, name), -1).masked_fill(gone[name].to(read.device), 0).movedim(
            -1, links.axis(network, name))
    with links.touched(network, gone, before=zeroed):
        return gradients.logits(network, x)


def _check(model: nn.Module, small: nn.Module, x: Tensor, gone: Mapping[str, Tensor], names: str,
           score: Score | None) -> None:
    bound = torch.finfo(_dtype(model)).eps ** 0.5  # sums in another order round otherwise
    try:
        off = _difference(model, small, x, len(x), bound, gone, score)
    except Exception as error:  # whatever a forward does where sizes have changed
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{type(model).__name__} does not run without filters of {names} ({said}); its forward must "
                         "take sizes from what it is given") from None
    if not off <= bound:
        raise ValueError(f"without filters of {names} {type(model).__name__} must give what it gives with 0 in their "
                         f"place, it is off by {off:.3g} of the largest output; its forward uses their weights or "
                         "number elsewhere")


def _difference(model: nn.Module, small: nn.Module, x: Tensor, batch_size: int, bound: float,
                gone: Mapping[str, Tensor], score: Score | None) -> float:
    """The largest difference of their outputs, relative to the model's largest, in which these inputs are 0.

    Where it is above the bound, that in float64 instead: rounding can be as much where outputs nearly cancel.
    """
    with gradients.borrowed(model, score) as whole, gradients.borrowed(small, score) as less, torch.no_grad():
        expected, found = (torch.cat([run(part) for part in x.split(batch_size)]) for run in (
            lambda part: _without(whole, part, gone), lambda part: gradients.logits(less, part)))
    gradients.finite(expected, "score")
    off = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
    if off <= bound or _dtype(model) == torch.float64:
        return off
    x = x.double() if x.is_floating_point() else x
    return _difference(_double(model), _double(small), x, batch_size, bound, gone, score)


def _dtype(model: nn.Module) -> torch.dtype:
    """What the model computes in."""
    return next((weight.dtype for weight in model.parameters() if weight.is_floating_point()), torch.float32)


def _double(model: nn.Module) -> nn.Module:
    return copy.deepcopy(getattr(model, "_orig_mod", model)).double()


def _dead(model: nn.Module, x: Tensor, batch_size: int, score: Score | None) -> tuple[dict[str, list[int]], set[str]]:
    """The dead filters of each convolution, and the convolutions that `remove` takes."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    with gradients.borrowed(model, score) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0, texts=True)
        found = {name: link for name, link in links.find(network, x[:1]).items()
                 if isinstance(network.get_submodule(name), links.CONVOLUTIONS)}
        chained = {name: link for name, link in found.items() if isinstance(link, Link)}
        read, gave = _not_0(network, x.split(batch_size), [link.reader for link in chained.values()],
                            [name for name in found if name not in chained])
    dead = {}
    for name in found:
        alive = (chained[name].owner[chained[name].reader][read[chained[name].reader]] if name in chained
                 else gave[name].nonzero()[:, 0]).tolist()
        dead[name] = sorted({*range(links.count(network, name))} - {*alive})
    return dead, {*chained}


def _not_0(network: nn.Module, parts: Iterable[Tensor], readers: Iterable[str],
           givers: Iterable[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """bool [F], what some modules read and others give: the channels that are not 0 somewhere."""
    read, gave = {}, {}

    def looking(seen: dict[str, Tensor]) -> links.Touch:
        def look(name: str, values: Tensor) -> None:
            alive = links.anywhere(values != 0, links.axis(network, name)).any(dim=0).cpu()
            seen[name] = alive | seen[name] if name in seen else alive
        return look

    with links.touched(network, readers, before=looking(read)), links.touched(network, givers, after=looking(gave)):
        for part in parts:
            gradients.logits(network, part)
    return read, gave
