"""Scores of a network and their gradients for its inputs: what attribution, attacks and features share.

A *score* is the logit of one class. A network is borrowed: inside the block it is in eval mode and its weights take no
gradients; afterwards it is as it was, also when an error was raised.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain
from numbers import Integral

import torch
from torch import Tensor, nn

Target = int | Tensor


@contextmanager
def borrowed(model: nn.Module) -> Iterator[nn.Module]:
    """The network itself, taken out of a torch.compile wrapper, in eval mode; gradients flow to inputs only.

    Every module's mode and every weight's requires_grad are put back. Raises ValueError for what is no module, or is
    TorchScript, whose inside cannot be watched.
    """
    network = getattr(model, "_orig_mod", model)
    if not isinstance(network, nn.Module):
        raise ValueError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    modules = list(network.modules())
    if any(isinstance(module, torch.jit.ScriptModule) for module in modules):
        raise ValueError("the model is TorchScript, or has a part that is, whose layers cannot be watched: give the "
                         "module that it was made from")
    trained = [module for module in modules if module.training]
    asked = [weight for module in modules for weight in module._parameters.values()
             if weight is not None and weight.requires_grad]
    try:
        if trained:
            network.eval()
        for weight in asked:
            weight.requires_grad = False
        with torch.inference_mode(False), torch.enable_grad():
            yield network
    finally:
        for module in trained:
            module.training = True
        for weight in asked:
            weight.requires_grad = True


def checked(network: nn.Module, x: Tensor, target: Target, *, texts: bool = False) -> tuple[Tensor, Tensor]:
    """x [B, ...] free of any graph, and the classes int64 [B] to explain, where x lies.

    One whole number stands for all of x. With `texts`, x may be uint8 [B, T] too, whose characters are the network's to
    check. Raises ValueError, one sentence, for inputs that are not finite floating-point
    numbers of the network's own type on its device, for none, and for other targets. (That a target is one of the
    network's classes is checked where its scores are: `scores`.)
    """
    weight = next((w for w in chain(network.parameters(), network.buffers()) if w.is_floating_point()), None)
    written = texts and isinstance(x, Tensor) and x.dtype == torch.uint8 and x.ndim == 2
    _check_inputs(torch.zeros(x.shape, dtype=weight.dtype if weight is not None else torch.float32, device=x.device)
                  if written else x, weight)
    if isinstance(target, int) and not isinstance(target, bool):
        target = torch.full((len(x),), target)
    if not isinstance(target, Tensor) or target.dtype != torch.int64 or target.shape != x.shape[:1]:
        found = _kind(target) if isinstance(target, Tensor) else repr(target)
        raise ValueError(f"target must be a class or int64 [{len(x)}], one class for each input, got {found}")
    if int(target.min()) < 0:
        raise ValueError(f"targets must be 0 or above, one of the model's classes, got {int(target.min())}")
    return (x.clone() if x.is_inference() else x.detach()), target.to(x.device)


def scores(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """[B]: each input's score of its target class, in x's graph.

    Raises ValueError where the network does not take such inputs, returns no [B, K], or has no such class.
    """
    score_BK = logits(network, x)
    if int(target.max()) >= score_BK.shape[1]:
        raise ValueError(f"targets must be in 0..{score_BK.shape[1] - 1}, one of the model's classes, got "
                         f"{int(target.max())}")
    return score_BK.gather(1, target[:, None])[:, 0]


def logits(network: nn.Module, x: Tensor) -> Tensor:
    """[B, K]: the scores of all classes; raises ValueError where the network does not take x or returns otherwise."""
    try:
        score_BK = network(x.clone())  # some networks work in place on what they are given
    except RuntimeError as error:  # torch's own words for a shape that does not fit
        if x.is_cuda and "out of memory" in str(error):
            raise
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{type(network).__name__} does not take inputs {list(x.shape)}: {said}") from None
    if not isinstance(score_BK, Tensor) or score_BK.ndim != 2 or len(score_BK) != len(x):
        found = _kind(score_BK) if isinstance(score_BK, Tensor) else type(score_BK).__name__
        raise ValueError(f"the model must return scores [{len(x)}, K], one for each class, got {found}")
    return score_BK


def gradient(network: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Like x: the gradient of each input's target score with respect to the input, of a borrowed network.

    One backward pass: in eval mode an input's score depends on no other input, so the sum keeps them apart.
    """
    x = x.detach().requires_grad_()
    return torch.autograd.grad(scores(network, x, target).sum(), x)[0]  # Simonyan 2014, eq. 4: w = dS_c / dI


def in_batches(function: Callable[[Tensor, Tensor], Tensor], x: Tensor, target: Tensor, batch_size: int) -> Tensor:
    """`function` of the inputs and targets, so many at once, put together."""
    counts(batch_size=batch_size)
    if batch_size >= len(x):
        return function(x, target)
    return torch.cat([function(*part) for part in zip(x.split(batch_size), target.split(batch_size), strict=True)])


def summed_gradients(network: nn.Module, x: Tensor, target: Tensor, weights: Tensor,
                     points: Callable[[Tensor, Tensor], Tensor], batch_size: int) -> Tensor:
    """Like x: of each input, the sum over j of weights[j] times the gradient at its j-th point.

    `points(sample, draw)` gives the points [P, ...] of so many pairs, each an input's number and a point's; at most
    `batch_size` are alive at once, whatever their number.
    """
    counts(batch_size=batch_size)
    total = torch.zeros_like(x)
    pairs = torch.arange(len(x) * len(weights), device=x.device)
    weights = weights.to(x)
    for pair in pairs.split(batch_size):
        sample, draw = pair // len(weights), pair % len(weights)
        found = gradient(network, points(sample, draw), target[sample])
        total.index_add_(0, sample, found * weights[draw].view(-1, *[1] * (x.ndim - 1)))
    return total


def counts(**values: int) -> None:
    """Raises ValueError for the first of the named values that is no whole number from 1 on."""
    for name, value in values.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")


def layer(network: nn.Module, name: str) -> nn.Module:
    """The module of this name; raises ValueError with the nearest names where there is none."""
    modules = dict(network.named_modules())
    if name not in modules or not name:
        known = [known for known in modules if known]
        near = get_close_matches(name, known, n=5, cutoff=0.3) or known[-5:]
        raise ValueError(f"no layer {name!r} in {type(network).__name__}; the nearest are: {', '.join(near) or 'none'}")
    return modules[name]


def _check_inputs(x: Tensor, weight: Tensor | None) -> None:
    dtype = torch.float32 if weight is None else weight.dtype
    if not isinstance(x, Tensor) or x.ndim < 2 or x.dtype != dtype:
        hint = "; divide pixels of 0..255 by 255" if isinstance(x, Tensor) and x.dtype == torch.uint8 else ""
        found = _kind(x) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be {str(dtype).removeprefix('torch.')} [B, ...], as the model's weights, got {found}"
                         f"{hint}")
    if not len(x):
        raise ValueError(f"x has no input, got {_kind(x)}; give at least one")
    if weight is not None and weight.is_meta and x.is_meta:
        raise ValueError("the model and x are on meta, where there are no numbers: load the weights onto a device")
    if weight is not None and weight.device != x.device:
        raise ValueError(f"the model is on {weight.device}, x on {x.device}: move one of them, "
                         f"x.to({weight.device.type!r})")
    if not bool(x.isfinite().all()):
        where = (~x.flatten(1).isfinite().all(dim=1)).nonzero()[0].item()
        raise ValueError(f"x must be finite, got NaN or infinity in input {where}; remove or fill such values")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
