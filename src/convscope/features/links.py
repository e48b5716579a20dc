"""Links between layers: which weights read which filter, found by running the network, whatever lies between."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import torch
from torch import Tensor, nn

from convscope import gradients

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
LAYERS = (*CONVOLUTIONS, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
INPUT = "the input"
MARKS = (nan, inf, -inf)  # for an activation may swallow one of them: x > 0 is false of NaN, a sigmoid bounds infinity
MIXED, NONE = -2, -1
Touch = Callable[[str, Tensor], Tensor | None]


@dataclass
class Link:
    """Where a layer's filters go: the one layer that reads them, and the batch norms on the way.

    `owner` says for these, by name, to which filter each of their input channels (or columns) belongs; -1 is none.
    """

    reader: str
    owner: dict[str, Tensor]


@dataclass
class _Run:
    """What layers, norms and others with weights read, and what layers gave, each time that they ran, in that order."""

    read: dict[str, list[Tensor]]
    gave: dict[str, list[Tensor]]


def find(network: nn.Module, x: Tensor) -> dict[str, Link | str]:
    """Of each layer that runs for x [1, ...], in that order: where its filters go, or why none can be removed.

    The outputs of all layers are cut off the graph, so that the gradient of what a layer reads goes back to those
    layers that feed it directly, and to no other.
    """
    names = [name for name, module in network.named_modules() if isinstance(module, (*LAYERS, *NORMS)) or (
        any(own is not None and own.numel() > 1 for own in module._parameters.values()) and _alone(module))]
    run = _Run(defaultdict(list), defaultdict(list))

    def cut_off(name: str, output: Tensor) -> Tensor | None:
        if not isinstance(network.get_submodule(name), LAYERS):
            return None
        run.gave[name].append(output.detach().requires_grad_())
        return run.gave[name][-1].clone()  # a ReLU that works in place may come next

    x = x.detach().requires_grad_(x.is_floating_point())  # a text's characters have no gradient
    with torch.enable_grad(), touched(network, names, lambda name, tensor: run.read[name].append(tensor), cut_off):
        output = gradients.logits(network, x.clone())
    leaves = [(name, leaf) for name, several in run.gave.items() for leaf in several] + (
        [(INPUT, x)] if x.requires_grad else [])
    feeds = {name: _feeding(tensors, leaves) for name, tensors in (run.read | {"": [output]}).items()}
    owners = _owners(network, x.detach(), run)
    return {name: _refusal(network, name, feeds, run) or _link(network, name, feeds, owners) for name in run.gave}


def count(network: nn.Module, name: str) -> int:
    """How many filters the layer has."""
    return len(getattr(network, "_orig_mod", network).get_submodule(name).weight)  # pyright: ignore[reportArgumentType]


def axis(network: nn.Module, name: str) -> int:
    """Where filters lie, in what the module gives and reads."""
    return -1 if isinstance(network.get_submodule(name), nn.Linear) else 1


def anywhere(found: Tensor, axis: int) -> Tensor:
    """[B, F]: whether it is true at any position."""
    return found.movedim(axis, 1).flatten(2).any(dim=2) if found.ndim > 2 else found


@contextmanager
def touched(network: nn.Module, names: Iterable[str], before: Touch | None = None,
            after: Touch | None = None) -> Iterator[None]:
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


def _feeding(tensors: list[Tensor], leaves: list[tuple[str, Tensor]]) -> set[str]:
    """The names of those leaves of which the tensors come."""
    with torch.enable_grad():
        total = [tensor.sum() for tensor in tensors if tensor.requires_grad]
    try:
        found = torch.autograd.grad(total, [leaf for _, leaf in leaves], allow_unused=True,
                                    retain_graph=True) if total else [None] * len(leaves)
    except RuntimeError as error:  # torch's own words for a function without a derivative
        raise ValueError("filters are followed by their gradients, which this network does not have: "
                         f"{str(error).splitlines()[0]}; detach what needs none") from None
    return {name for (name, _), part in zip(leaves, found, strict=True) if part is not None}


def _refusal(network: nn.Module, name: str, feeds: Mapping[str, set[str]], run: _Run) -> str:
    """Why no filter of this layer can be removed, one sentence; empty where that is possible."""
    on = [other for other, sources in feeds.items() if other and name in sources]
    readers = [other for other in on if other in run.gave]
    if name in feeds[""]:
        return f"{name} gives the model's output, which would lose its own classes or values; choose an earlier layer"
    if len(readers) != 1:
        more = f" and {len(readers) - 3} more" if len(readers) > 3 else ""
        return f"the output of {name} must go to one other layer, it goes to {', '.join(readers[:3]) or 'none'}{more}" \
               "; choose a layer within a chain"
    return next(filter(None, (_unfit(network, name, other, feeds, run) for other in (name, *on))), "")


def _unfit(network: nn.Module, name: str, other: str, feeds: Mapping[str, set[str]], run: _Run) -> str:
    """Why this module, the layer itself or one that reads it, cannot lose what belongs to a filter."""
    module, runs = network.get_submodule(other), len(run.read[other])
    if other != name and len(feeds[other]) > 1:
        also = ", ".join(sorted(feeds[other] - {name})[:3])
        return f"{other} reads {name} together with {also}, a sum or the like; choose a layer within a chain"
    if runs != 1:
        return f"{other} must run once for an input, it runs {runs} times; choose a layer within a chain"
    if not isinstance(module, (*LAYERS, *NORMS)):
        return f"{other}, a {type(module).__name__} with weights, follows {name}: only a batch norm may be between"
    if getattr(module, "groups", 1) != 1:
        return f"{other} must have groups=1, it has {module.groups}; choose a layer without groups beside it"
    if isinstance(module, NORMS) and not _alone(module):
        return f"{other}, a {type(module).__name__}, has parts with weights behind {name}: only a batch norm may be " \
               "between"
    if not _plain(network, module):
        return f"{other} must hold its weights itself, alone; take its parametrisation or shared weights away first"
    if any(len(tensor) != 1 for tensor in (*run.read[other], *run.gave.get(other, []))):
        return f"{other} must take one row for each input, it takes {len(run.read[other][0])}; choose another layer"
    return ""


def _link(network: nn.Module, name: str, feeds: Mapping[str, set[str]], owners: Mapping[str, Tensor]) -> Link | str:
    on = [other for other, sources in feeds.items() if other and name in sources]
    reader = next(other for other in on if isinstance(network.get_submodule(other), LAYERS))
    for other in on:
        if bool((owners[other] == MIXED).any()):
            return f"the filters of {name} must reach {other} each in places of its own, they are mixed; choose a " \
                   "layer within a chain"
    return Link(reader, {other: owners[other] for other in on})


def _owners(network: nn.Module, x: Tensor, run: _Run) -> dict[str, Tensor]:
    """For each layer and norm that runs once: of its input channels the filter each comes from, -1 none, -2 several.

    Filters are marked by what no ReLU, pooling or batch norm hides. Row 2b of a batch marks those filters whose number
    has bit b at 0, row 2b + 1 those at 1, the last one none: where one filter alone leads, one row of each pair differs
    from the last, and they spell its number. All layers at once, since each gets clean inputs in place of what the one
    before gives.
    """
    bits = max([1, *((count(network, name) - 1).bit_length() for name in run.gave)])
    names = [name for name in run.read if isinstance(network.get_submodule(name), (*LAYERS, *NORMS))]
    moved: dict[str, Tensor] = {}  # [2 bits, F]: which rows of marks reach which channels, by any of the marks

    def look(name: str, tensor: Tensor) -> None:
        if len(tensor) == 2 * bits + 1 and len(run.read[name]) == 1:
            found = _moved(tensor.detach().movedim(axis(network, name), 1).flatten(2) if tensor.ndim > 2 else
                           tensor.detach()[..., None]).cpu()
            moved[name] = moved[name] | found if name in moved else found

    for mark in MARKS:
        with touched(network, names, look, _marking(network, run, mark, bits)):
            gradients.logits(network, x.expand(2 * bits + 1, *x.shape[1:]).clone())
    return {name: _spelled(found, bits) for name, found in moved.items()}


def _marking(network: nn.Module, run: _Run, mark: float, bits: int) -> Touch:
    """Puts marked rows, and a clean one, in the place of what each layer gives, however often it runs."""
    clean = {name: iter(several) for name, several in run.gave.items()}
    row = torch.arange(2 * bits + 1)[:, None]

    def marked(name: str, _: Tensor) -> Tensor | None:
        if name not in clean:
            return None
        value = next(clean[name]).detach()
        batch = value.repeat(len(row), *[1] * (value.ndim - 1))
        if len(value) != 1:
            return batch
        where = axis(network, name)
        which = ((torch.arange(batch.shape[where]) >> row // 2) % 2 == row % 2) & (row < 2 * bits)
        shape = [len(batch), *[1] * (batch.ndim - 1)]
        shape[where] = -1
        return batch.masked_fill(which.view(shape).to(batch.device), mark)

    return marked


def _moved(rows: Tensor) -> Tensor:
    """[R - 1, F] of [R, F, P]: whether a row differs anywhere from the last, by more than rounding."""
    close = 1e-4 * rows[-1].abs().amax(dim=1, keepdim=True)
    return ~((rows[:-1] - rows[-1]).abs() <= close).all(dim=2)  # NaN is not close


def _spelled(moved: Tensor, bits: int) -> Tensor:
    low, high = moved.view(bits, 2, -1).unbind(dim=1)
    number = (high.long() << torch.arange(bits)[:, None]).sum(dim=0)
    return torch.where((low ^ high).all(dim=0), number, torch.where((low | high).any(dim=0), MIXED, NONE))


def _plain(network: nn.Module, module: nn.Module) -> bool:
    """Whether its weights are parameters of its own that no other module has."""
    own = {id(p) for p in module._parameters.values() if p is not None}
    others = {id(p) for other in network.modules() if other is not module for p in other._parameters.values()}
    return not own & others and (module._parameters.get("weight") is not None or isinstance(module, NORMS)) and _alone(
        module)


def _alone(module: nn.Module) -> bool:
    """Whether none of its parts has weights: it may hold its activation, as timm's batch norms do."""
    return not any(True for part in module.children() for _ in (*part.parameters(), *part.buffers()))
