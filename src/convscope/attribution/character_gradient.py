"""Which characters does a network look at? Gradient x input at the one-hot code (Simonyan 2014, Shrikumar 2016)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.family import Count
from convscope.models.one_hot import OneHot

VERSION = 1
KINDS = ("text",)


def attribute(model: nn.Module, x: Tensor, target: Tensor, *, batch_size: Count = 64) -> Tensor:
    """float32 [B, T] on the CPU: what each character adds to its text's score `target`, to first order.

    x is uint8 [B, T] characters, target int64 [B] classes. Positive speaks for the target: the score loses about that
    much where the character becomes an unknown one, whose code is all zeros; unknown characters get 0. The model is in
    eval mode meanwhile and the same afterwards. Raises ValueError for other inputs, targets or models.
    """
    _check(x, target)
    one_hot = _one_hot(model)
    attribution_BT = torch.zeros(x.shape)
    with gradients.borrowed(model) as network, _taken(one_hot) as taken:
        device = next((t.device for t in (*network.parameters(), *network.buffers())), x.device)
        for start in range(0, len(x), batch_size):
            part = slice(start, start + batch_size)
            x_BT = x[part].to(device)
            taken.clear()
            # One backward pass: a text's score depends on its own characters only, so the sum keeps them apart.
            score = gradients.scores(network, x_BT, target[part].to(device), start)
            # A model that reverses or cuts texts would put the heat on other characters.
            if len(taken) != 1 or not torch.equal(taken[0][0], x_BT):
                found = "other texts" if len(taken) == 1 else f"{len(taken)} calls"
                raise ValueError(f"the model must hand its texts to its OneHot once and as they came, got {found}: "
                                 "reverse or cut them before the model")
            code_BS1T = taken[0][1]
            # Simonyan 2014, eq. 4: w = dS_c / dI
            gradient_BS1T = gradients.slope(network, score, code_BS1T, start, "its code")
            # Shrikumar 2016: gradient x input; of the symbols at a place only the one that stands there is not 0
            attribution_BT[part] = (gradient_BS1T * code_BS1T.detach()).sum(dim=(1, 2)).float().cpu()
    return attribution_BT


def shown(model: nn.Module, x: Tensor, *, alphabet: str, class_names: Sequence[str], unknown: str) -> dict[str, Any]:
    """Of texts x [B, T] what they say and what speaks for the class that the model gives them, as arrays.

    heat float32 [B, T], text [B] (a character outside the alphabet as `unknown`), pred (class names) and prob [B].
    """
    symbols, names = np.array([*alphabet, unknown]), np.array(class_names)
    with torch.no_grad():
        probs = model(x).softmax(1)
    pred = probs.argmax(1)
    return {"heat": attribute(model, x, pred).numpy(), "pred": names[pred.numpy()], "prob": probs.amax(1).numpy(),
            "text": np.array(["".join(symbols[line]) for line in x.numpy()])}


def _check(x: Tensor, target: Tensor) -> None:
    if x.dtype != torch.uint8 or x.ndim != 2:
        raise ValueError(f"x must be uint8 [B, T], the characters' indices, got {_kind(x)}")
    if target.dtype != torch.int64 or target.shape != x.shape[:1]:
        raise ValueError(f"target must be int64 [{len(x)}], one class for each text, got {_kind(target)}")
    if len(target) and int(target.min()) < 0:
        raise ValueError(f"targets must be 0 or above, one of the model's classes, got {int(target.min())}")


def _one_hot(model: nn.Module) -> OneHot:
    found = [module for module in model.modules() if isinstance(module, OneHot)]
    if len(found) != 1:
        raise ValueError("character_gradient needs a model with one module of type convscope.models.one_hot.OneHot, "
                         f"got {type(model).__name__} with {len(found)}: build its text input with OneHot")
    return found[0]


@contextmanager
def _taken(one_hot: OneHot) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """The texts that the network's OneHot gets and their codes, as leaves, land in the list."""
    taken: list[tuple[Tensor, Tensor]] = []

    def take(module: nn.Module, inputs: tuple[Tensor, ...], code_BS1T: Tensor) -> Tensor:
        taken.append((inputs[0], code_BS1T.detach().requires_grad_()))
        return taken[-1][1]

    hook = one_hot.register_forward_hook(take)
    try:
        yield taken
    finally:
        hook.remove()


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
