"""Seconds to decode CIFAR-10 and MNIST once, and to start again from the decoded cache.

    CONVSCOPE_DATA=../shared/data uv run benchmarks/decode_cache.py [--data-root FOLDER] [--repeats 5]

Decodes each set that is there into an empty temporary cache (removed afterwards), then loads it several times more, and
prints the first time and the median of the others; `touch` is how long reading every pixel as float32 takes.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from convscope.data import cifar10, mnist
from convscope.data.dataset import Dataset
from convscope.data.roots import search_roots


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(name: str, load: Callable[[], Dataset], repeats: int) -> str:
    first = seconds(load)
    again = statistics.median(seconds(load) for _ in range(repeats))
    data = load()
    touch = seconds(lambda: [split.x() for split in data.splits.values()])
    n = sum(len(split) for split in data.splits.values())
    return f"{name:<10}{n:>8}{first:>14.2f}{again:>14.3f}{touch:>10.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", help="searched first; then $CONVSCOPE_DATA and ./data")
    parser.add_argument("--repeats", type=int, default=5, help="second starts to take the median of")
    given = parser.parse_args()
    roots = search_roots(given.data_root)
    print(f"{'set':<10}{'images':>8}{'first decode':>14}{'second start':>14}{'touch':>10}  (seconds)")
    for name, load in (("cifar10", cifar10.load), ("mnist", mnist.load)):
        with tempfile.TemporaryDirectory() as cache:
            try:
                print(measure(name, lambda load=load, cache=cache: load(roots=roots, cache=Path(cache)), given.repeats))
            except FileNotFoundError as error:
                print(f"{name:<10} skipped: {error}")


if __name__ == "__main__":
    main()
