"""Any user's own table: a csv whose last column is the class, the others numbers."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convscope.data import csv_rows
from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.roots import absent
from convscope.family import Fraction

VERSION = 1
KIND = "table"
SUFFIXES = (".csv", ".csv.gz")


class _Read(NamedTuple):
    """The rows of one file: float32 [D] each, their classes as written, and where each came from."""

    rows: list[np.ndarray]
    labels: list[str]
    names: list[str]


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str, test_fraction: Fraction = 0.2,
         split_seed: int = 0) -> Dataset:
    """Rows float32 [N, D] of a csv, or of train.csv and test.csv in a folder; .csv.gz too. There is no download.

    Columns are separated by commas, semicolons or tabs; a first line whose features are not all numbers is a heading.
    A single file is split per class by the hash of its rows' contents: a class's equal rows fall on one side.
    Raises FileNotFoundError where there is nothing, and ValueError with file and line for what cannot be used.
    """
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [Path.cwd() / given, *(root / given for root in roots)]
    listing = next((found for place in places if (found := _find(place)) is not None), None)
    if not path or listing is None:
        raise absent("table", f"{path or 'a csv'}: a csv file (.csv, .csv.gz), or a folder with train.csv and test.csv",
                     places, "set data.path to one")
    parameters = {"test_fraction": float(test_fraction), "split_seed": split_seed}
    return cached(cache, "table", lambda: _decode(listing, test_fraction, split_seed), version=VERSION,
                  parameters=parameters, listing=listing, title=path)


def _find(place: Path) -> Listing | None:
    if place.is_file():
        return Listing.of(place.parent, [place])
    for suffix in SUFFIXES if place.is_dir() else ():
        files = [place / f"{split}{suffix}" for split in ("train", "test")]
        if all(file.is_file() for file in files):
            return Listing.of(place, files)
    return None


def _decode(listing: Listing, test_fraction: float, split_seed: int) -> Dataset:
    files = [listing.folder / source.name for source in listing.files]
    read = [_read(file) for file in files]
    if len(read) == 2 and len(read[0].rows[0]) != len(read[1].rows[0]):
        raise ValueError(f"{files[1].name} has {len(read[1].rows[0])} columns of numbers, {files[0].name} has "
                         f"{len(read[0].rows[0])}; give both the same")
    classes = _sorted({label for one in read for label in one.labels})
    if len(classes) < 2:
        raise ValueError(f"{files[0]}: the last column is the class and must have at least two values, got only "
                         f"{classes[0]!r}")
    if len(classes) > max(50, len(read[0].rows) // 2):
        raise ValueError(f"{files[0]}: the last column has {len(classes):,} values in {len(read[0].rows):,} rows: it "
                         "is no class; put the class last")
    splits = dict(zip(("train", "test"), read, strict=True)) if len(read) == 2 else _splitted(
        read[0], test_fraction, split_seed)
    parts = {split: Part(one.rows, [classes.index(label) for label in one.labels], one.names)
             for split, one in splits.items()}
    return assemble("table", classes, parts)


def _read(file: Path) -> _Read:
    found = _Read([], [], [])
    width = 0
    for number, cells in csv_rows.read(file):
        where = f"{file.name} line {number}"
        if not width and any(_number(cell) is None for cell in cells[:-1]):
            width = len(cells)
            continue  # a heading
        if len(cells) < 2 or len(cells) != (width or len(cells)):
            raise ValueError(f"{where}: expected {width or 'at least 2'} columns, got {len(cells)}; the last is the "
                             "class, the others are numbers")
        width = len(cells)
        values = [_number(cell) for cell in cells[:-1]]
        if None in values:
            column = values.index(None)
            raise ValueError(f"{where}, column {column + 1}: expected a finite number, got {cells[column][:40]!r}; "
                             "correct it or remove the row")
        if not cells[-1].strip():
            raise ValueError(f"{where}: the class is empty; fill it or remove the row")
        found.rows.append(np.array(values, dtype=np.float32))
        found.labels.append(cells[-1].strip())
        found.names.append(where)
    if not found.rows:
        raise ValueError(f"{file} has no rows: expected one line per sample, numbers and then its class")
    return found


def _number(text: str) -> float | None:
    """The finite float32 number that a cell holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 3.4e38 else None


def _sorted(labels: set[str]) -> list[str]:
    """As numbers where all are, else as texts."""
    numbers = {label: _number(label) for label in labels}
    return sorted(labels, key=lambda label: (numbers[label], label)) if None not in numbers.values() else sorted(labels)


def _splitted(read: _Read, test_fraction: float, split_seed: int) -> dict[str, _Read]:
    """Train and test of one file: of each class the share test_fraction of its different rows, by their hash."""
    digest = [hashlib.sha256(f"{split_seed}/{row.tobytes().hex()}".encode()).hexdigest() for row in read.rows]
    tested: set[tuple[str, str]] = set()
    for label in dict.fromkeys(read.labels):
        own = sorted({d for d, of in zip(digest, read.labels, strict=True) if of == label})
        count = round(test_fraction * len(own))
        if len(own) < 2 or not 0 < count < len(own):
            raise ValueError(f"class {label!r} has {len(own)} different rows, of which test_fraction={test_fraction:g} "
                             "leaves none for train or test; add rows, or give train.csv and test.csv")
        tested |= {(label, d) for d in own[:count]}
    parts = {"train": _Read([], [], []), "test": _Read([], [], [])}
    for i, (label, d) in enumerate(zip(read.labels, digest, strict=True)):
        part = parts["test" if (label, d) in tested else "train"]
        part.rows.append(read.rows[i])
        part.labels.append(label)
        part.names.append(read.names[i])
    return parts
