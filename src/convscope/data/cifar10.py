"""CIFAR-10 (Krizhevsky 2009) from torchvision's python batches or from an image tree, as a folder or in tar files."""

import hashlib
import io
import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image

from convscope.data import image_files, image_tree
from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.roots import absent, check_file, content

VERSION = 1
KIND = "image"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
EXPECTED = {"train": 50_000, "test": 10_000}
BATCHES = "cifar-10-batches-py"
MAX_BATCH = 64 * 2**20  # bytes; the official ones have 31 MB
MD5 = {  # as torchvision publishes them: a batch is unpickled only with the right one
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def load(*, roots: Sequence[Path], cache: Path, download: bool = False) -> Dataset:
    """CIFAR-10 [N, 3, 32, 32], 50,000 train and 10,000 test images, classes in the official (alphabetical) order.

    Raises FileNotFoundError where it is in no root and `download` is false; ValueError where what is there is damaged,
    incomplete or not CIFAR-10.
    """
    listing = _find(roots, cache)
    if listing is None and download:
        _download(cache)
        listing = _find(roots, cache)
    if listing is None:
        raise absent("CIFAR-10", f"{BATCHES}/, cifar10/ (<train|test>/<class>/<image>, or tar files of it) and "
                     "cifar10.tar", roots, "put one of them there, set env.data_root or CONVSCOPE_DATA, or set "
                     "env.download=true")
    return cached(cache, "cifar10", lambda: _decode(listing), version=VERSION, parameters={}, listing=listing,
                  title="CIFAR-10")


def _find(roots: Sequence[Path], cache: Path) -> Listing | None:
    for root in [*roots, cache / "download"]:
        batches = [root / BATCHES / name for name in MD5]
        if (root / BATCHES).is_dir():
            if missing := [file.name for file in batches if not check_file(file)]:
                raise FileNotFoundError(f"CIFAR-10 is incomplete: {root / BATCHES} has no {missing[0]}; fetch it again")
            return Listing.of(root / BATCHES, batches)
        for tree in (root / "cifar10", root / "cifar10.tar"):
            if (listing := image_tree.find(tree)) is not None:
                return listing
    return None


def _decode(listing: Listing) -> Dataset:
    parts = _from_tree(listing) if isinstance(listing, image_tree.Tree) else _from_batches(listing)
    found = {split: len(part.labels) for split, part in parts.items()}
    if found != EXPECTED:
        raise ValueError(f"CIFAR-10 in {listing.folder} must have {EXPECTED['train']:,} train and {EXPECTED['test']:,} "
                         f"test images, found {found['train']:,} and {found['test']:,} in {len(listing.files):,} "
                         "file(s); is a part missing, or there twice?")
    for split, part in parts.items():
        counts = Counter(part.labels)
        for k, name in enumerate(CLASSES):
            if counts[k] * len(CLASSES) != EXPECTED[split]:
                raise ValueError(f"CIFAR-10 in {listing.folder} must have {EXPECTED[split] // len(CLASSES):,} {split} "
                                 f"images of each class, found {counts[k]:,} of {name}; fetch it again")
    return assemble("cifar10", CLASSES, parts)


def _from_tree(listing: image_tree.Tree) -> dict[str, Part]:
    images: dict[str, list[np.ndarray]] = {split: [] for split in EXPECTED}
    labels: dict[str, list[int]] = {split: [] for split in EXPECTED}
    inside = image_tree.contents(listing)
    for image, (split, label) in inside.images:
        if split is None or label not in CLASSES:
            raise ValueError(f"{image.called} does not belong to CIFAR-10: expected <train|test>/<class>/<image> with "
                             f"a class of {', '.join(CLASSES)}; move it away")
    found, unfit = image_files.decode(image_tree.read(inside), _rgb_32x32)
    image_files.refuse([*inside.unfit, *unfit])
    for one in found:
        images[str(one.split)].append(one.value)
        labels[str(one.split)].append(CLASSES.index(one.label))
    return {split: Part(images[split], labels[split]) for split in EXPECTED}


def _rgb_32x32(image: Image.Image) -> np.ndarray:
    if image.size != (32, 32) or image.mode not in ("RGB", "P", "L"):  # P, L: what lossless optimisers make of RGB
        raise ValueError(f"expected 32x32 RGB, got {image.width}x{image.height} {image.mode}")
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def _from_batches(listing: Listing) -> dict[str, Part]:
    images: dict[str, list[np.ndarray]] = {split: [] for split in EXPECTED}
    labels: dict[str, list[int]] = {split: [] for split in EXPECTED}
    for file in listing.files:
        pixels, batch_labels = _batch(listing.folder / file.name)
        split = "test" if file.name == "test_batch" else "train"
        images[split].append(pixels)
        labels[split].extend(batch_labels)
    return {split: Part(np.concatenate(images[split]), labels[split]) for split in EXPECTED}


def _batch(path: Path) -> tuple[np.ndarray, list[int]]:
    packed = content(path, MAX_BATCH)
    found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    if found != MD5[path.name]:
        raise ValueError(f"{path} is truncated or changed (md5 {found}, expected {MD5[path.name]}); fetch it again")
    batch = _Unpickler(io.BytesIO(packed), encoding="bytes").load()
    pixels, labels = batch[b"data"], batch[b"labels"]
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3072):
        raise ValueError(f"{path} must hold uint8 [{len(labels)}, 3072], got {pixels.dtype} {list(pixels.shape)}; "
                         "fetch it again")
    return pixels.reshape(-1, 3, 32, 32), [int(label) for label in labels]


class _Unpickler(pickle.Unpickler):
    """Knows what an array needs and nothing else: no checksum is so good that code should run on it."""

    def find_class(self, module: str, name: str) -> Any:
        array = {"ndarray": np.ndarray, "dtype": np.dtype}
        if module == "numpy" and name in array:
            return array[name]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]  # numpy's own, wherever this version keeps it
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, encoding: text.encode(encoding)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a CIFAR-10 batch")


def _download(cache: Path) -> None:
    from torchvision.datasets import CIFAR10  # imports torch: only where something is fetched

    folder = cache / "download"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "cifar10.lock"):
            CIFAR10(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise OSError(f"CIFAR-10 could not be downloaded into {folder} ({error}); check the network, or put {BATCHES}/ "
                      "below a data root") from error
