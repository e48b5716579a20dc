"""What can be wrong with a network that runs: the learning rate, modes at evaluation, filters that are never active."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import relus
from convscope.rng import seeded, torch_rng
from convscope.training import machine
from convscope.training.adapt import adapt
from convscope.training.regime import Regime

SMOOTHED = 0.9     # share of the earlier losses in the moving average
NOISY = 20         # first minibatches, whose moving average is of few losses
DIVERGED = 2.0     # times the first loss
SAME = 1e-4        # of the largest logit: two passes that differ by less are the same


def check_takes(model: nn.Module, x: Tensor, *, env: Mapping[str, Any]) -> None:
    """Raises ValueError, one sentence, unless the model can be run on x [N, ...]. The model itself is untouched."""
    device = machine.device(env)
    model = copy.deepcopy(model)
    try:
        with machine.evaluating(model), torch.no_grad():
            adapt(model, x)
            model.to(device)(x.to(device))
    except Exception as error:  # whatever a layer says of a shape that it cannot take
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise ValueError(f"the network does not take inputs [B, {', '.join(map(str, x.shape[1:]))}] ({reason}); build "
                         "it for the data's input_shape, or change the size of the data") from error


@dataclass(frozen=True)
class RangeTest:
    """`lr` and smoothed `loss` [n], one per minibatch. `steepest`: where the loss falls fastest; `diverged`: where it
    has risen to twice the first one or is no longer finite (NaN: never, within the range)."""

    lr: np.ndarray
    loss: np.ndarray
    steepest: float
    diverged: float

    @property
    def fall(self) -> float:
        """How far the loss fell at best, as a share of the first."""
        return float(1 - np.nanmin(self.loss) / self.loss[0]) if np.isfinite(self.loss[0]) else 0.0


def range_test(model: nn.Module, x: Tensor, y: Tensor, regime: Regime, *, seed: int, env: Mapping[str, Any],
               batch_size: int = 128, low: float = 1e-5, high: float = 10.0, steps: int = 120) -> RangeTest:
    """Trains a copy of the model while the learning rate rises from low to high (Smith 2017, Cyclical Learning Rates).

    The regime's optimizer, momentum and weight decay are kept. The model itself is untouched.
    """
    model = copy.deepcopy(model)
    rates = np.geomspace(low, high, steps)
    batch_size = min(batch_size, len(x))
    device = machine.device(env)
    losses: list[float] = []
    with machine.settings(env, values=machine.values(x, batch_size)), seeded(seed, "range test"), torch.enable_grad():
        adapt(model, x)
        model.to(device).train()
        optimizer = regime.build(model.parameters())
        order = torch_rng(seed, "range test")
        average = 0.0
        for step, rate in enumerate(rates):
            for group in optimizer.param_groups:
                group["lr"] = float(rate)
            index = torch.randperm(len(x), generator=order)[:batch_size]
            loss = functional.cross_entropy(model(x[index].to(device)), y[index].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average = SMOOTHED * average + (1 - SMOOTHED) * float(loss.detach())
            losses.append(average / (1 - SMOOTHED ** (step + 1)))
            if not math.isfinite(losses[-1]) or losses[-1] > DIVERGED * losses[0]:
                break
    loss = np.array(losses)
    ended = len(loss) < steps or not math.isfinite(loss[-1])
    finite = loss[np.isfinite(loss)]
    falls = np.gradient(finite, np.log(rates[:len(finite)])) if len(finite) > 1 else np.zeros(1)
    falls[:min(NOISY, len(falls) - 1)] = np.inf
    return RangeTest(rates[:len(loss)], loss, float(rates[int(falls.argmin())]),
                     float(rates[len(loss) - 1]) if ended else math.nan)


@dataclass(frozen=True)
class Evaluation:
    """Largest changes of a logit in eval mode, as shares of the largest logit: of a second pass over the same inputs
    (`repeated`), and of the same inputs, with the same chance, when the others of their batch change (`mixed_in`)."""

    repeated: float
    mixed_in: float

    @property
    def random(self) -> bool:
        """Two passes differ: dropout, or other noise, is active at evaluation."""
        return self.repeated > SAME

    @property
    def mixed(self) -> bool:
        """A logit depends on the other inputs of its batch: batch norm uses the batch's own statistics."""
        return self.mixed_in > SAME


def evaluation(model: nn.Module, x: Tensor, *, seed: int, env: Mapping[str, Any]) -> Evaluation:
    """How far the logits of x [N, ...] depend on chance or on each other in eval mode; they should not."""
    device = machine.device(env)
    with (machine.settings(env, values=machine.values(x, len(x))), machine.borrowed(model, device),
          machine.evaluating(model), torch.no_grad()):
        x, half = x.to(device), len(x) // 2
        passes = []
        for chance, batch in (("a", x), ("b", x), ("a", torch.cat([x[:half], -x[half:]]))):
            with seeded(seed, "evaluation", chance):
                passes.append(model(batch).double()[:half])
    first, again, beside = passes
    scale = float(first.abs().max().clamp(min=1e-12))
    return Evaluation(float((first - again).abs().max()) / scale, float((first - beside).abs().max()) / scale)


@dataclass(frozen=True)
class Units:
    """The units (channels) of one ReLU: `dead` of `total` were active for no input."""

    name: str
    total: int
    dead: int


def dead_units(model: nn.Module, x: Tensor, *, env: Mapping[str, Any]) -> list[Units]:
    """Every ReLU module with the number of its units that are zero for all of x [N, ...], at every place.

    Bounded ones (ReLU6) are ReLUs too. One that is used several times counts as active where it is so once. Functional
    ones are not seen.
    """
    active: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            axes = [d for d in range(output.ndim) if d != 1]
            now = (output > 0).any(dim=axes[0]) if output.ndim == 2 else (output > 0).flatten(2).any(dim=2).any(dim=0)
            active[name] = active[name] | now if name in active and active[name].shape == now.shape else now
        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules()
               if relus.cuts_at_0(module)]
    device = machine.device(env)
    try:
        with (machine.settings(env, values=machine.values(x, machine.chunk(x))), machine.borrowed(model, device),
              machine.evaluating(model), torch.no_grad()):
            for part in x.split(machine.chunk(x)):
                model(part.to(device))
    finally:
        for handle in handles:
            handle.remove()
    return [Units(name, len(found), int((~found).sum())) for name, found in active.items()]
