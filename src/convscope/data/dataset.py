"""Records of a data set: fixed splits in canonical order, checked, with a fingerprint."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Split:
    """One split in canonical order (class, then content hash).

    `stored` is uint8 [N, C, H, W], usually a read-only memory map; `y` int64 [N]; `ids` texts [N]: 16 hex digits of the
    image's content hash, with -2, -3, ... where the same pixels occur again. An id names an image within its split.
    """

    stored: np.ndarray
    y: np.ndarray
    ids: np.ndarray

    def x(self, index: slice | np.ndarray | Sequence[int] = slice(None)) -> np.ndarray:
        """float32 [n, C, H, W] in [0, 1] of the samples at `index`: a copy."""
        x = np.array(self.stored[index], dtype=np.float32)
        x /= 255
        return x

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """`fingerprint` (64 hex digits) is of kind, class names, pixels and labels, whatever the layout and file names."""

    name: str
    kind: str
    splits: Mapping[str, Split]
    class_names: tuple[str, ...]
    fingerprint: str

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.splits["train"].stored.shape[1:]


class Part(NamedTuple):
    """A split as it was read, in any order: uint8 [C, H, W] images, their labels, and (for errors) their names."""

    images: Sequence[np.ndarray] | np.ndarray
    labels: Sequence[int] | np.ndarray
    names: Sequence[str] = ()

    def called(self, split: str, i: int) -> str:
        return self.names[i] if self.names else f"image {i} of {split}"


def assemble(name: str, class_names: Sequence[str], parts: Mapping[str, Part]) -> Dataset:
    """An image data set from parts in any order; raises ValueError naming the image or class that is wrong."""
    _check_classes(name, class_names, parts)
    _check_images(name, parts)
    splits = {split: _canonical(part) for split, part in parts.items()}
    return Dataset(name, "image", splits, tuple(class_names), fingerprint("image", class_names, splits))


def fingerprint(kind: str, class_names: Sequence[str], splits: Mapping[str, Split]) -> str:
    """sha256 over kind, class names, and each split's shape, labels and pixels in canonical order."""
    digest = hashlib.sha256(repr((kind, tuple(class_names))).encode())
    for split in sorted(splits):
        part = splits[split]
        digest.update(repr((split, part.stored.shape)).encode())
        digest.update(np.ascontiguousarray(part.y, dtype="<i8").data)
        digest.update(np.ascontiguousarray(part.stored).data)
    return digest.hexdigest()


def balanced_subset(y: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted int64 indices of n samples, each class in proportion to its count in `y`, to the nearest whole sample.

    Where n allows it every class has at least one; `rng` draws the samples, and which classes get what rounding leaves.
    Raises ValueError where n is below 1 or above len(y).
    """
    if not 1 <= n <= len(y):
        raise ValueError(f"a subset must hold between 1 and {len(y)} samples (all there are), got {n}; change n_train")
    classes, counts = np.unique(y, return_counts=True)
    take = n * counts // len(y)
    least = int(n >= len(classes))
    take = np.maximum(take, least)
    tie = rng.permutation(len(classes))
    while (step := int(np.sign(n - take.sum()))) != 0:
        lacking = step * (n * counts - take * len(y))  # times len(y): whole numbers, so that ties are exact
        may = take > least if step < 0 else take < counts
        take[max(np.flatnonzero(may), key=lambda k: (lacking[k], tie[k]))] += step
    chosen = [rng.choice(np.flatnonzero(y == k), size=m, replace=False) for k, m in zip(classes, take, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _check_classes(name: str, class_names: Sequence[str], parts: Mapping[str, Part]) -> None:
    n_classes = len(class_names)
    if n_classes < 2:
        raise ValueError(f"{name}: expected at least two classes, got {', '.join(class_names) or 'none'}; add another")
    if repeated := [k for k, count in Counter(class_names).items() if count > 1]:
        raise ValueError(f"{name}: class names must differ, got {repeated[0]} twice")
    for split, part in parts.items():
        if len(part.images) != len(part.labels) or not len(part.labels):
            raise ValueError(f"{name}: {split} must have images and one label for each, "
                             f"got {len(part.images)} images and {len(part.labels)} labels")
        labels = np.asarray(part.labels)
        if labels.dtype.kind not in "iu":
            raise ValueError(f"{name}: labels of {split} must be whole numbers, got {labels.dtype}")
        if len(wrong := np.flatnonzero((labels < 0) | (labels >= n_classes))):
            raise ValueError(f"{name}: labels must be in 0..{n_classes - 1}, "
                             f"got {labels[wrong[0]]} for {part.called(split, int(wrong[0]))}")
    present = set(np.asarray(parts["train"].labels).tolist())
    if without := [class_names[k] for k in range(n_classes) if k not in present]:
        raise ValueError(f"{name}: class {without[0]} has no image in train; add some or remove the class")


def _check_images(name: str, parts: Mapping[str, Part]) -> None:
    shape = np.asarray(parts["train"].images[0]).shape
    if len(shape) != 3:
        raise ValueError(f"{name}: images must be [C, H, W], got shape {shape} for {parts['train'].called('train', 0)}")
    for split, part in parts.items():
        for i, image in enumerate(part.images):
            if image.dtype != np.uint8 or image.shape != shape:
                raise ValueError(f"{name}: every image must be uint8 {shape} as the first one, got {image.dtype} "
                                 f"{image.shape} for {part.called(split, i)}; bring all images to one size")


def _canonical(part: Part) -> Split:
    labels = np.asarray(part.labels, dtype=np.int64)
    digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in part.images]
    order = sorted(range(len(labels)), key=lambda i: (labels[i], digests[i]))
    seen: Counter[str] = Counter()
    ids = []
    for i in order:
        short = digests[i][:16]
        seen[short] += 1
        ids.append(short if seen[short] == 1 else f"{short}-{seen[short]}")
    return Split(np.stack([part.images[i] for i in order]), labels[order], np.array(ids))
