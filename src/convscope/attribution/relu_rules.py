"""Other backward rules for the ReLU: deconvolution and guided backpropagation are the gradient with one of them.

The rules hold for every kind of ReLU that `relus.Watch` finds while the network runs (module, functional, method,
in place, reused, clamp at 0, by hand); nothing in the network is touched.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from convscope import gradients, relus
from convscope.gradients import Target
from convscope.outputs import Score

Rule = Callable[[Tensor], Tensor]  # of a ReLU's input: its output, with a gradient of the rule's own
TAKE = "take gradient, smoothgrad or integrated_gradients"


class Deconvolution(torch.autograd.Function):
    """Zeiler and Fergus 2014: 1{dl/dx > 0} dl/dx, whatever the activation was."""

    @staticmethod
    def forward(ctx: Any, s: Tensor) -> Tensor:
        return s.relu()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Any:
        return _positive(grad[0])


def deconvolution(s: Tensor) -> Tensor:
    """relu(s), whose gradient is Zeiler and Fergus's."""
    return Deconvolution.apply(s)  # pyright: ignore[reportReturnType]


def guided(s: Tensor) -> Tensor:
    """relu(s), whose gradient is that of Springenberg et al. 2014: 1{s > 0} 1{dl/dx > 0} dl/dx."""
    x = s.relu()
    if x.requires_grad:
        x.register_hook(_positive)  # then torch's own rule follows
    return x


def gradient_by(rule: Rule, model: nn.Module, x: Tensor, target: Target, batch_size: int,
                score: Score | None = None) -> Tensor:
    """Like x: the gradient of the target's score with this rule for every ReLU.

    Raises ValueError for a network that uses another activation (bounded ReLUs too), what may be a ReLU but cannot be
    told, or no ReLU at all, besides what `gradient` raises.
    """
    with gradients.borrowed(model, score) as network:
        x, target = gradients.checked(network, x, target)

        def one(x: Tensor, target: Tensor, at: int) -> Tensor:
            with _Rules(rule) as rules:
                found = gradients.gradient(network, x, target, at)
            if not rules.used:
                raise ValueError(f"{type(network).__name__} has no ReLU that torch calls: rules for ReLUs do not "
                                 "apply; take gradient or integrated_gradients")
            return found

        return gradients.in_batches(one, x, target, batch_size)


class _Rules(relus.Watch):
    """Gives torch's ReLUs the rule while active; refuses by name other activations, and what may be a ReLU."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.used = 0

    def meet(self, call: relus.Call) -> Tensor:
        if call.kind == "unclear":
            raise ValueError(f"rules for ReLUs may apply to {call.name}, with which this network cuts values at 0 in a "
                             f"way that cannot be told from a ReLU; write torch.relu, or {TAKE}")
        if call.kind != "relu":
            by_hand = " of a value and its own sign" if call.by_hand else ""
            raise ValueError(f"rules for ReLUs do not apply to {call.name}{by_hand}, which this network uses; {TAKE}")
        if not torch.is_grad_enabled():  # as in an autograd.Function, which has a gradient of its own
            raise ValueError(f"rules for ReLUs do not reach {call.name} where torch records no gradient (no_grad, a "
                             f"torch.autograd.Function); write torch.relu, or {TAKE}")
        self.used += call.s.requires_grad
        value = self.rule(call.s)
        return value if call.factor == 1 else call.factor * value


def _positive(grad: Tensor) -> Tensor:
    return grad.clamp(min=0)
