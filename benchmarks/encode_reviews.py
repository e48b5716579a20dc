"""Seconds and memory to decode reviews of the size of Zhang et al.'s Yelp set once, and to start again from the cache.

    CONVSCOPE_DATA=../shared/data uv run benchmarks/encode_reviews.py [--data-root FOLDER] [--train N] [--test N]

Writes a csv tar.gz of generated reviews in Zhang et al.'s format into a temporary folder (1 minute, 1 GB with what is
decoded, removed afterwards), loads it in a fresh process, then in a second one. Lengths are drawn from the real Yelp
subset where it is found, else log-normal with its mean and median; the words follow a rank-frequency law. `peak` is the
process's largest resident set, the pages of the decoded files included.
"""

import argparse
import csv
import io
import subprocess
import sys
import tarfile
import tempfile
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from convscope.data.roots import search_roots

SUBSET = "yelp_review_full_csv.tar.gz"
MEAN, MEDIAN = 530, 374  # characters of the subset's reviews
LOAD = """
import resource, sys, time
from pathlib import Path
start = time.perf_counter()
from convscope.data import reviews
data = reviews.load(roots=[Path(sys.argv[1])], cache=Path(sys.argv[1]) / "cache", path="generated")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
n = sum(len(split) for split in data.splits.values())
print(f"{n:>10,}{time.perf_counter() - start:>12.2f}{peak:>12.2f}")
"""


def lengths(n: int, rng: np.random.Generator, roots: list[Path]) -> np.ndarray:
    """Characters of n reviews."""
    found = next((root / SUBSET for root in roots if (root / SUBSET).is_file()), None)
    if found is None:
        print(f"no {SUBSET}: log-normal lengths")
        sigma = np.sqrt(2 * np.log(MEAN / MEDIAN))
        return np.clip(rng.lognormal(np.log(MEDIAN), sigma, n), 1, 6000).astype(int)
    with tarfile.open(found) as tar:
        file = tar.extractfile("yelp_review_full_csv/train.csv")
        assert file is not None
        real = [len(text) for _, text in csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))]
    print(f"lengths drawn from {len(real):,} reviews of {found.name}: mean {np.mean(real):.0f}, "
          f"median {np.median(real):.0f} characters")
    return rng.choice(np.array(real), n)


def write(path: Path, numbers: dict[str, int], roots: list[Path]) -> None:
    """The archive; some words have capitals, quotes, newlines or letters beyond ASCII, as real ones do."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    weights = 1 / np.arange(1, 27)
    words = ["".join(rng.choice(letters, size, p=weights / weights.sum())) for size in 1 + rng.poisson(3.5, 20_000)]
    for i, change in enumerate((str.upper, str.title, '""{}""'.format, "{}.".format, "{}\\n\\n".format, "{}é".format)):
        words[300 + i::400] = [change(word) for word in words[300 + i::400]]
    often = 1 / np.arange(1, len(words) + 1)
    long = " ".join(rng.choice(np.array(words), 2_000_000, p=often / often.sum()))
    sizes = lengths(sum(numbers.values()), rng, roots)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for split, n in numbers.items():
            size, sizes = sizes[:n], sizes[n:]
            start = rng.integers(0, len(long) - size.max(), n)
            rows = []
            for i in range(n):
                text = long[start[i]:start[i] + size[i]].strip('"').replace('""', '"').replace('"', '""')
                rows.append(f'"{i % 5 + 1}","{text.strip() or "x"}"\n')
            content = "".join(rows).encode()
            member = tarfile.TarInfo(f"generated_csv/{split}.csv")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", help="searched first for the real subset; then $CONVSCOPE_DATA and ./data")
    parser.add_argument("--train", type=int, default=650_000, help="reviews for training")
    parser.add_argument("--test", type=int, default=50_000, help="reviews for the test")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "generated_csv.tar.gz"
        numbers = {"train": given.train, "test": given.test}
        # In a process of its own: a child's peak begins with what its parent held when it was started.
        writer = get_context("spawn").Process(target=write, args=(archive, numbers, search_roots(given.data_root)))
        writer.start()
        writer.join()
        if writer.exitcode:
            sys.exit(writer.exitcode)
        print(f"{archive.stat().st_size / 2**20:,.0f} MiB packed")
        print(f"{'':<14}{'texts':>10}{'seconds':>12}{'peak GB':>12}")
        for name in ("first decode", "second start"):
            done = subprocess.run([sys.executable, "-c", LOAD, folder], stdout=subprocess.PIPE, text=True, check=True)
            print(f"{name:<14}{done.stdout.rstrip()}", flush=True)


if __name__ == "__main__":
    main()
