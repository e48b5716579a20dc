"""Processor milliseconds per step of training a forecaster: ours, a plain loop, and ours in blocks of one minibatch.

    uv run benchmarks/forecaster_training.py [--rounds 21] [--steps 300]         # three minutes

A step of these networks is so short that what Lightning does around each thing that it sees counts: ours hands it
minibatches in blocks. The ways take turns in one process on one thread, from the call to the trained weights, in
processor time, which other jobs move least. They end in the same weights bit by bit, which is checked. The inputs are
random windows in the presets' shapes and batches.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.models import day_attention, traffic_cnn
from convscope.rng import seeded, torch_rng
from convscope.training import module
from convscope.training.batches import DeviceBatches
from convscope.training.fit import fit
from convscope.training.objective import SquaredError
from convscope.training.regime import Regime

ENV = {"device": "cpu", "threads": 1, "progress": False}
CASES: dict[str, tuple[Callable[..., nn.Module], tuple[int, int], dict[str, Any]]] = {
    "traffic_cnn, batches of 64": (traffic_cnn.build, (2, 50), {
        "batch_size": 64, "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "schedule": "constant",
        "validation": 2000}),
    "traffic_cnn, batches of 5": (traffic_cnn.build, (2, 50), {
        "batch_size": 5, "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "schedule": "inverse", "decay": 1e-3,
        "validation": 2000}),
    "day_attention, batches of 512": (day_attention.build, (8, 53), {
        "batch_size": 512, "optimizer": "adamw", "lr": 1e-2, "weight_decay": 1e-3, "schedule": "cosine",
        "warmup": 100, "validation": 0}),
}


def plain(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int, validation: int, iterations: int,
          **given: Any) -> None:
    """What training was before it was Lightning's: the losses, the held-out loss of each epoch and its best weights."""
    regime = Regime(**{"iterations": iterations, "momentum": 0.9, "milestones": (), "decay": 0.1, "warmup": 0, **given})
    n, best, kept = len(x) - validation, float("inf"), None
    batches = DeviceBatches(x[:n], y[:n], batch_size=batch_size, iterations=iterations, seed=0)
    optimizer = regime.build(model.train().parameters())
    while batches.step < iterations:
        losses = []
        for step, part, target in batches:
            for group in optimizer.param_groups:
                group["lr"] = regime.rate(step)
            loss = functional.mse_loss(model(part)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).double().mean().item()
        if validation:
            with torch.no_grad():
                wrong = torch.cat([model(part)[:, 0] for part in x[n:].split(4096)]) - y[n:]
            held = wrong.double().square().mean().item()
            if held < best:
                best, kept = held, {k: v.detach().clone() for k, v in model.state_dict().items()}
    if kept is not None:
        model.load_state_dict(kept)


def ours(model: nn.Module, x: Tensor, y: Tensor, *, block: int = module.BLOCK, **given: Any) -> None:
    module.BLOCK, before = block, module.BLOCK
    fit(model, x, y, seed=0, env=ENV, objective=SquaredError(), **given)
    module.BLOCK = before


def seconds(way: Callable[..., None], model: nn.Module, *samples: Tensor, **given: Any) -> float:
    start = time.process_time()
    way(model, *samples, **given)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--windows", type=int, default=14000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    ways = {"plain": plain, "ours": ours, "blocks of 1": lambda *a, **given: ours(*a, block=1, **given)}
    for name, (build, shape, given) in CASES.items():
        x = torch.randn(args.windows, *shape, generator=torch_rng(0, "x"))
        y = torch.randn(args.windows, generator=torch_rng(0, "y"))
        with seeded(0, "init"):
            untrained = build(input_shape=shape)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for round_ in range(args.rounds + 1):  # the first round warms up, and is not counted
            models = {way: copy.deepcopy(untrained) for way in ways}
            for way, function in ways.items():
                taken = seconds(function, models[way], x, y, iterations=args.steps, **given)
                if round_:
                    times[way].append(1e3 * taken / args.steps)
            weights = [torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models.values()]
            assert all(torch.equal(weights[0], other) for other in weights[1:]), "other weights than the plain loop's"
        median = {way: statistics.median(one) for way, one in times.items()}
        print(f"{name:30}" + "   ".join(
            f"{way} {value:6.3f} ms ({value / median['plain']:.2f} x; {min(times[way]):.3f} to {max(times[way]):.3f})"
            for way, value in median.items()), flush=True)


if __name__ == "__main__":
    main()
