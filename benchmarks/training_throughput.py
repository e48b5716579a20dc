"""Training images per second: our path, a plain PyTorch loop, and Lightning with a DataLoader, alternating in one run.

    uv run benchmarks/training_throughput.py                          # ResNet-8, width 8, 1x16x16: about a minute
    uv run benchmarks/training_throughput.py --depth 20 --width 1 --shape 3 32 32 --iterations 20
    uv run benchmarks/training_throughput.py --depth 56 --width 1 --shape 3 32 32 --iterations 500 --compile   # a GPU

Each way trains the same network on the same images for the same number of steps; compilation is not timed. The
plain loop indexes tensors that lie on the device, with the same threads and memory format as ours.
"""

import argparse
import copy
import logging
import statistics
import time
import warnings
from collections.abc import Callable

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from convscope.models import resnet
from convscope.rng import seeded
from convscope.training import machine
from convscope.training.fit import fit

Way = Callable[[nn.Module, Tensor, Tensor, argparse.Namespace], float]


def ours(model: nn.Module, x: Tensor, y: Tensor, args: argparse.Namespace, compiled: bool = False) -> float:
    env = {"device": args.device, "threads": args.threads, "compile": compiled, "channels_last": args.channels_last,
           "progress": False}
    fitted = fit(model, x, y, seed=0, env=env, iterations=args.iterations, batch_size=args.batch_size, milestones=(),
                 precision=args.precision)
    return fitted.samples_per_second


def plain(model: nn.Module, x: Tensor, y: Tensor, args: argparse.Namespace, compiled: bool = False) -> float:
    device, last = torch.device(args.device), args.channels_last
    model.to(device).train()
    x, y = x.to(device), y.to(device)
    if last:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        x = x.to(memory_format=torch.channels_last)
    call = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=1e-4, fused=device.type == "cuda")

    def step(rows: Tensor) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            loss = functional.cross_entropy(call(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    if compiled:
        step(torch.arange(args.batch_size, device=device))
    done, start = 0, _now(device)
    while done < args.iterations:
        for rows in torch.randperm(len(x), device=device).split(args.batch_size)[:args.iterations - done]:
            if len(rows) == args.batch_size:
                step(rows)
                done += 1
    return args.iterations * args.batch_size / (_now(device) - start)


class Usual(lightning.LightningModule):
    """Lightning as its tutorial has it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = functional.cross_entropy(self.model(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1, 0.9, weight_decay=1e-4)

    def on_train_start(self) -> None:
        self.started = _now(self.device)

    def on_train_end(self) -> None:
        self.seconds = _now(self.device) - self.started


def loader(model: nn.Module, x: Tensor, y: Tensor, args: argparse.Namespace, workers: int = 0) -> float:
    data = DataLoader(TensorDataset(x, y), args.batch_size, shuffle=True, drop_last=True, num_workers=workers,
                      persistent_workers=workers > 0, pin_memory=args.device == "cuda")
    trainer = lightning.Trainer(accelerator="gpu" if args.device == "cuda" else "cpu", devices=1, logger=False,
                                max_steps=args.iterations, enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False,
                                precision="bf16-mixed" if args.precision == "bf16" else "32-true")
    usual = Usual(model)
    trainer.fit(usual, data)
    return args.iterations * args.batch_size / usual.seconds


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--width", type=float, default=0.5, help="times 16, 32, 64 channels")
    parser.add_argument("--shape", type=int, nargs=3, default=[1, 16, 16])
    parser.add_argument("--images", type=int, default=4800)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="also compiled, ours and plain")
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")

    with seeded(0, "benchmark"):
        x, y = torch.rand(args.images, *args.shape), torch.randint(10, (args.images,))
        model = resnet.build(n_classes=10, input_shape=tuple(args.shape), depth=args.depth, width=args.width)
    env = {"device": args.device}
    args.channels_last = machine.channels_last(env, model, x, precision=args.precision)
    ways: dict[str, Way] = {"plain loop": plain, "ours": ours, "Lightning, DataLoader, 0 workers": loader,
                            "Lightning, DataLoader, 2 workers": lambda *a: loader(*a, workers=2)}
    if args.compile:
        ways |= {"plain loop, compiled": lambda *a: plain(*a, compiled=True),
                 "ours, compiled": lambda *a: ours(*a, compiled=True)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    with machine.settings(env, values=machine.values(x, args.batch_size), precision=args.precision):
        args.threads = torch.get_num_threads()
        for round_ in range(args.rounds + 1):  # the first round warms up, and is not counted
            for name, way in ways.items():
                speed = way(copy.deepcopy(model), x, y, args)
                if round_:
                    found[name].append(speed)
    print(f"ResNet-{args.depth}, width {args.width:g}, {'x'.join(map(str, args.shape))}, batch {args.batch_size}, "
          f"{args.iterations} steps, {args.device}, {args.precision}, {args.threads} threads, "
          f"channels_last {args.channels_last}; median of {args.rounds} rounds")
    base = statistics.median(found["plain loop"])
    for name, speeds in found.items():
        middle = statistics.median(speeds)
        print(f"{name:34} {middle:10,.0f} samples/s   {middle / base:5.2f} x plain   "
              f"({min(speeds):,.0f} to {max(speeds):,.0f})")


if __name__ == "__main__":
    main()
