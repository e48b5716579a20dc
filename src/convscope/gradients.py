"""Scores of a network and their gradients for its inputs: what attribution, attacks and features share.

A *score* is the logit of one class. A network is borrowed: inside the block it is in eval mode and its weights take no
gradients; afterwards it is as it was, also when an error was raised. Scores and gradients that are NaN or infinite are
refused with the number of the input: no map, no image and no attack is made of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain
from numbers import Integral

import torch
from torch import Tensor, nn

from convscope import outputs
from convscope.outputs import Score

Target = int | Tensor
FLAT = ("a root, norm, power or division at 0, or an overflow: add a small number under it, or convert the model and x "
        "to a wider type")


@contextmanager
def borrowed(model: nn.Module, score: Score | None = None) -> Iterator[nn.Module]:
    """The network itself, taken out of a torch.compile wrapper, in eval mode; gradients flow to inputs only.

    With a `score` (see `convscope.outputs`) it gives what that reads of its output. Every module's mode and every
    weight's requires_grad are put back; a DataParallel runs on one device meanwhile, since what watches a network sees
    one thread. Raises ValueError for what is no module, has weights that are not made yet, or is TorchScript, whose
    inside cannot be watched.
    """
    network = getattr(model, "_orig_mod", model)
    if not isinstance(network, nn.Module):
        raise ValueError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    modules = list(network.modules())
    if any(isinstance(module, torch.jit.ScriptModule) for module in modules):
        raise ValueError("the model is TorchScript, or has a part that is, whose layers cannot be watched: give the "
                         "module that it was made from")
    if any(nn.parameter.is_lazy(w) for w in (*network.parameters(), *network.buffers())):
        raise ValueError(f"{type(network).__name__} has weights whose shape is not known yet (a lazy layer): run it "
                         "once on an input first")
    trained = [module for module in modules if module.training]
    spread = [(module, module.device_ids) for module in modules if isinstance(module, nn.DataParallel)]
    asked = [weight for module in modules for weight in module._parameters.values()
             if weight is not None and weight.requires_grad]
    try:
        if trained:
            network.eval()
        for weight in asked:
            weight.requires_grad = False
        for module, devices in spread:
            module.device_ids = devices[:1]
        with torch.inference_mode(False), torch.enable_grad(), outputs.read_by(network, score):
            yield network
    finally:
        for module, devices in spread:
            module.device_ids = devices
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


def scores(network: nn.Module, x: Tensor, target: Tensor, at: int | Tensor = 0) -> Tensor:
    """[B]: each input's score of its target class, in x's graph.

    `at` is the number of the first input among all, or the number of each. Raises ValueError where the network does not
    take such inputs, returns no [B, K], has no such class, or gives a score that is not finite.
    """
    score_BK = logits(network, x)
    if int(target.max()) >= score_BK.shape[1]:
        raise ValueError(f"targets must be in 0..{score_BK.shape[1] - 1}, one of the model's classes, got "
                         f"{int(target.max())}")
    return finite(score_BK.gather(1, target[:, None])[:, 0], "score", at)


def logits(network: nn.Module, x: Tensor) -> Tensor:
    """[B, K]: the scores of all classes; raises ValueError where the network does not take x or returns otherwise."""
    return outputs.scores(network, x)


def class_scores(network: nn.Module, x: Tensor, at: int | Tensor = 0) -> Tensor:
    """[B, K]: the scores of at least two classes, whose softmax is a distribution. `at` as in `scores`.

    Raises ValueError for one score, whose softmax is 1 whatever it is, and for scores that are NaN or infinite; -inf is
    a class that cannot be.
    """
    score_BK = logits(network, x)
    if score_BK.shape[1] == 1:
        raise ValueError(f"the model must give scores of at least two classes, got {list(score_BK.shape)}, whose "
                         "softmax is 1 whatever they are; if it is one logit whose sigmoid is the probability of class "
                         "1, give score=convscope.outputs.sigmoid")
    finite(score_BK.masked_fill(score_BK == -torch.inf, 0), "score", at)
    return score_BK


def gradient(network: nn.Module, x: Tensor, target: Tensor, at: int | Tensor = 0) -> Tensor:
    """Like x: the gradient of each input's target score with respect to the input, of a borrowed network.

    One backward pass: in eval mode an input's score depends on no other input, so the sum keeps them apart. `at` as in
    `scores`. Raises ValueError where there is no gradient, or one that is not finite.
    """
    x = x.detach().requires_grad_()
    return slope(network, scores(network, x, target, at), x, at)  # Simonyan 2014, eq. 4: w = dS_c / dI


def slope(network: nn.Module, values: Tensor, x: Tensor, at: int | Tensor = 0, name: str = "its input") -> Tensor:
    """Like x: the gradient of the sum of values [B] for x, which is `name`; raises ValueError as `gradient` does."""
    found = slopes(network, values, [x])[0]
    if found is None:
        raise ValueError(f"the scores of {type(network).__name__} do not depend on {name} in torch's graph: its "
                         "forward must not detach or round what it computes with; for such a model take occlusion")
    return finite(found, "gradient", at)


def slopes(network: nn.Module, values: Tensor, several: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """Like each of `several`: the gradient of the sum of values for it, None where they do not depend on it.

    Raises ValueError, one sentence, where torch has no derivative of what the network does.
    """
    if not values.requires_grad:
        return [None] * len(several)
    try:
        return torch.autograd.grad(values.sum(), several, allow_unused=True)
    except RuntimeError as error:
        if values.is_cuda and "out of memory" in str(error):
            raise
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{type(network).__name__} has no gradient ({said}): its forward must not overwrite what it "
                         "computes with, and every function in it needs a derivative; for such a model take occlusion"
                         ) from error


def finite(values: Tensor, what: str, at: int | Tensor = 0) -> Tensor:
    """The values [B, ...] themselves; raises ValueError with the number of the first input whose own are not finite."""
    if not bool(values.isfinite().all()):
        where = int((~values.reshape(len(values), -1).isfinite().all(dim=1)).nonzero()[0])
        number = at + where if isinstance(at, int) else int(at[where])
        raise ValueError(f"the {what} of input {number} must be finite, got NaN or infinity: {FLAT}")
    return values


def in_batches(function: Callable[[Tensor, Tensor, int], Tensor], x: Tensor, target: Tensor,
               batch_size: int) -> Tensor:
    """`function` of inputs, their targets and the number of the first, so many at once, put together.

    Raises ValueError for what is not finite of an input, by its number.
    """
    counts(batch_size=batch_size)
    parts = zip(x.split(batch_size), target.split(batch_size), range(0, len(x), batch_size), strict=True)
    found = [finite(function(*part), "result", part[2]) for part in parts]
    return found[0] if len(found) == 1 else torch.cat(found)


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
        found = gradient(network, points(sample, draw), target[sample], sample)
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
