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

Rule = Callable[[Tensor, bool], Tensor]  # of a ReLU's input, and whether it works in place

# How torch's own functions are treated: at once, in place, or as a clamp whose limits decide.
RELU = {torch.relu: "relu", functional.relu: "relu", Tensor.relu: "relu", torch.relu_: "relu_", Tensor.relu_: "relu_",
        **dict.fromkeys((torch.clamp, torch.clamp_min, torch.clip, Tensor.clamp, Tensor.clamp_min, Tensor.clip),
                        "clamp"),
        **dict.fromkeys((torch.clamp_, torch.clamp_min_, torch.clip_, Tensor.clamp_, Tensor.clamp_min_, Tensor.clip_),
                        "clamp_")}
# Activations for which the rules are not defined: a network with one of them is refused by its name.
REFUSED = frozenset({"gelu", "silu", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "relu6", "hardtanh",
                     "hardswish", "hardsigmoid", "mish", "softplus", "softsign", "sigmoid", "logsigmoid", "tanh",
                     "tanhshrink", "hardshrink", "softshrink", "threshold", "glu"})


class Deconvolution(torch.autograd.Function):
    """Zeiler and Fergus 2014: 1{dl/dx > 0} dl/dx, whatever the activation was."""

    @staticmethod
    def forward(ctx: Any, s: Tensor, inplace: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(s)
            return s.relu_()
        return s.relu()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Any:
        return _positive(grad[0]), None


def deconvolution(s: Tensor, inplace: bool) -> Tensor:
    """relu(s), whose gradient is Zeiler and Fergus's."""
    return Deconvolution.apply(s, inplace)  # pyright: ignore[reportReturnType]


def guided(s: Tensor, inplace: bool) -> Tensor:
    """relu(s), whose gradient is that of Springenberg et al. 2014: 1{s > 0} 1{dl/dx > 0} dl/dx."""
    x = s.relu_() if inplace else s.relu()
    if x.requires_grad:
        x.register_hook(_positive)  # then torch's own rule follows
    return x


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
        kind = RELU.get(func)
        if kind is None:
            name = getattr(func, "__name__", "").strip("_")
            if name in REFUSED:
                raise ValueError(f"rules for ReLUs do not apply to {name}, which this network uses; take gradient, "
                                 "smoothgrad or integrated_gradients")
            return func(*args, **kwargs)
        if kind.startswith("clamp") and not _from_zero(args, kwargs):
            return func(*args, **kwargs)
        inplace = kind.endswith("_") or (kind == "relu" and bool(kwargs.get("inplace", args[1:] and args[1])))
        self.used += 1
        return self.rule(args[0] if args else kwargs["input"], inplace)


def _positive(grad: Tensor) -> Tensor:
    return grad.clamp(min=0)


def _from_zero(args: Any, kwargs: Any) -> bool:
    """Whether a call to clamp or clamp_min cuts at 0 and nowhere else."""
    low = kwargs.get("min", args[1] if len(args) > 1 else None)
    high = kwargs.get("max", args[2] if len(args) > 2 else None)
    low = low.item() if isinstance(low, Tensor) and low.numel() == 1 else low
    return high is None and isinstance(low, (int, float)) and low == 0
