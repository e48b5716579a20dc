"""Smaller networks: filters removed, with all weights that only they used (TSViz, section 6; Li et al. 2017)."""

import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients

VERSION = 1
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
LAYERS = (*CONVOLUTIONS, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
INPUT = "the input"
FEW = 16          # inputs on which a smaller network is checked
TOLERANCE = 1e-6  # of the largest output: what counts as lossless
Numbers = Tensor | np.ndarray | Sequence[float]
Touch = Callable[[str, Tensor], Tensor | None]


@dataclass
class Link:
    """Where a layer's filters go: the one layer that reads them, and the batch norms on the way.

    `owner` says for these, by name, to which filter each of their input channels (or columns) belongs; -1 is none.
    """

    reader: str
    owner: dict[str, Tensor]


def remove(model: nn.Module, x: Tensor, filters: Mapping[str, Sequence[int]]) -> nn.Module:
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
    with gradients.borrowed(model) as network, torch.no_grad():
        x = gradients.checked(network, x, 0, texts=True)[0][:FEW]
        lost = {name: found for name, which in filters.items() if (found := _indices(network, name, which))}
        links = _links(network, x[:1])
        gone: dict[str, Tensor] = {}  # of what reads: which of its inputs go
        for name, which in lost.items():
            link = links.get(name, f"{name} does not run for this input: its filters can be left as they are")
            if isinstance(link, str):
                raise ValueError(link)
            gone |= {reader: torch.isin(owner, torch.tensor(which)) for reader, owner in link.owner.items()}
    small = copy.deepcopy(network)  # behind the loan: trainable and in the mode of the model
    for name, which in lost.items():
        _cut(small.get_submodule(name), 0, torch.isin(torch.arange(_count(small, name)), torch.tensor(which)))
    for name, inputs in gone.items():
        module = small.get_submodule(name)
        _cut(module, 0 if isinstance(module, NORMS) else 1, inputs)
    _check(network, small, x, {name: inputs for name, inputs in gone.items() if name in links}, ", ".join(lost))
    return small


def dead_filters(model: nn.Module, x: Tensor, *, batch_size: int = 256) -> dict[str, list[int]]:
    """For each convolution, in the order in which they run, its filters that are dead: 0 for all of x [N, ...].

    A filter counts by what the next layer reads of it, so behind the ReLU, pooling and batch norm that follow: for
    Conv -> ReLU it is dead where its pre-activation is at most 0 at every position of every input. What pooling drops
    does not count. Where filters cannot be followed (sums, several readers), only one whose own output is 0 is dead.
    Raises ValueError for inputs that the model does not take.
    """
    return _dead(model, x, batch_size)[0]


def lossless(model: nn.Module, x: Tensor, *, batch_size: int = 256) -> tuple[nn.Module, dict[str, list[int]]]:
    """The model without the filters that are dead on all of x, and which these were; one at least stays in a layer.

    Filters that `remove` would refuse stay. The outputs for x are equal to 1e-6 of the largest; where rounding alone
    could be more, both networks are compared in float64. Raises ValueError where they differ.
    """
    dead, removable = _dead(model, x, batch_size)
    kept = {name: which[len(which) == _count(model, name):] for name, which in dead.items() if name in removable}
    lost = {name: which for name, which in kept.items() if which}
    small = remove(model, x, lost)
    off = _difference(model, small, x, batch_size, TOLERANCE, {})
    if not off <= TOLERANCE:
        raise ValueError(f"without its dead filters {type(model).__name__} must give the same outputs to {TOLERANCE:g} "
                         f"of the largest, they differ by {off:.3g}; does it give the same for the same input?")
    return small, lost


def parameters(model: nn.Module) -> int:
    """How many numbers the model learns, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def least_important(importance: Numbers, share: float) -> list[int]:
    """The share of the filters, to the nearest number of them, whose importance [F] is lowest; one at least is left.

    Of equals the first go first. Raises ValueError for a share outside [0, 1) and importances that are not finite [F].
    """
    found = torch.as_tensor(importance, dtype=torch.float64)
    if found.ndim != 1 or not len(found) or not bool(found.isfinite().all()):
        raise ValueError(f"importance must be finite numbers [F], one for each filter, got {list(found.shape)} with "
                         f"{int((~found.isfinite()).sum())} not finite; give one layer's")
    return sorted(found.argsort(stable=True)[:_how_many(len(found), share)].tolist())


def outside_representatives(labels: Numbers, representatives: Sequence[int]) -> list[int]:
    """All filters but one of each cluster: `labels` [F] are their clusters, `representatives` the filters that stay.

    A label below 0 is no cluster (dead filters, noise): nobody has to stand for it, its filters go. Raises ValueError
    where a cluster has no representative, or several.
    """
    found = torch.as_tensor(labels)
    if found.ndim != 1 or not len(found) or found.is_floating_point():
        raise ValueError(f"labels must be whole numbers [F], the cluster of each filter, got "
                         f"{str(found.dtype).removeprefix('torch.')} {list(found.shape)}")
    stay = _whole("representatives", representatives, len(found))
    standing = Counter(found[stay].tolist())
    for label in found.unique().tolist():
        if standing[label] != 1 and (label >= 0 or standing[label] > 1):
            raise ValueError(f"each cluster needs one representative, cluster {label} has {standing[label]}; give the "
                             "index of one filter of it")
    if not stay:
        raise ValueError("representatives are empty: no filter would be left, give one at least")
    return [i for i in range(len(found)) if i not in set(stay)]


def at_random(n: int, share: float, rng: np.random.Generator) -> list[int]:
    """The control: as many of n filters as `least_important` takes, each equally likely."""
    if n < 1:
        raise ValueError(f"n must be at least 1, the number of a layer's filters, got {n}")
    return sorted(rng.permutation(n)[:_how_many(n, share)].tolist())


def _how_many(n: int, share: float) -> int:
    if not 0 <= share < 1:
        raise ValueError(f"share must be in [0, 1), got {share:g}; give the part to remove, not per cent")
    return min(round(share * n), n - 1)


def _whole(what: str, values: Sequence[int], n: int) -> list[int]:
    """The indices as they come, checked: whole numbers below n, each once."""
    try:
        found = [index(value) for value in values]
    except TypeError:
        found = None
    if found is None or any(isinstance(value, bool) for value in values):
        raise ValueError(f"{what} must be whole numbers, the indices of filters, got {values!r}; of a mask give its "
                         "nonzero places")
    if outside := [i for i in found if not 0 <= i < n]:
        raise ValueError(f"{what} must be in 0..{n - 1}, got {outside[0]}; there are {n} filters")
    if twice := [i for i, times in Counter(found).items() if times > 1]:
        raise ValueError(f"{what} must be different, got {twice[0]} more than once; name each filter once")
    return found


def _indices(network: nn.Module, name: str, which: Sequence[int]) -> list[int]:
    module = gradients.layer(network, name)
    if not isinstance(module, LAYERS):
        raise ValueError(f"{name} is a {type(module).__name__}, filters can be removed from Conv1d, Conv2d and Linear; "
                         "name the layer that makes them")
    found = _whole(f"filters of {name}", which, _count(network, name))
    if len(found) == _count(network, name):
        raise ValueError(f"all {len(found)} filters of {name} would go, nothing would be left to read; keep at least "
                         "one")
    return found


def _count(network: nn.Module, name: str) -> int:
    return len(getattr(network, "_orig_mod", network).get_submodule(name).weight)  # pyright: ignore[reportArgumentType]


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
        return read.movedim(_axis(network, name), -1).masked_fill(gone[name].to(read.device), 0).movedim(
            -1, _axis(network, name))
    with _touched(network, gone, before=zeroed):
        return gradients.logits(network, x)


def _check(model: nn.Module, small: nn.Module, x: Tensor, gone: Mapping[str, Tensor], names: str) -> None:
    bound = torch.finfo(_dtype(model)).eps ** 0.5  # sums in another order round otherwise
    try:
        off = _difference(model, small, x, len(x), bound, gone)
    except Exception as error:  # whatever a forward does where sizes have changed
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{type(model).__name__} does not run without filters of {names} ({said}); its forward must "
                         "take sizes from what it is given") from None
    if not off <= bound:
        raise ValueError(f"without filters of {names} {type(model).__name__} must give what it gives with 0 in their "
                         f"place, it is off by {off:.3g} of the largest output; its forward uses their weights or "
                         "number elsewhere")


def _difference(model: nn.Module, small: nn.Module, x: Tensor, batch_size: int, bound: float,
                gone: Mapping[str, Tensor]) -> float:
    """The largest difference of their outputs, relative to the model's largest, in which these inputs are 0.

    Where it is above the bound, that in float64 instead: rounding can be as much where outputs nearly cancel.
    """
    with gradients.borrowed(model) as whole, gradients.borrowed(small) as less, torch.no_grad():
        expected, found = (torch.cat([run(part) for part in x.split(batch_size)]) for run in (
            lambda part: _without(whole, part, gone), lambda part: gradients.logits(less, part)))
    off = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
    if off <= bound or _dtype(model) == torch.float64:
        return off
    x = x.double() if x.is_floating_point() else x
    return _difference(_double(model), _double(small), x, batch_size, bound, gone)


def _dtype(model: nn.Module) -> torch.dtype:
    """What the model computes in."""
    return next((weight.dtype for weight in model.parameters() if weight.is_floating_point()), torch.float32)


def _double(model: nn.Module) -> nn.Module:
    return copy.deepcopy(getattr(model, "_orig_mod", model)).double()


def _dead(model: nn.Module, x: Tensor, batch_size: int) -> tuple[dict[str, list[int]], set[str]]:
    """The dead filters of each convolution, and the convolutions that `remove` takes."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    with gradients.borrowed(model) as network, torch.no_grad():
        x, _ = gradients.checked(network, x, 0, texts=True)
        links = {name: link for name, link in _links(network, x[:1]).items()
                 if isinstance(network.get_submodule(name), CONVOLUTIONS)}
        seen: dict[str, Tensor] = {}  # at a layer's inputs or, with no reader to look at, outputs: not 0 somewhere

        def look(name: str, values: Tensor) -> None:
            alive = _anywhere(values != 0, _axis(network, name)).any(dim=0).cpu()
            seen[name] = alive | seen[name] if name in seen else alive

        readers = [link.reader for link in links.values() if isinstance(link, Link)]
        alone = [name for name, link in links.items() if not isinstance(link, Link)]
        inputs: dict[str, Tensor] = {}
        with _touched(network, readers, before=look):
            for part in x.split(batch_size):
                gradients.logits(network, part)
        inputs, seen = seen, {}
        with _touched(network, alone, after=look):
            for part in x.split(batch_size) if alone else ():
                gradients.logits(network, part)
    dead = {}
    for name, link in links.items():
        every = range(_count(network, name))
        alive = set(link.owner[link.reader][inputs[link.reader]].tolist()) if isinstance(link, Link) else set(
            seen[name].nonzero()[:, 0].tolist())
        dead[name] = [i for i in every if i not in alive]
    return dead, {name for name, link in links.items() if isinstance(link, Link)}


def _links(network: nn.Module, x: Tensor) -> dict[str, Link | str]:
    """Of each layer that runs for x [1, ...], in that order: where its filters go, or why none can be removed.

    The outputs of all layers are cut off the graph, so that the gradient of what a layer reads goes back to those
    layers that feed it directly, and to no other.
    """
    names = [name for name, module in network.named_modules() if isinstance(module, (*LAYERS, *NORMS)) or (
        any(own is not None and own.numel() > 1 for own in module._parameters.values())
        and not any(True for _ in module.children()))]
    read: dict[str, list[Tensor]] = defaultdict(list)
    gave: dict[str, list[Tensor]] = defaultdict(list)

    def cut_off(name: str, output: Tensor) -> Tensor | None:
        if not isinstance(network.get_submodule(name), LAYERS):
            return None
        gave[name].append(output.detach().requires_grad_())
        return gave[name][-1].clone()  # a ReLU that works in place may come next

    x = x.detach().requires_grad_(x.is_floating_point())  # a text's characters have no gradient
    with torch.enable_grad(), _touched(network, names, lambda name, tensor: read[name].append(tensor), cut_off):
        output = gradients.logits(network, x.clone())
    leaves = [(name, leaf) for name, several in gave.items() for leaf in several] + (
        [(INPUT, x)] if x.requires_grad else [])

    def feeding(tensors: list[Tensor]) -> set[str]:
        with torch.enable_grad():
            total = [tensor.sum() for tensor in tensors if tensor.requires_grad]
        found = torch.autograd.grad(total, [leaf for _, leaf in leaves], allow_unused=True,
                                    retain_graph=True) if total else [None] * len(leaves)
        return {name for (name, _), part in zip(leaves, found, strict=True) if part is not None}

    feeds = {name: feeding(tensors) for name, tensors in read.items()} | {"": feeding([output])}
    owners = _owners(network, x.detach(), read, gave)
    return {name: _refusal(network, name, feeds, read, gave) or _link(network, name, feeds, owners) for name in gave}


def _refusal(network: nn.Module, name: str, feeds: Mapping[str, set[str]], read: Mapping[str, list[Tensor]],
             gave: Mapping[str, list[Tensor]]) -> str:
    """Why no filter of this layer can be removed, one sentence; empty where that is possible."""
    on = [other for other, sources in feeds.items() if other and name in sources]
    readers = [other for other in on if other in gave]
    if "" in feeds and name in feeds[""]:
        return f"{name} gives the model's output, which would lose its own classes or values; choose an earlier layer"
    if len(readers) != 1:
        more = f" and {len(readers) - 3} more" if len(readers) > 3 else ""
        return f"the output of {name} must go to one other layer, it goes to {', '.join(readers[:3]) or 'none'}{more}" \
               "; choose a layer within a chain"
    for other in (name, *on):
        module, runs = network.get_submodule(other), len(read[other])
        if other != name and len(feeds[other]) > 1:
            also = ", ".join(sorted(feeds[other] - {name})[:3])
            return f"{other} reads {name} together with {also}, a sum or the like; choose a layer within a chain"
        if runs != 1:
            return f"{other} must run once for an input, it runs {runs} times; choose a layer within a chain"
        if not isinstance(module, (*LAYERS, *NORMS)):
            return f"{other}, a {type(module).__name__} with weights, follows {name}: only a batch norm may be between"
        if getattr(module, "groups", 1) != 1:
            return f"{other} must have groups=1, it has {module.groups}; choose a layer without groups beside it"
        if not _plain(network, module):
            return f"{other} must hold its weights itself, alone; take its parametrisation or shared weights away first"
        if any(len(tensor) != 1 for tensor in (*read[other], *gave.get(other, []))):
            return f"{other} must take one row for each input, it takes {len(read[other][0])}; choose another layer"
    return ""


def _link(network: nn.Module, name: str, feeds: Mapping[str, set[str]], owners: Mapping[str, Tensor]) -> Link | str:
    on = [other for other, sources in feeds.items() if other and name in sources]
    reader = next(other for other in on if isinstance(network.get_submodule(other), LAYERS))
    for other in on:
        if bool((owners[other] == -2).any()):
            return f"the filters of {name} must reach {other} each in places of its own, they are mixed; choose a " \
                   "layer within a chain"
    return Link(reader, {other: owners[other] for other in on})


def _owners(network: nn.Module, x: Tensor, read: Mapping[str, list[Tensor]],
            gave: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    """For each layer and norm that runs once: of its input channels the filter each comes from, -1 none, -2 several.

    Filters are marked by NaN, which no ReLU, pooling or batch norm hides. Row 2b of a batch marks those filters whose
    number has bit b at 0, row 2b + 1 those at 1: where one filter alone leads, one row of each pair is NaN, and they
    spell its number. All layers at once, since each gets clean inputs in place of what the one before gives.
    """
    bits = max([1, *((_count(network, name) - 1).bit_length() for name in gave)])
    row = torch.arange(2 * bits)[:, None]
    clean = {name: iter(several) for name, several in gave.items()}
    found: dict[str, Tensor] = {}

    def mark(name: str, _: Tensor) -> Tensor | None:
        if name not in clean:
            return None
        value = next(clean[name]).detach()
        batch = value.repeat(2 * bits, *[1] * (value.ndim - 1))
        if len(value) != 1:
            return batch
        axis = _axis(network, name)
        marked = (torch.arange(batch.shape[axis]) >> row // 2) % 2 == row % 2
        shape = [len(batch), *[1] * (batch.ndim - 1)]
        shape[axis] = -1
        return batch.masked_fill(marked.view(shape).to(batch.device), torch.nan)

    def spell(name: str, tensor: Tensor) -> None:
        if len(tensor) == 2 * bits and len(read[name]) == 1:
            low, high = _anywhere(tensor.isnan(), _axis(network, name)).cpu().view(bits, 2, -1).unbind(dim=1)
            number = (high.long() << torch.arange(bits)[:, None]).sum(dim=0)
            alone, any_ = (low ^ high).all(dim=0), (low | high).any(dim=0)
            found[name] = torch.where(alone, number, torch.where(any_, -2, -1))

    names = [name for name in read if isinstance(network.get_submodule(name), (*LAYERS, *NORMS))]
    with _touched(network, names, spell, mark):
        gradients.logits(network, x.expand(2 * bits, *x.shape[1:]).clone())
    return found


def _plain(network: nn.Module, module: nn.Module) -> bool:
    """Whether its weights are parameters of its own that no other module has."""
    own = {id(p) for p in module._parameters.values() if p is not None}
    others = {id(p) for other in network.modules() if other is not module for p in other._parameters.values()}
    return not own & others and (module._parameters.get("weight") is not None or isinstance(module, NORMS)) and not any(
        True for _ in module.children())


def _axis(network: nn.Module, name: str) -> int:
    """Where filters lie, in what the module gives and reads."""
    return -1 if isinstance(network.get_submodule(name), nn.Linear) else 1


def _anywhere(found: Tensor, axis: int) -> Tensor:
    """[B, F]: whether it is true at any position."""
    return found.movedim(axis, 1).flatten(2).any(dim=2) if found.ndim > 2 else found


@contextmanager
def _touched(network: nn.Module, names: Any, before: Touch | None = None, after: Touch | None = None) -> Iterator[None]:
    """Runs `before` on what these modules read and `after` on what they give; a tensor returned takes its place."""
    def reading(name: str, touch: Touch) -> Callable[..., Any]:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> Any:
            if not args:
                raise ValueError(f"{name} must get its input as its first argument, not by keyword")
            new = touch(name, args[0]) if isinstance(args[0], Tensor) else None
            return None if new is None else (new, *args[1:])
        return hook

    def giving(name: str, touch: Touch) -> Callable[..., Any]:
        return lambda _, __, output: touch(name, output) if isinstance(output, Tensor) else None

    handles = []
    try:
        for name in names:
            module = network.get_submodule(name)
            if before is not None:
                handles.append(module.register_forward_pre_hook(reading(name, before)))
            if after is not None:
                handles.append(module.register_forward_hook(giving(name, after)))
        yield
    finally:
        for handle in handles:
            handle.remove()
