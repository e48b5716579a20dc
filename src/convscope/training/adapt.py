"""Statistics that a network takes from its training inputs once, before training."""

import torch
from torch import Tensor, nn

from convscope.models.classifier import Classifier
from convscope.training import machine


def adapt(model: nn.Module, x: Tensor, *, batch_size: int | None = None) -> None:
    """Calls `adapt` once on every outermost module that has it, with what it would be given of x [N, ...].

    As Keras' Normalization.adapt. A Classifier's own adapt is passed over: it would hand x on to its network alone.
    """
    for module in _adaptable(model):
        seen: list[Tensor] = []

        def keep(_: nn.Module, inputs: tuple[Tensor, ...], seen: list[Tensor] = seen) -> None:
            seen.append(inputs[0])
            raise _Reached

        hook = module.register_forward_pre_hook(keep)
        try:
            with torch.no_grad(), machine.evaluating(model):
                for part in x.split(batch_size or machine.chunk(x)):
                    try:
                        model(part)
                    except _Reached:
                        continue
        finally:
            hook.remove()
        getattr(module, "adapt")(torch.cat(seen))  # noqa: B009  (nn.Module declares no such method)


class _Reached(Exception):  # noqa: N818  (nothing is wrong: the forward pass has come far enough)
    pass


def _adaptable(module: nn.Module) -> list[nn.Module]:
    if callable(getattr(module, "adapt", None)) and not isinstance(module, Classifier):
        return [module]
    return [found for child in module.children() for found in _adaptable(child)]
