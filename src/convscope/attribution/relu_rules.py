"""Other backward rules for the ReLU: deconvolution and guided backpropagation are the gradient with one of them.

The rules hold for every kind of ReLU (module, functional, method, in-place, reused, clamp at 0), since torch's own
calls are caught while the network runs; nothing in the network is touched.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from convscope import gradients
from convscope.gradients import Target

Rule = type[torch.autograd.Function]

RELU = {torch.relu, functional.relu, Tensor.relu}
INPLACE = {torch.relu_, Tensor.relu_}
CLAMP = {torch.clamp, torch.clamp_min, torch.clip, Tensor.clamp, Tensor.clamp_min, Tensor.clip}
CLAMP_INPLACE = {torch.clamp_, torch.clamp_min_, torch.clip_, Tensor.clamp_, Tensor.clamp_min_, Tensor.clip_}
# Activations for which the rules are not defined: a network with one of them is refused by its name.
REFUSED = frozenset({"gelu", "silu", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "relu6", "hardtanh",
                     "hardswish", "hardsigmoid", "mish", "softplus", "softsign", "sigmoid", "logsigmoid", "tanh",
                     "tanhshrink", "hardshrink", "softshrink", "threshold", "glu"})


class Deconvolution(torch.autograd.Function):
    """Zeiler and Fergus 2014: 1{dl/dx > 0} dl/dx, whatever the activation was."""

    @staticmethod
    def forward(ctx: Any, s: Tensor, inplace: bool) -> Tensor:
        return _forward(ctx, s, inplace)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Any:
        return grad[0].clamp(min=0), None


class Guided(torch.autograd.Function):
    """Springenberg et al. 2014: 1{s > 0} 1{dl/dx > 0} dl/dx."""

    @staticmethod
    def forward(ctx: Any, s: Tensor, inplace: bool) -> Tensor:
        x = _forward(ctx, s, inplace)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Any:
        x, = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad[0].clamp(min=0), x, 0), None


def gradient_by(rule: Rule, model: nn.Module, x: Tensor, target: Target, batch_size: int) -> Tensor:
    """Like x: the gradient of the target's score with this rule for every ReLU.

    Raises ValueError for a network that uses another activation, or no ReLU at all, besides what `gradient` raises.
    """
    with gradients.borrowed(model) as network:
        x, target = gradients.checked(network, x, target)

        def one(x: Tensor, target: Tensor) -> Tensor:
            with _Rules(rule) as rules:
                found = gradients.gradient(network, x, target)
            if not rules.used:
                raise ValueError(f"{type(network).__name__} has no ReLU that torch calls: rules for ReLUs do not "
                                 "apply; take gradient or integrated_gradients")
            return found

        return gradients.in_batches(one, x, target, batch_size)


class _Rules(TorchFunctionMode):
    """Catches torch's ReLUs while active and gives them the rule; refuses other activations by name."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.used = 0

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in RELU or func in INPLACE:
            inplace = func in INPLACE or bool(kwargs.get("inplace", args[1] if len(args) > 1 else False))
            return self._apply(args[0] if args else kwargs["input"], inplace)
        if func in CLAMP or func in CLAMP_INPLACE:
            low, high = _limits(func, args, kwargs)
            if high is None and isinstance(low, (int, float)) and low == 0:
                return self._apply(args[0] if args else kwargs["input"], func in CLAMP_INPLACE)
        name = getattr(func, "__name__", "").strip("_")
        if name in REFUSED:
            raise ValueError(f"rules for ReLUs do not apply to {name}, which this network uses; take gradient, "
                             "smoothgrad or integrated_gradients")
        return func(*args, **kwargs)

    def _apply(self, s: Tensor, inplace: bool) -> Tensor:
        self.used += 1
        return self.rule.apply(s, inplace)  # pyright: ignore[reportReturnType]


def _forward(ctx: Any, s: Tensor, inplace: bool) -> Tensor:
    if inplace:
        ctx.mark_dirty(s)
        return s.relu_()
    return s.relu()


def _limits(func: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The lower and upper limit of a call to clamp or clamp_min."""
    low = kwargs.get("min", args[1] if len(args) > 1 else None)
    return low, kwargs.get("max", args[2] if len(args) > 2 else None)
