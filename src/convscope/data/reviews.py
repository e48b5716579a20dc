"""Texts with labels in the csv format of Zhang, Zhao, LeCun 2015 (Character-level Convolutional Networks)."""

import csv
import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.roots import absent
from convscope.data.texts import encoder
from convscope.family import Count

VERSION = 1
KIND = "text"
RESTRICTED = True  # the terms of Yelp's and Amazon's texts restrict redistribution: no report commits them
FILES = {"train.csv": "train", "test.csv": "test", "classes.txt": "classes"}
ARCHIVES = (".tar.gz", ".tgz", ".tar")
MAX_LINE = 1_000_000      # characters of one text, and bytes of one line: a csv of texts has nothing like it
MAX_BYTES = 16 * 2**30    # of one unpacked file; the largest of Zhang et al.'s has 1.5 GB


class _Read(NamedTuple):
    """One csv as it was read: uint8 [N, T] characters, labels from 1, and the line where each record ends."""

    texts: np.ndarray
    labels: np.ndarray
    lines: np.ndarray


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str,
         length: Count = 1014, classes: Count | None = None, backwards: bool = False,
         alphabet: str = " abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{}\n") -> Dataset:
    """Texts uint8 [N, length] from train.csv and test.csv: the label 1..K, then columns of text, joined by a space.

    `path` names a folder or a tar archive below a data root, with or without Zhang et al.'s `_csv`, or any of your own.
    K is `classes`, or the lines of classes.txt, or the largest label in train. `backwards`: see `texts.encoder`. There
    is no download. Raises FileNotFoundError where nothing is found; ValueError, with file and line, for what is no such
    csv: columns, labels, empty texts, bytes that are not UTF-8, a truncated archive.
    """
    encode = encoder(alphabet, length, backwards=backwards)
    parameters = {"length": length, "classes": classes, "backwards": backwards, "alphabet": alphabet}
    listing = _find(path, roots)
    return cached(cache, "reviews", lambda: _decode(listing, encode, length, classes, alphabet), version=VERSION,
                  parameters=parameters, listing=listing, title=path)


def _find(path: str, roots: Sequence[Path]) -> Listing:
    """The archive, or the csv files of the folder, of the first place that has one."""
    own = Path(path).expanduser()
    bases = [own] if own.is_absolute() else [*(root / own for root in roots), Path.cwd() / own]
    for base in bases:
        for stem in (base, base.parent / f"{base.name}_csv"):
            if stem.is_file():
                return Listing.of(stem.parent, [stem])
            if any((stem / name).is_file() for name in FILES):
                if missing := [name for name in ("train.csv", "test.csv") if not (stem / name).is_file()]:
                    raise FileNotFoundError(f"{stem} has no {missing[0]}: expected train.csv and test.csv; add it")
                return Listing.of(stem, [stem / name for name in FILES if (stem / name).is_file()])
            for suffix in ARCHIVES:
                if (archive := stem.parent / f"{stem.name}{suffix}").is_file():
                    return Listing.of(archive.parent, [archive])
    raise absent(path, f"the folder {path} or {path}_csv with train.csv and test.csv, or such an archive (.tar.gz)",
                 [base.parent for base in bases], "get it from its publisher (links in Zhang et al. 2015) and put it "
                 "there, set env.data_root or CONVSCOPE_DATA, or give the path of your own as data.path")


def _decode(listing: Listing, encode: Callable[[str], bytes], length: int, classes: int | None,
            alphabet: str) -> Dataset:
    found: dict[str, _Read] = {}
    names: list[str] = []
    where = listing.folder / listing.files[0].name
    try:
        for name, file in _files(listing):
            if name == "classes.txt":
                names = [text.strip() for text in _lines(name, file) if text.strip()]
            else:
                found[FILES[name]] = _read(name, file, encode, length)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{where} is truncated or no tar archive ({error}); fetch it again") from error
    if missing := [name for name in ("train.csv", "test.csv") if FILES[name] not in found]:
        raise ValueError(f"{where} has no {missing[0]}: expected train.csv and test.csv")
    n_classes = classes or len(names) or int(found["train"].labels.max())
    for split, read in found.items():
        _check_labels(f"{split}.csv", read, n_classes)
    _check_gaps(found["train"], n_classes)
    if not classes and not names:
        _check_stray(found, n_classes)
    names = names if len(names) == n_classes else [str(k) for k in range(1, n_classes + 1)]
    parts = {split: Part(read.texts, read.labels - 1) for split, read in found.items()}
    return assemble("reviews", names, parts, alphabet=alphabet)


def _files(listing: Listing) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and open file of train.csv, test.csv and classes.txt; an archive is read once, from front to back."""
    first = listing.folder / listing.files[0].name
    if first.name in FILES:
        for source in listing.files:
            with (listing.folder / source.name).open("rb") as file:
                yield source.name, file
        return
    with first.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        plain = gzip.GzipFile(fileobj=raw) if packed else raw
        taken = set()
        with tarfile.open(fileobj=plain, mode="r|*") as archive:
            for member in archive:
                name = Path(member.name).name
                if name in FILES and member.isfile() and len(Path(member.name).parts) <= 2:
                    if member.size > MAX_BYTES:
                        raise ValueError(f"{first}: {name} would unpack to {member.size:,} bytes, more than "
                                         f"{MAX_BYTES:,}; split it")
                    if name in taken:
                        raise ValueError(f"{first} has {name} twice; keep one of them")
                    taken.add(name)
                    file = archive.extractfile(member)
                    assert file is not None
                    yield name, file
        while plain.read(2**20):  # to the end, where gzip's checksum stands: tarfile ignores it
            pass


def _read(name: str, file: IO[bytes], encode: Callable[[str], bytes], length: int) -> _Read:
    """All records of a csv, their texts in one growing buffer."""
    buffer, labels, lines = bytearray(), [], []
    columns = 0
    usual = csv.field_size_limit(MAX_LINE)  # of the whole process
    reader = csv.reader(_lines(name, file), strict=True)
    try:
        for record in filter(None, reader):  # an empty line is no record
            line = reader.line_num
            if len(record) < 2 or len(record) != (columns or len(record)):
                raise ValueError(f"{name} line {line}: expected {columns or 'a label and at least one more'} columns, "
                                 f"got {len(record)}; every line is \"label\",\"text\" with its quotes doubled")
            columns = len(record)
            text = " ".join(record[1:]).replace("\\n", "\n")
            if not text.strip():
                raise ValueError(f"{name} line {line}: the text is empty; remove the line")
            labels.append(_label(record[0], name, line))
            lines.append(line)
            buffer += encode(text)
    except csv.Error as error:
        begin = lines[-1] + 1 if lines else 1  # an open quote swallows what follows: its own line is the wrong one
        raise ValueError(f"{name} line {begin}: not a csv of texts ({error}, in line {reader.line_num}); double the "
                         "quotes inside a text") from error
    finally:
        csv.field_size_limit(usual)
    if not labels:
        raise ValueError(f"{name} is empty: expected one line per text")
    texts = np.frombuffer(buffer, dtype=np.uint8).reshape(len(labels), length)
    return _Read(texts, np.array(labels), np.array(lines))


def _lines(name: str, file: IO[bytes]) -> Iterable[str]:
    """The lines of a csv as texts."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise ValueError(f"{name} line {number} has more than {MAX_LINE:,} bytes: not a csv of texts")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")  # a file from Windows may begin with a mark
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} line {number}: byte {error.start + 1} is not UTF-8 "
                             f"(0x{line[error.start]:02x}); convert the file to UTF-8") from error


def _label(text: str, name: str, line: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) > 0):
        raise ValueError(f"{name} line {line}: a label must be a whole number from 1 on, got {text[:40]!r}")
    return int(text)


def _check_labels(name: str, read: _Read, n_classes: int) -> None:
    if len(beyond := np.flatnonzero(read.labels > n_classes)):
        raise ValueError(f"{name} line {read.lines[beyond[0]]}: labels must be in 1..{n_classes}, got "
                         f"{read.labels[beyond[0]]}; correct it or set data.classes")


def _check_gaps(train: _Read, n_classes: int) -> None:
    """A single wrong label would make up classes that no text has."""
    present = set(train.labels.tolist())
    without = next((k for k in range(1, n_classes + 1) if k not in present), None)
    if without is not None:
        last = int(np.argmax(train.labels))
        raise ValueError(f"train.csv: no text has the label {without} of 1..{n_classes} (the largest, "
                         f"{train.labels[last]}, is in line {train.lines[last]}); correct it or set data.classes")


def _check_stray(found: Mapping[str, _Read], n_classes: int) -> None:
    """Where nothing but the labels says how many classes there are, one text is too few to make a class."""
    last = np.flatnonzero(found["train"].labels == n_classes)
    if len(last) == 1 and n_classes > 2 and n_classes not in found["test"].labels:
        raise ValueError(f"train.csv line {found['train'].lines[last[0]]}: no other text has the label {n_classes}, "
                         f"here or in test.csv; correct it, or set data.classes={n_classes} if it is one")
