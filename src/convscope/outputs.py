"""What other people's networks give: run with errors in one sentence, and read as scores [B, K].

A `score` says where in an output the scores are: a key of a dict, a place in a tuple, a field of a record, or a
function of the output. Without one the output is the scores.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

Score = str | int | Callable[[Any], Tensor]
# What torch and its layers raise for what does not fit them.
FAILURES = (RuntimeError, TypeError, IndexError, AssertionError, AttributeError, ValueError)
SHOWN = 6  # parts of an output that a message names


def sigmoid(output: Tensor) -> Tensor:
    """[B, 2] of one logit [B, 1] or [B] whose sigmoid is the probability of class 1: `score=sigmoid`.

    The two logits 0 and z have the softmax 1 - sigmoid(z) and sigmoid(z).
    """
    if not isinstance(output, Tensor) or output.ndim not in (1, 2) or (output.ndim == 2 and output.shape[1] != 1):
        raise ValueError(f"sigmoid reads one logit for each input, [B, 1] or [B], got {described(output)}")
    logit_B1 = output.reshape(-1, 1)
    return torch.cat([torch.zeros_like(logit_B1), logit_B1], dim=1)


def run(network: nn.Module, x: Tensor) -> Any:
    """What the network gives for x, whatever it is; raises ValueError, one sentence, where it does not take x."""
    try:
        return network(x.clone())  # some networks work in place on what they are given
    except FAILURES as error:
        if _ours(error) or (x.is_cuda and "out of memory" in str(error)):
            raise
        raise ValueError(_misfit(network, x, error)) from error


def scores(network: nn.Module, x: Tensor) -> Tensor:
    """[B, K]: the scores of all classes; raises ValueError where the network does not take x or returns otherwise."""
    output = run(network, x)
    if isinstance(output, Tensor) and output.ndim == 2 and len(output) == len(x) and output.shape[1] and (
            output.is_floating_point()):
        return output
    raise ValueError(f"the model must return scores [{len(x)}, K], one for each class, got {described(output)}; "
                     f"{_advice(output, len(x))}")


@contextmanager
def read_by(network: nn.Module, score: Score | None) -> Iterator[None]:
    """Inside, the network gives what `score` reads of its output; raises ValueError for what is no score."""
    if score is None:
        yield
        return
    if isinstance(score, bool) or not (isinstance(score, (str, int)) or callable(score)):
        raise ValueError(f"score must be a key, a place or a field of the model's output, or a function of it, got "
                         f"{score!r}")
    handle = network.register_forward_hook(lambda _, __, output: _read(output, score))
    try:
        yield
    finally:
        handle.remove()


def described(output: Any) -> str:
    """What an output is, with the names, types and shapes of its parts."""
    if isinstance(output, Tensor):
        return f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}"
    found = _parts(output)
    if not found:
        return type(output).__name__
    shown = [f"{key} {described(part) if isinstance(part, Tensor) else type(part).__name__}"
             for key, part in list(found.items())[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{type(output).__name__} with {', '.join(shown)}{more}"


def _read(output: Any, score: Score) -> Tensor:
    if callable(score):
        try:
            found = score(output)
        except FAILURES + (KeyError,) as error:
            if _ours(error):
                raise
            raise ValueError(f"score must be a function of what the model gives, {described(output)}, it says: "
                             f"{_first_line(error)}") from error
    else:
        named = not isinstance(output, tuple) or isinstance(score, str)
        parts: dict[Any, Any] = _parts(output) if named else dict(enumerate(output))  # a named tuple has places too
        if score not in parts and not hasattr(output, str(score)):
            raise ValueError(f"the model's output has no {score!r}, it is {described(output)}; "
                             f"{_advice(output, None)}")
        found = parts[score] if score in parts else getattr(output, str(score))
    if not isinstance(found, Tensor):
        raise ValueError(f"score must give a tensor [B, K], got {described(found)} of {described(output)}")
    return found


def _parts(output: Any) -> dict[Any, Any]:
    """Key, place or field -> part of a dict, a list, a tuple or a record."""
    if isinstance(output, Mapping):
        return dict(output)
    if isinstance(output, (tuple, list)):
        names = getattr(output, "_fields", range(len(output)))
        return dict(zip(names, output, strict=True))
    if is_dataclass(output) and not isinstance(output, type):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return {} if isinstance(output, Tensor) else dict(getattr(output, "__dict__", {}))


def _advice(output: Any, batch: int | None) -> str:
    """What to do about an output that is no scores."""
    if not isinstance(output, Tensor):
        fits = [key for key, part in _parts(output).items() if isinstance(part, Tensor) and part.ndim == 2 and (
            batch in (None, len(part)))]
        which = f", as score={fits[0]!r}," if fits else ""
        return (f"choose them by score= (a key, a place or a function of the output){which} or by a module around the "
                "model")
    if not output.is_floating_point():
        return "give the scores, in floating point, that the classes are chosen by"
    if output.shape == (batch,):
        return ("make two of one logit by score=convscope.outputs.sigmoid, or [B, 1] of one value by score=lambda out: "
                "out[:, None]")
    if output.ndim > 2 and len(output) == batch:
        axes = list(range(2, output.ndim))
        return f"give one number for each class, as by score=lambda out: out.mean(dim={axes}), or that of one place"
    return "the first axis must be the inputs', the second the classes'; score=, a function of the output, can choose"


def _misfit(network: nn.Module, x: Tensor, error: Exception) -> str:
    """One sentence on why the network does not take x."""
    name = type(network).__name__
    if isinstance(error, TypeError):
        try:
            inspect.signature(network.forward).bind(x)
        except TypeError:
            takes = str(inspect.signature(network.forward)).partition(" ->")[0]
            return (f"{name} must take one input x, its forward is {takes}; put it in a module whose forward(x) gives "
                    "the others")
    said = _first_line(error)
    hint = "; convert the model and x to float32" if "not implemented for '" in said and x.dtype in (
        torch.float16, torch.bfloat16) else ""
    return f"{name} does not take inputs {list(x.shape)}: {said}{hint}"


def _ours(error: BaseException) -> bool:
    """Whether it is a sentence of this package's, raised while the network ran: by what watches it, or by its code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    inside = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return isinstance(error, ValueError) and inside.split(".")[0] == "convscope"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
