"""What cannot change a number beyond rounding: device, threads, memory format, compilation. All of it is given back."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

# Measured on 2 cores with batches of 128: ResNet-8 of width 8 is as fast with one thread at 1x16x16 (32,768 values)
# and 1x28x28; from 3x32x32 on (393,216 values) two threads are up to 1.8 times as fast.
SMALL_BATCH = 65536
# Windows [N, C, T], in batches of 512 and 2,048: beside other work two threads were 3 to 17 times slower than one.
SERIES = 3
COMPILE_FROM = 2000  # iterations; below that, compiling costs more than it saves


def device(env: Mapping[str, Any]) -> torch.device:
    """env's device (auto: the GPU where there is one); raises ValueError for one that is not there."""
    name = str(env.get("device", "auto"))
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ValueError(f"env.device must be auto, cpu or cuda, got {name}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("env.device=cuda, but torch sees no CUDA device here; use env.device=auto or cpu")
    return torch.device(name)


def choice(env: Mapping[str, Any], key: str) -> bool | None:
    """env's auto, true or false as None, True or False; raises ValueError for anything else."""
    found = {"auto": None, "true": True, "false": False}
    word = str(env.get(key, "auto")).lower()
    if word not in found:
        raise ValueError(f"env.{key} must be auto, true or false, got {env[key]}")
    return found[word]


@contextmanager
def settings(env: Mapping[str, Any], *, values: int, precision: str = "fp32") -> Iterator[None]:
    """Sets threads (for batches of so many input values) and float32 precision, and restores them after the block.

    fp32 switches off TF32 in cuDNN too, which torch allows by default: it rounds a signal of 1e-3 away.
    """
    asked = env.get("threads", "auto")
    if asked != "auto" and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 1):
        raise ValueError(f"env.threads must be auto or a whole number, at least 1, got {asked}")
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    threads = (1 if values < SMALL_BATCH else before[0]) if asked == "auto" else asked
    benchmark = torch.backends.cudnn.benchmark
    try:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        torch.backends.cudnn.benchmark = device(env).type == "cuda"
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
        torch.backends.cudnn.allow_tf32 = before[2]
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def borrowed(model: nn.Module, device: torch.device, *, channels_last: bool = False) -> Iterator[None]:
    """The model on this device, its weights perhaps in channels_last; its place, format and modes restored after."""
    home = next((p.device for p in model.parameters()), device)
    with _modes_kept(model):
        try:
            model.to(device)
            if channels_last:
                model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            yield
        finally:
            model.to(home)
            if channels_last:
                model.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode inside the block; every module's own mode restored after it."""
    with _modes_kept(model):
        model.eval()
        yield


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def channels_last(env: Mapping[str, Any], model: nn.Module, x: Tensor, *, precision: str = "fp32") -> bool:
    """Whether to train and predict in channels_last: auto does where it is faster and the model can.

    On a CPU, ResNets of 3x3 convolutions gain 25 to 45 %. On a GPU it helps tensor cores only, so not in fp32.
    """
    asked = choice(env, "channels_last")
    if x.ndim != 4 or asked is False:
        return False
    if asked is None:
        convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
        if not convolves or (device(env).type == "cuda" and precision == "fp32"):
            return False
        try:  # a network that calls .view on its activations cannot
            with torch.no_grad(), evaluating(model):
                model(x[:2].to(next(model.parameters()).device).to(memory_format=torch.channels_last))
        except RuntimeError:
            return False
    return True


def compiled(env: Mapping[str, Any], model: nn.Module, x: Tensor, y: Tensor, *,
             loss: Callable[[Tensor, Tensor], Tensor], iterations: int) -> Callable[..., Tensor]:
    """The model's call, compiled where that pays: auto does on a GPU, from 2,000 iterations on.

    Tried once forward and backward on the first batch, with weights and statistics put back. Falls back to the plain
    model, with one line, where it fails.
    """
    asked = choice(env, "compile")
    if asked is False or (asked is None and (x.device.type != "cuda" or iterations < COMPILE_FROM)):
        return model
    state = [(tensor, tensor.detach().clone()) for tensor in chain(model.parameters(), model.buffers())]
    try:
        call = torch.compile(model)
        loss(call(x), y).backward()
        return call.__call__  # a bound method: as a module it would be registered, and its weights saved, twice
    except Exception as error:  # the compiler fails in many ways, and none of them should stop a training
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(f"torch.compile failed, training goes on without it: {reason[:200]}", file=sys.stderr)
        return model
    finally:
        with torch.no_grad():
            for tensor, before in state:
                tensor.copy_(before)
        model.zero_grad(set_to_none=True)


def chunk(x: Tensor) -> int:
    """How many inputs to predict at once: 1,000 images, or 100 texts (uint8), which one-hot codes make far larger."""
    return 100 if x.dtype == torch.uint8 else 1000


def values(x: Tensor, batch_size: int) -> int:
    """How many input values of a batch could be shared among threads: all, but none of a series' windows [N, C, T]."""
    return 0 if x.ndim == SERIES else min(batch_size, len(x)) * math.prod(x.shape[1:])
