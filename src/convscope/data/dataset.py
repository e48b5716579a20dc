"""Records of a data set: fixed splits in canonical order, checked, with a fingerprint."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NOUNS = {"image": "image", "text": "text", "table": "row", "windows": "window"}  # kind -> one sample of it


@dataclass(frozen=True)
class Split:
    """One split in canonical order (class, then content hash).

    `stored` is uint8 [N, C, H, W] pixels or [N, T] characters, or float32 [N, D] numbers of a table or [N, C, T] of
    windows, usually a read-only memory map; `y` int64 [N]; `ids` texts [N]: 16 hex digits of the sample's content hash,
    with -2, -3, ... where the same content occurs again. An id names a sample within its split.
    """

    stored: np.ndarray
    y: np.ndarray
    ids: np.ndarray
    kind: str = "image"

    def x(self, index: slice | np.ndarray | Sequence[int] = slice(None)) -> np.ndarray:
        """A copy of the samples at `index`: images as float32 [n, C, H, W] in [0, 1], others as stored."""
        if self.kind != "image":
            return np.array(self.stored[index])
        x = np.array(self.stored[index], dtype=np.float32)
        x /= 255
        return x

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """`fingerprint` (64 hex digits) is of kind, class names, content and labels, whatever the layout and file names.

    Of texts, `stored` holds indices into `alphabet`, whose first character is the space: index 0 also follows a text's
    end. Index len(alphabet) is every character that the alphabet lacks. `features` are the names of a table's columns;
    `notes` say what was done to a user's data before they became this set, each in a sentence for the user.
    """

    name: str
    kind: str
    splits: Mapping[str, Split]
    class_names: tuple[str, ...]
    fingerprint: str
    alphabet: str = ""
    features: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of images, (T,) of texts, (D,) of a table, (C, T) of windows."""
        return self.splits["train"].stored.shape[1:]


class Part(NamedTuple):
    """A split as it was read, in any order: uint8 images [C, H, W] or texts [T], float32 rows [D] or windows [C, T]."""

    samples: Sequence[np.ndarray] | np.ndarray
    labels: Sequence[int] | np.ndarray
    names: Sequence[str] = ()

    def called(self, split: str, i: int) -> str:
        noun = NOUNS[_kind(self.samples[i])]
        return self.names[i] if self.names else f"{noun} {i} of {split}"


def assemble(name: str, class_names: Sequence[str], parts: Mapping[str, Part], *, alphabet: str = "") -> Dataset:
    """A data set from parts in any order: of texts where there is an alphabet, else as the first sample is.

    Float32 rows [D] are a table, float32 [C, T] are windows of a series, and all else is images.

    A matrix [N, T] of texts that is writeable, contiguous and no other split's memory is brought into order in place:
    two copies of a large one might not fit. Raises ValueError naming the sample or class that is wrong.
    """
    first = parts["train"].samples[0] if len(parts["train"].samples) else np.zeros((1, 1, 1), np.uint8)
    kind = "text" if alphabet else "image" if _kind(first) == "text" else _kind(first)
    _check_classes(name, class_names, parts, f"{NOUNS[kind]}s")
    _check_samples(name, parts, kind, alphabet)
    in_place = {split: kind == "text" and _alone(split, parts) for split in parts}
    splits = {split: _canonical(part, kind, in_place[split]) for split, part in parts.items()}
    return Dataset(name, kind, splits, tuple(class_names), fingerprint(kind, class_names, splits, alphabet), alphabet)


def fingerprint(kind: str, class_names: Sequence[str], splits: Mapping[str, Split], alphabet: str = "") -> str:
    """sha256 over kind, class names, the alphabet if any, and each split's shape, labels and content in order."""
    told = (kind, tuple(class_names), alphabet) if alphabet else (kind, tuple(class_names))
    digest = hashlib.sha256(repr(told).encode())
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


def _check_classes(name: str, class_names: Sequence[str], parts: Mapping[str, Part], nouns: str) -> None:
    n_classes = len(class_names)
    if n_classes < 2:
        raise ValueError(f"{name}: expected at least two classes, got {', '.join(class_names) or 'none'}; add another")
    if repeated := [k for k, count in Counter(class_names).items() if count > 1]:
        raise ValueError(f"{name}: class names must differ, got {repeated[0]} twice")
    for split, part in parts.items():
        if len(part.samples) != len(part.labels) or not len(part.labels):
            raise ValueError(f"{name}: {split} must have {nouns} and one label for each, "
                             f"got {len(part.samples)} {nouns} and {len(part.labels)} labels")
        labels = np.asarray(part.labels)
        if labels.dtype.kind not in "iu":
            raise ValueError(f"{name}: labels of {split} must be whole numbers, got {labels.dtype}")
        if len(wrong := np.flatnonzero((labels < 0) | (labels >= n_classes))):
            raise ValueError(f"{name}: labels must be in 0..{n_classes - 1}, "
                             f"got {labels[wrong[0]]} for {part.called(split, int(wrong[0]))}")
    present = set(np.asarray(parts["train"].labels).tolist())
    if without := [class_names[k] for k in range(n_classes) if k not in present]:
        raise ValueError(f"{name}: class {without[0]} has no {nouns[:-1]} in train; add some or remove the class")


def _check_samples(name: str, parts: Mapping[str, Part], kind: str, alphabet: str) -> None:
    noun, (rank, form, dtype) = NOUNS[kind], {
        "text": (1, "[T]", "uint8"), "table": (1, "[D]", "float32"), "windows": (2, "[C, T]", "float32"),
        "image": (3, "[C, H, W]", "uint8")}[kind]
    shape = np.asarray(parts["train"].samples[0]).shape
    if len(shape) != rank:
        raise ValueError(f"{name}: {noun}s must be {form}, got shape {shape} for {parts['train'].called('train', 0)}")
    for split, part in parts.items():
        whole = isinstance(part.samples, np.ndarray)  # one array: one look says it of every sample
        for i, sample in enumerate(part.samples[:1] if whole else part.samples):
            if sample.dtype != dtype or sample.shape != shape:
                raise ValueError(f"{name}: every {noun} must be {dtype} {shape} as the first one, got {sample.dtype} "
                                 f"{sample.shape} for {part.called(split, i)}; bring all {noun}s to one size")
        if kind == "text" and (most := max(int(text.max(initial=0)) for text in part.samples)) > len(alphabet):
            raise ValueError(f"{name}: characters must be in 0..{len(alphabet)} ({len(alphabet)}: none of the "
                             f"alphabet), got {most} in {split}")
        if kind in ("table", "windows") and len(wrong := np.argwhere(~np.isfinite(np.asarray(part.samples)))):
            i, *place = map(int, wrong[0])
            raise ValueError(f"{name}: every number must be finite, got {part.samples[i][tuple(place)]} for "
                             f"{part.called(split, i)}; fill it or remove the {noun}")


def _kind(sample: np.ndarray) -> str:
    """What a sample is by its form: numbers in a row are a table's, characters a text's."""
    floating = np.asarray(sample).dtype.kind == "f"
    if np.ndim(sample) == 1:
        return "table" if floating else "text"
    return "windows" if floating and np.ndim(sample) == 2 else "image"


def _alone(split: str, parts: Mapping[str, Part]) -> bool:
    """Whether a split's samples are one writeable block of memory, of which no other split is a view."""
    own = parts[split].samples
    if not isinstance(own, np.ndarray) or not own.flags.carray:
        return False
    others = [part.samples for name, part in parts.items() if name != split]
    arrays = (array for other in others for array in ([other] if isinstance(other, np.ndarray) else other))
    return not any(np.may_share_memory(own, array) for array in arrays)


def _canonical(part: Part, kind: str, in_place: bool) -> Split:
    labels = np.asarray(part.labels, dtype=np.int64)
    if kind in ("table", "windows"):
        part = Part(np.stack(list(part.samples)) + np.float32(0), labels)  # -0.0 becomes 0.0: equal rows hash alike
    digests = [hashlib.sha256(sample.tobytes()).digest() for sample in part.samples]
    order = sorted(range(len(labels)), key=lambda i: (labels[i], digests[i]))
    seen: Counter[bytes] = Counter()
    ids = []
    for i in order:
        short = digests[i][:8]
        seen[short] += 1
        ids.append(short.hex() if seen[short] == 1 else f"{short.hex()}-{seen[short]}")
    return Split(_ordered(part.samples, order, in_place), labels[order], np.array(ids), kind)


def _ordered(samples: Sequence[np.ndarray] | np.ndarray, order: Sequence[int], in_place: bool) -> np.ndarray:
    """The samples in this order as one array: a new one, or the same, permuted cycle by cycle."""
    if not in_place or not isinstance(samples, np.ndarray):
        return np.stack([samples[i] for i in order])
    done = np.zeros(len(order), dtype=bool)
    for start in range(len(order)):
        if done[start]:
            continue
        first, at = samples[start].copy(), start
        while order[at] != start:
            samples[at] = samples[order[at]]
            done[at] = True
            at = order[at]
        samples[at] = first
        done[at] = True
    return samples
