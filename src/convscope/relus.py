"""What torch calls a ReLU: which calls of a running network are one, in whatever form it was written.

A `Watch` sees torch's own calls while a network runs, so it finds modules, functions and methods, in place or not, used
once or again, and ReLUs made by hand of a value and its own sign; nothing in the network is touched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any, Literal, TypeGuard

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Kind = Literal["relu", "bounded", "other", "unclear"]

# Names as torch gives them to what it calls, without the underscores of methods and of calls in place.
BOUNDS = {"clamp": ("min", "max"), "clip": ("min", "max"), "clamp_min": ("min",), "clamp_max": ("max",),
          "hardtanh": ("min_val", "max_val"), "threshold": ("threshold", "value")}
CLAMPS = {"clamp", "clip", "clamp_min", "clamp_max"}
MAXIMA, MINIMA = {"maximum", "fmax", "max"}, {"minimum", "fmin", "min"}
OTHER = {"gelu", "silu", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "relu6", "hardtanh", "hardswish",
         "hardsigmoid", "mish", "softplus", "softsign", "sigmoid", "special_expit", "log_sigmoid", "logsigmoid", "tanh",
         "tanhshrink", "hardshrink", "softshrink", "threshold", "glu"}
# What makes a sign of a value, and what carries it on.
COMPARISONS = {"gt", "ge", "lt", "le", "greater", "greater_equal", "less", "less_equal"}
STEPS = {"sign", "sgn", "signbit", "heaviside"}
MODULI = {"abs", "absolute"}
CASTS = {"float", "double", "half", "bfloat16", "bool", "int", "long", "to", "type", "type_as", "getitem", "view",
         "view_as", "reshape", "reshape_as", "flatten", "unflatten", "expand", "expand_as", "squeeze", "unsqueeze",
         "transpose", "permute", "movedim"}
CARRIED = {*CASTS, "invert", "logical_not", "bitwise_not", "logical_and", "logical_or", "bitwise_and", "bitwise_or",
           "and", "or", "neg", "negative", "clone", "detach", "contiguous", "relu", *CLAMPS, *MAXIMA, *MINIMA}
# What joins a value and a sign; those in MASKED may do so by a mask that comes from anywhere.
MASKED = {"where", "masked_fill", "masked_scatter", "setitem", "index_put", "mul", "multiply"}
JOINS = {*MASKED, "add", "sub", "subtract", "rsub", "div", "divide", "true_divide", "addcmul"}


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an activation: `name` is torch's, `s` what it is of, `run` gives its value as a new tensor.

    A "relu" gives factor * relu(s). A "bounded" one is 0 below 0 and cut above as well (relu6, clamp(0, 1)); "other"
    ones are no ReLUs. An "unclear" one cuts at 0, and may be a ReLU or part of one: who asks should refuse it by name.
    """

    name: str
    kind: Kind
    s: Tensor
    run: Callable[[], Tensor]
    factor: float = 1.0

    @property
    def by_hand(self) -> bool:
        """Whether the network itself joins a value and a sign, which may be another value's."""
        return self.name in JOINS


@dataclass(frozen=True, eq=False)
class _Sign:
    """A tensor that holds the sign or the modulus of `source`; the sign alone where it is a step."""

    tensor: Tensor
    source: Tensor
    step: bool


class Watch(TorchFunctionMode):
    """While active, `meet(call)` is asked for the value of every activation, also of those that work in place.

    ReLUs: relu; clamp, clip and clamp_min at 0; hardtanh(0, inf); threshold(0, 0); maximum, fmax and max of a value and
    zeros; and by hand, where the numbers show it: where, masked_fill, x[x < 0] = 0, a product with x > 0 or with a
    sign, x + |x|. Bounds are numbers or tensors. A value that is joined with its own sign otherwise is an "other"
    activation. "Unclear" are a minimum with 0, a value that is cut by the sign of another, a mask of which nothing is
    known where it cut all there was, and ReLUs with out=.
    """

    def __init__(self) -> None:
        super().__init__()
        self._signs: dict[int, _Sign] = {}  # by the id of their tensor, which they keep, so it is no other's

    def meet(self, call: Call) -> Tensor:
        """What to give in the call's place: a new tensor, which is written into what a call in place would change."""
        raise NotImplementedError

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        raw = getattr(func, "__name__", "").split(".")[0]
        name, first = raw.strip("_"), args[0] if args else kwargs.get("input")
        into = first if kwargs.get("inplace") or raw == "__setitem__" or (raw[-1:] == "_" != raw[0]) else None

        def run() -> Tensor:
            return _run(func, args, kwargs, into)

        tensors = list(_tensors((args, kwargs)))
        sign = self._signs.get(id(first))
        call = None if sign and sign.step else _direct(name, args, kwargs, run)
        if call is None and name in JOINS and any(t.dtype == torch.bool or id(t) in self._signs for t in tensors):
            call = self._joined(name, tensors, run)
        if call is not None:
            value = self.meet(call)
            self._signs.pop(id(into), None)  # what is overwritten holds no sign any more
            return value if into is None else into.copy_(value)
        value = func(*args, **kwargs)
        if isinstance(value, Tensor):
            self._note(name, tensors, (*args, *kwargs.values(), None), value)
        return value

    def _note(self, name: str, tensors: list[Tensor], given: tuple[Any, ...], value: Tensor) -> None:
        """Remembers the value where it holds the sign or the modulus of another."""
        known = next((self._signs[id(t)] for t in tensors if id(t) in self._signs), None)
        self._signs.pop(id(value), None)
        if name in COMPARISONS:
            source = next((a for a, b in (given[:2], given[1::-1]) if _floating(a) and (
                not isinstance(b, Tensor) or not isnan(_number(b)))), None)
        else:
            source = tensors[0] if name in STEPS | MODULI and _floating(tensors[0]) else None
        if source is not None and value is not source:
            origin = self._signs[id(source)].source if id(source) in self._signs else source
            self._signs[id(value)] = _Sign(value, origin, name not in MODULI)
        elif known and (name in CASTS or (name in CARRIED | JOINS and not self._values(tensors))):
            self._signs[id(value)] = _Sign(value, known.source, known.step)

    def _values(self, tensors: list[Tensor]) -> list[Tensor]:
        return [t for t in tensors if _floating(t) and id(t) not in self._signs]

    def _joined(self, name: str, tensors: list[Tensor], run: Callable[[], Tensor]) -> Call | None:
        """What a value joined with a sign or a mask is, by its numbers; None: nothing of the kind."""
        values, sources = self._values(tensors), [self._signs[id(t)].source for t in tensors if id(t) in self._signs]
        value = run() if values else None
        if not _floating(value):
            return None
        sources, others = ([s for s in some if s.shape == value.shape] for some in (sources, values))
        for source in sources:
            own = next((t for t in others if t is source or torch.equal(t, source)), None)
            s = source if own is None else own  # the sign may be that of a detached copy
            for way in (s, -s):
                for factor in (1.0, 2.0):  # x + |x| is twice the ReLU
                    if torch.equal(value, factor * way.relu()):
                        sure = own is not None or (bool(value.any()) and s.requires_grad == value.requires_grad)
                        return Call(name, "relu" if sure else "unclear", way, run, factor)
            if own is not None:
                return Call(name, "other", s, run)
        for s in others if name in MASKED else ():
            if bool((s < 0).any()) and torch.equal(value, s.relu()):
                return Call(name, "relu" if bool(value.any()) else "unclear", s, run)
        cut = next((s for s in sources if bool(value.any()) and (_none(value, s < 0) or _none(value, s > 0))), None)
        return None if cut is None else Call(name, "unclear", cut, run)


def cuts_at_0(module: nn.Module) -> bool:
    """Whether the module is a ReLU, bounded above or not: ReLU, ReLU6, Hardtanh(0, c), Threshold(0, 0)."""
    return isinstance(module, nn.ReLU) or (isinstance(module, nn.Hardtanh) and module.min_val == 0) or (
        isinstance(module, nn.Threshold) and module.threshold == module.value == 0)


def _direct(name: str, args: Any, kwargs: Any, run: Callable[[], Tensor]) -> Call | None:
    """What a call is by its name and its bounds alone."""
    s = args[0] if args else kwargs.get("input")
    if name in MAXIMA | MINIMA:
        found = _with_zeros(s, args[1] if len(args) > 1 else kwargs.get("other"))
        s, kind = found, None if found is None else "relu" if name in MAXIMA else "unclear"
    else:
        kind = _kind(name, args, kwargs)
    if kind is None or not _floating(s):
        return None
    return Call(f"{name} with out=", "unclear", s, run) if kwargs.get("out") is not None else Call(name, kind, s, run)


def _kind(name: str, args: Any, kwargs: Any) -> Kind | None:
    if name == "relu":
        return "relu"
    given = dict(zip(BOUNDS.get(name, ()), args[1:], strict=False)) | kwargs
    if name in CLAMPS:
        low, high = _number(given.get("min"), -inf), _number(given.get("max"), inf)
        if isnan(low):  # of several values
            return "unclear" if bool((given["min"] == 0).any()) else None
        return ("relu" if high == inf else "bounded") if low == 0 else "unclear" if high == 0 else None
    if name == "hardtanh" and given.get("min_val", -1) == 0:
        return "relu" if given.get("max_val", 1) == inf else "bounded"
    if name == "threshold" and given.get("threshold") == given.get("value") == 0:
        return "relu"
    return "bounded" if name == "relu6" else "other" if name in OTHER else None


def _with_zeros(a: Any, b: Any) -> Tensor | None:
    """Of a value and zeros the value, as large as both together."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return None  # of one tensor, along an axis
    found = next((value for value, zeros in ((a, b), (b, a)) if _number(zeros) == 0), None)
    return found if found is None or a.shape == b.shape else found.expand(torch.broadcast_shapes(a.shape, b.shape))


def _number(bound: Any, absent: float = nan) -> float:
    """A bound that is a number or a tensor of one value everywhere; NaN for others."""
    if isinstance(bound, Tensor):
        same = bound.numel() and not bound.is_complex() and bool((bound == bound.flatten()[0]).all())
        return float(bound.flatten()[0]) if same else nan
    return absent if bound is None else float(bound)


def _run(func: Callable[..., Any], args: Any, kwargs: Any, into: Tensor | None) -> Tensor:
    """The value of a call as a new tensor, also of one that works in place."""
    if into is None:
        return func(*args, **kwargs)
    copy = into.clone()
    func(*(copy if arg is into else arg for arg in args), **{k: copy if v is into else v for k, v in kwargs.items()})
    return copy


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, (tuple, list, dict)):
        for part in given.values() if isinstance(given, dict) else given:
            yield from _tensors(part)


def _floating(value: Any) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.is_floating_point()


def _none(value: Tensor, places: Tensor) -> bool:
    """Whether the value is 0 at all of these places, of which there are some."""
    return bool(places.any()) and not bool(value[places].any())
