"""Data complexity: CSG against its authors' package, thresholds against one pass and a sort, memory at CIFAR-10's size.

    pip install --no-deps --target FOLDER spectral-metric==0.6.1     # it pins an old seaborn, not needed here
    CONVSCOPE_DATA=../shared/data PYTHONPATH=FOLDER uv run benchmarks/complexity.py [--rounds 5]

Both packages measure the same draws of the same float32 arrays, in turns; the results must agree to 1e-9 where no
distances are tied (the digits have ties). Memory is the growth of the process's peak over the data themselves.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from convscope.complexity import csg, thresholds
from convscope.data.roots import default_cache, search_roots
from convscope.family import bind


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def reference(x: np.ndarray, y: np.ndarray) -> Any:
    from spectral_metric.estimator import CumulativeGradientEstimator  # pyright: ignore[reportMissingImports]

    estimator = CumulativeGradientEstimator()
    estimator.fit(x, y)
    return estimator


def compare(name: str, x: np.ndarray, y: np.ndarray, rounds: int) -> None:
    drawn = reference(x, y)
    indices = [drawn.class_indices[k] for k in range(int(y.max()) + 1)]

    def ours() -> float:
        return csg.measure(x, y, rng=np.random.default_rng(0), indices=indices).csg

    difference = abs(ours() - float(np.ravel(drawn.csg)[0]))
    times: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(rounds):
        times["theirs"].append(seconds(lambda: reference(x, y)))
        times["ours"].append(seconds(ours))
    theirs, own = (statistics.median(times[which]) for which in ("theirs", "ours"))
    print(f"CSG, {name:<24} theirs {theirs:7.3f} s   ours {own:7.3f} s   {theirs / own:5.1f} x   "
          f"difference {difference:.1e}")


def memory() -> None:
    """Must come first: the peak of a process never falls."""
    x, y = np.random.default_rng(0).integers(0, 256, (50_000, 3072), dtype=np.uint8), np.arange(50_000) % 10
    for name, action in (("thresholds", lambda: thresholds.measure(x, y)),
                         ("CSG", lambda: csg.measure(x, y, rng=np.random.default_rng(0)))):
        before = peak_mib()
        took = seconds(action)
        print(f"{name}, 50,000 x 3,072 uint8: {took:.1f} s, {peak_mib() - before:,.0f} MiB beyond the data's "
              f"{x.nbytes / 2**20:,.0f}")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    memory()
    x, y = (np.asarray(part) for part in load_digits(return_X_y=True))
    compare("digits 1,797 x 64", x, y.astype(int), given.rounds)
    mnist = bind("data", {"name": "mnist"}).call(roots=search_roots(None), cache=Path(default_cache()), download=False)
    split = mnist.splits["train"]
    flat = split.stored.reshape(len(split), -1)
    for n in (1_000, 5_000, 20_000):
        index = np.sort(np.random.default_rng(0).permutation(len(split))[:n])
        compare(f"MNIST {n:,} x 784", (flat[index] / 255).astype(np.float32), split.y[index],
                given.rounds if n < 20_000 else 1)

    whole = np.array(flat)
    once, ours = [], []
    for _ in range(given.rounds):
        once.append(seconds(lambda: np.lexsort((split.y, whole.sum(axis=1, dtype=np.int64)))))
        ours.append(seconds(lambda: thresholds.measure(whole, split.y)))
    print(f"thresholds, MNIST 60,000 x 784: one pass and a sort {statistics.median(once):.3f} s, ours "
          f"{statistics.median(ours):.3f} s")


if __name__ == "__main__":
    main()
