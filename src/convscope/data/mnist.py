"""MNIST (LeCun, Cortes and Burges) from its four idx files, plain or gzipped, in `MNIST/raw`."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock

from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.roots import absent, check_file

VERSION = 1
KIND = "image"
EXPECTED = {"train": 60_000, "test": 10_000}
SPARE = 2**20  # bytes by which a file may be larger than what it holds
FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
         "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}


def load(*, roots: Sequence[Path], cache: Path, download: bool = False) -> Dataset:
    """MNIST [N, 1, 28, 28], 60,000 train and 10,000 test images.

    Raises FileNotFoundError where it is in no root and `download` is false; ValueError naming a truncated file.
    """
    listing = _find(roots, cache)
    if listing is None and download:
        _download(cache)
        listing = _find(roots, cache)
    if listing is None:
        raise absent("MNIST", "MNIST/raw/train-images-idx3-ubyte and the three other idx files (plain or .gz)", roots,
                     "put them there, set env.data_root or CONVSCOPE_DATA, or set env.download=true")
    return cached(cache, "mnist", lambda: _decode(listing), version=VERSION, parameters={}, listing=listing,
                  title="MNIST")


def _find(roots: Sequence[Path], cache: Path) -> Listing | None:
    """The four files of the first folder that has any of them; raises FileNotFoundError where others are missing."""
    for folder in (root / "MNIST" / "raw" for root in [*roots, cache / "download"]):
        wanted = [name for pair in FILES.values() for name in pair]
        files = [next((f for f in (folder / name, folder / f"{name}.gz") if check_file(f)), None) for name in wanted]
        present = [file for file in files if file is not None]
        if len(present) == len(wanted):
            return Listing.of(folder, present)
        if present:
            missing = next(name for name, file in zip(wanted, files, strict=True) if file is None)
            raise FileNotFoundError(f"MNIST is incomplete: {folder} has {present[0].name} but neither {missing} nor "
                                    f"{missing}.gz; add it")
    return None


def _decode(listing: Listing) -> Dataset:
    files = [listing.folder / file.name for file in listing.files]
    parts = {}
    for split, (images, labels) in zip(FILES, (files[:2], files[2:]), strict=True):
        n = EXPECTED[split]
        parts[split] = Part(read_idx(images, (n, 28, 28))[:, None], read_idx(labels, (n,)))
    return assemble("mnist", [str(k) for k in range(10)], parts)


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 array of this shape from an idx file; ValueError where magic, shape or length is another."""
    header = 4 + 4 * len(shape)
    expected = header + int(np.prod(shape))
    if (size := path.stat().st_size) > expected + SPARE:  # gzip would read on through what follows its end
        raise ValueError(f"{path} is damaged (expected at most {expected} bytes, got {size}); fetch it again")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(expected + 1)  # bounded, whatever a crafted file would unpack to
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is truncated or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from error
    magic = bytes([0, 0, 8, len(shape)])
    if content[:4] != magic:
        raise ValueError(f"{path} must be an idx file that begins with {magic.hex()}, got "
                         f"{content[:4].hex() or 'nothing'}; fetch it again")
    held = tuple(np.frombuffer(content[4:header], dtype=">u4").tolist()) if len(content) >= header else ()
    if held != shape:
        raise ValueError(f"{path} must hold {' x '.join(map(str, shape))} bytes, got "
                         f"{' x '.join(map(str, held)) or 'no shape'}; fetch it again")
    if len(content) != expected:
        more = "more" if len(content) > expected else str(len(content))
        raise ValueError(f"{path} is truncated or damaged (expected {expected} bytes, got {more}); fetch it again")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _download(cache: Path) -> None:
    from torchvision.datasets import MNIST  # imports torch: only where something is fetched

    folder = cache / "download"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "mnist.lock"):
            MNIST(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise OSError(f"MNIST could not be downloaded into {folder} ({error}); check the network, or put the idx files "
                      "into MNIST/raw below a data root") from error
