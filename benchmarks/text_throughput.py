"""Training texts per second of the character ConvNet: indices on the device against a loader of dense one-hot codes.

    uv run benchmarks/text_throughput.py                                     # features 64, 1014 characters: 2 minutes
    uv run benchmarks/text_throughput.py --features 256 --units 1024 --iterations 4
    uv run benchmarks/text_throughput.py --features 256 --units 1024 --iterations 200 --precision bf16       # a GPU

`ours` is `fit` on uint8 indices with the one-hot code made inside the network. `dense` is what tutorials do: a Dataset
that makes a float [70, T] code per text, a DataLoader, Conv1d layers, the same layers and the same SGD.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from convscope.data.texts import ALPHABET
from convscope.models import char_cnn
from convscope.rng import seeded
from convscope.training import machine
from convscope.training.fit import fit

CLASSES = 5


class Dense(Dataset[tuple[Tensor, Tensor]]):
    """One float one-hot code [S, T] per text, made when it is asked for."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        code = torch.zeros(len(ALPHABET) + 1, self.x.shape[1])
        code.scatter_(0, self.x[i].long()[None], 1.0)
        return code[:-1], self.y[i]


def conv1d(features: int, units: int, length: int) -> nn.Module:
    """The layers of `char_cnn` over [B, S, T], as a tutorial writes them."""
    layers: list[nn.Module] = []
    channels = len(ALPHABET)
    for i, size in enumerate((7, 7, 3, 3, 3, 3)):
        layers += [nn.Conv1d(channels, features, size), nn.ReLU(), *([nn.MaxPool1d(3)] if i in (0, 1, 5) else [])]
        channels = features
    flat = (length - 96) // 27 * features
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, units), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(units, units), nn.ReLU(), nn.Dropout(0.5), nn.Linear(units, CLASSES))


def ours(x: Tensor, y: Tensor, args: argparse.Namespace) -> float:
    env = {"device": args.device, "threads": args.threads, "compile": False, "progress": False}
    fitted = fit(copy.deepcopy(args.network), x, y, seed=0, env=env, iterations=args.iterations, milestones=(),
                 batch_size=args.batch_size, lr=0.01, precision=args.precision)
    return fitted.samples_per_second


def dense(x: Tensor, y: Tensor, args: argparse.Namespace, workers: int) -> float:
    device = torch.device(args.device)
    model = conv1d(args.features, args.units, args.length).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=1e-4)
    loader = DataLoader(Dense(x, y), args.batch_size, shuffle=True, drop_last=True, num_workers=workers,
                        pin_memory=device.type == "cuda")
    batches = iter(loader)
    next(batches)  # starting the workers is not counted
    done, start = 0, _now(device)
    while done < args.iterations:
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            continue
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            loss = functional.cross_entropy(model(batch[0].to(device)), batch[1].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1
    return args.iterations * args.batch_size / (_now(device) - start)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--length", type=int, default=1014)
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    args = parser.parse_args()
    with seeded(0, "benchmark"):
        x = torch.randint(len(ALPHABET) + 1, (args.texts, args.length), dtype=torch.uint8)
        y = torch.randint(CLASSES, (args.texts,))
        args.network = char_cnn.build(n_classes=CLASSES, input_shape=(args.length,), alphabet=ALPHABET,
                                      features=args.features, units=args.units)
    ways: dict[str, Callable[[Tensor, Tensor, argparse.Namespace], float]] = {
        "dense one-hot loader, 0 workers": lambda *a: dense(*a, workers=0),
        "dense one-hot loader, 2 workers": lambda *a: dense(*a, workers=2), "ours": ours}
    found: dict[str, list[float]] = {name: [] for name in ways}
    with machine.settings({"device": args.device}, values=machine.values(x, args.batch_size), precision=args.precision):
        args.threads = torch.get_num_threads()
        for round_ in range(args.rounds + 1):  # the first round warms up, and is not counted
            for name, way in ways.items():
                speed = way(x, y, args)
                if round_:
                    found[name].append(speed)
    print(f"char_cnn, features {args.features}, units {args.units}, {args.length} characters, batch {args.batch_size}, "
          f"{args.iterations} steps, {args.device}, {args.precision}, {args.threads} threads; median of {args.rounds} "
          "rounds")
    base = statistics.median(found["dense one-hot loader, 0 workers"])
    for name, speeds in found.items():
        middle = statistics.median(speeds)
        print(f"{name:34} {middle:8,.0f} texts/s   {middle / base:5.2f} x dense   "
              f"({min(speeds):,.0f} to {max(speeds):,.0f})")
    code = 4 * len(ALPHABET) * args.length
    print(f"one text in memory: {args.length:,} bytes as indices, {code:,} as a float one-hot code")


if __name__ == "__main__":
    main()
