"""Maps in a running network: which outputs are [B, F, h, w], which have their channels last, which are pooled copies.

Shapes do not say where channels lie. Torch's own calls do: a convolution gives maps [B, F, h, w], a linear layer reads
channels that are last, a permutation moves them, and what works place by place keeps them where they were.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from convscope import outputs

FIRST, LAST = (2, 3), (1, 2)  # where the places of [B, F, h, w] and of [B, h, w, F] lie
CONVOLUTIONS = {"conv2d", "conv_transpose2d"}
NORMS = {"batch_norm", "group_norm", "instance_norm", "local_response_norm", "pixel_shuffle"}
TURNS = {"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"}
RESIZES = {"interpolate", "upsample", "upsample_nearest", "upsample_bilinear", "grid_sample"}
MEANS = {"mean", "sum", "amax", "amin", "max", "std", "var", "logsumexp"}
PARTS = {"cat", "concat", "concatenate", "getitem", "chunk", "split", "tensor_split", "narrow", "pad", "view",
         "reshape", "flatten", "unflatten", "expand", "index_select"}


@dataclass(eq=False)
class _Places:
    """Where the places of a tensor lie, None: not known (yet); whether it is a copy of a map at another size."""

    axes: tuple[int, ...] | None = None
    pooled: bool = False


@dataclass(frozen=True, eq=False)
class Ended:
    """A module that has run: its name, the shape of what it gave, and whether it has weights of its own."""

    name: str
    shape: tuple[int, ...]
    places: _Places
    weighted: bool

    @property
    def is_map(self) -> bool:
        """Whether it gave a map [B, F, h, w] of more than one place."""
        return len(self.shape) == 4 and self.places.axes == FIRST and self.shape[2] * self.shape[3] > 1

    @property
    def goes_on(self) -> bool:
        """Whether it gave several places otherwise than as a map: by weights, or of unknown order."""
        several = len(self.shape) > 2 and sum(size > 1 for size in self.shape) > 1  # of one input: besides its channels
        return several and self.places.axes != FIRST and (self.weighted or (
            len(self.shape) == 4 and self.places.axes is None))

    @property
    def channels_last(self) -> bool:
        """Whether it gave a map [B, h, w, F]."""
        return len(self.shape) == 4 and self.places.axes == LAST


def ended(network: nn.Module, x: Tensor) -> list[Ended]:
    """Every run of every module for x [1, ...], in the order in which they end; raises as `outputs.scores`."""
    found: list[Ended] = []
    watch = _Layout()

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            weighted = any(own is not None and own.numel() > 1 for own in module._parameters.values())
            for tensor in _tensors(output):
                found.append(Ended(name, tuple(tensor.shape), watch.of(tensor, tuple(_tensors(inputs))), weighted))
        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    try:
        with torch.no_grad(), watch:
            outputs.scores(network, x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def last(network: nn.Module, x: Tensor) -> str:
    """The module that ends last of those that run once and give a map [B, F, h, w] of more than one place, by name.

    Copies of a map at another size (by average or adaptive pooling, or resized) are no maps of their own. Raises
    ValueError where there is none, or layers with weights go on behind it on tokens, sequences or maps with their
    channels last, as behind the patch embedding of a transformer: what is left of that map at the end is not known.
    """
    return _last(ended(network, x), type(network).__name__)


def refuse_channels_last(network: nn.Module, x: Tensor, layer: str) -> None:
    """Raises ValueError, with the name of one that would do, where this layer gives maps [B, h, w, F]."""
    found = ended(network, x)
    wrong = next((one for one in found if one.name == layer and one.channels_last), None)
    if wrong is not None:
        try:
            advice = f"layer={_last(found, type(network).__name__)!r} would do"
        except ValueError:
            advice = "no layer would do: take gradient or occlusion"
        raise ValueError(f"the output of {layer} must be a map [B, F, h, w], got {list(wrong.shape)} with its channels "
                         f"last; {advice}")


def _last(found: list[Ended], network: str) -> str:
    often = Counter(one.name for one in found)
    maps = [i for i, one in enumerate(found) if often[one.name] == 1 and one.is_map and not one.places.pooled]
    if not maps:
        last = next((f" ({one.name} has its channels last)" for one in found[::-1] if one.channels_last), "")
        raise ValueError(f"{network} has no layer whose output is a map [B, F, h, w]{last}: grad_cam does not apply; "
                         "take gradient or occlusion")
    taken = found[maps[-1]].name
    behind = list(dict.fromkeys(one.name for one in found[maps[-1] + 1:] if one.goes_on))
    if behind:
        more = f" and {len(behind) - 1} more work" if len(behind) > 1 else " works"
        raise ValueError(f"the last map [B, F, h, w] of {network} is what {taken} gives, but {behind[0]}{more} behind "
                         "it on tokens, sequences or channels last, so it may be a patch embedding; give "
                         f"layer={taken!r} if it is the one to look at, or take gradient or occlusion")
    return taken


class _Layout(TorchFunctionMode):
    """Follows the places of maps from call to call while active."""

    def __init__(self) -> None:
        super().__init__()
        self._known: Any = WeakIdKeyDictionary()

    def of(self, tensor: Tensor, inputs: tuple[Tensor, ...] = ()) -> _Places:
        """What is known of a tensor; where nothing is, what is of an input of its shape."""
        known = self._known.setdefault(tensor, _Places())
        if known.axes is None and tensor.ndim > 3:
            like = next((self._known[t] for t in inputs if t.shape == tensor.shape and t in self._known), None)
            known.axes, known.pooled = (like.axes, like.pooled) if like else (None, False)
        return known

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        value = func(*args, **kwargs)
        name = getattr(func, "__name__", "").split(".")[0].strip("_")
        inputs = [tensor for tensor in _tensors((args, kwargs)) if tensor.ndim > 3]
        if inputs:
            self._learn(name, inputs[0], args, kwargs)
        for tensor in _tensors(value):
            if tensor.ndim > 3 and not any(tensor is one for one in inputs):
                self._known[tensor] = self._given(name, func, inputs, tensor, args, kwargs)
        return value

    def _learn(self, name: str, read: Tensor, args: Any, kwargs: Any) -> None:
        """What a call says of the tensor that it reads."""
        known = self.of(read)
        if known.axes is not None or read.ndim != 4:
            return
        if name in CONVOLUTIONS | NORMS or "pool2d" in name:
            known.axes = FIRST
        elif name == "linear" or (name == "layer_norm" and _normalised(args, kwargs) == 1):
            known.axes = LAST
        elif name in MEANS:
            axes = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
            if isinstance(axes, (tuple, list)) and len(axes) == 2:
                known.axes = tuple(sorted(axis % 4 for axis in axes))

    def _given(self, name: str, func: Callable[..., Any], inputs: list[Tensor], value: Tensor, args: Any,
               kwargs: Any) -> _Places:
        """What is known of a call's value."""
        if name in CONVOLUTIONS and value.ndim == 4:
            return _Places(FIRST)
        known = [(tensor, places) for tensor in inputs if (places := self.of(tensor)).axes is not None]
        if not known:
            return _Places()
        first, places = known[0]
        pooled = all(one.pooled for _, one in known)
        if ("pool" in name and not name.startswith("max_pool")) or name in RESIZES:
            return _Places(places.axes, pooled or value.shape != first.shape or not name.startswith("adaptive"))
        if name.startswith("max_pool"):  # a step of the trunk
            return _Places(places.axes, pooled)
        if name in TURNS:
            return _Places(_turned(func, first, places.axes, args[1:], kwargs), pooled)
        if name == "linear":
            return _Places(LAST if places.axes == LAST and value.ndim == 4 else None)
        like = [one for tensor, one in known if tensor.shape == value.shape]
        if like and name not in ("matmul", "bmm", "einsum", "scaled_dot_product_attention"):
            return _Places(like[0].axes, all(one.pooled for one in like) and pooled)
        return _Places(_kept(first, places.axes, value) if name in PARTS else None, pooled)


def _turned(func: Callable[..., Any], tensor: Tensor, axes: tuple[int, ...] | None, args: Any,
            kwargs: Any) -> tuple[int, ...] | None:
    """Where a permutation puts these axes: it is done on a tensor whose axes have lengths of their own."""
    if axes is None:
        return None
    own = {key: value for key, value in kwargs.items() if not isinstance(value, Tensor)}
    lengths = func(torch.empty(tuple(range(2, 2 + tensor.ndim)), device="meta"), *args, **own).shape
    return tuple(sorted(list(lengths).index(axis + 2) for axis in axes))


def _kept(before: Tensor, axes: tuple[int, ...] | None, after: Tensor) -> tuple[int, ...] | None:
    """Where the places lie in a part, a join or another view: those that have kept their lengths and their side."""
    if axes is None:
        return None
    if before.ndim == after.ndim:
        return axes
    for side in (tuple(range(-2, 0)), LAST):  # at the end, or behind the batch
        now = tuple(axis % after.ndim for axis in side)
        if axes == tuple(axis % before.ndim for axis in side) and (
                [before.shape[i] for i in axes] == [after.shape[i] for i in now]):
            return now
    return None


def _normalised(args: Any, kwargs: Any) -> int:
    shape = kwargs.get("normalized_shape", args[1] if len(args) > 1 else ())
    return len(shape) if isinstance(shape, (tuple, list)) else 1


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, (tuple, list, dict)):
        for part in given.values() if isinstance(given, dict) else given:
            yield from _tensors(part)
