"""A data set decoded once: memory-mapped arrays in `<cache>/<name>-<fingerprint[:16]>/`, found again by a small index.

`<cache>/index/<key>.json` names the entry, and holds what is told of this source of it. The key covers the data's name,
its parameters, the code of convscope's loaders, the version that a loader gives itself, and where the sources lie with
their relative names, sizes and modification times. An entry that differs from its checksums is rebuilt.
"""

import hashlib
import json
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from convscope.data.dataset import NOUNS, Dataset, Split

FORMAT = 1
LOADERS = Path(__file__).parent
ANNOUNCED_BYTES = 10_000_000  # sources from this size on are worth a line on stderr


class Source(NamedTuple):
    """One source file: its name relative to the listing's folder, its bytes and its modification time."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """The files that a data set is read from, below one folder."""

    folder: Path
    files: Sequence[Source]

    @classmethod
    def of(cls, folder: Path, files: Sequence[Path]) -> "Listing":
        status = [file.stat() for file in files]
        names = [file.relative_to(folder).as_posix() for file in files]
        return cls(folder, [Source(n, s.st_size, s.st_mtime_ns) for n, s in zip(names, status, strict=True)])


def cached(cache: Path, name: str, decode: Callable[[], Dataset], *, version: int, parameters: Mapping[str, Any],
           listing: Listing | None = None, title: str = "") -> Dataset:
    """The data set from the cache; decoded and stored first where it is not there yet, or damaged.

    Two processes at once: one decodes, the other waits and then finds it done. Raises OSError, one sentence, where the
    cache cannot be written.
    """
    index = cache / "index" / f"{_key(name, version, parameters, listing)}.json"
    if (found := _lookup(cache, index, name)) is not None:
        return found
    with _writable(cache):
        index.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / "index" / f"{name}.lock")
        lock.acquire()
    try:
        if (found := _lookup(cache, index, name)) is not None:
            return found
        if listing is not None and sum(file.size for file in listing.files) >= ANNOUNCED_BYTES:
            print(f"decoding {title or name} into {cache}, once: {len(listing.files):,} file(s) from {listing.folder}",
                  file=sys.stderr, flush=True)
        decoded = replace(decode(), name=name)
        with _writable(cache):
            entry = _store(cache, decoded)
            told = {"features": decoded.features, "notes": decoded.notes}
            _write_text(index, json.dumps({"entry": entry.name, **{k: v for k, v in told.items() if v}}))
        del decoded  # read back from the files below: a large set would lie in memory twice
    finally:
        lock.release()
    if (found := _read(entry, name)) is None:
        raise OSError(f"the cache entry {entry} does not read back as it was written; check that disk, or set "
                      "env.cache_root to another one")
    return replace(found, **told)


def _key(name: str, version: int, parameters: Mapping[str, Any], listing: Listing | None) -> str:
    # The folder counts too: unpacked archives often carry one modification time for all, and then two different sets
    # with equal names and sizes (plain idx files) would be taken for each other.
    where = None if listing is None else [str(listing.folder.absolute()), [list(f) for f in listing.files]]
    text = json.dumps([FORMAT, name, version, _code(LOADERS), dict(parameters), where], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@lru_cache
def _code(folder: Path) -> str:
    """sha256 over the loaders' sources: what an earlier one decoded is not taken for what this one would."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).hexdigest()


def _lookup(cache: Path, index: Path, name: str) -> Dataset | None:
    try:
        told = json.loads(index.read_text(encoding="utf-8"))
        entry, features, notes = told["entry"], tuple(told.get("features", ())), tuple(told.get("notes", ()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(entry, str) or Path(entry).name != entry or not all(isinstance(t, str) for t in features + notes):
        return None
    found = _read(cache / entry, name)
    return found and replace(found, features=features, notes=notes)


def _read(entry: Path, name: str) -> Dataset | None:
    """The data set of an entry, or None where a file is missing, cut off or differs from its checksum."""
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] != FORMAT or meta["name"] != name or entry.name != f"{name}-{meta['fingerprint'][:16]}":
            return None
        splits = {}
        for split, sums in meta["splits"].items():
            pixels, *small = _files(entry, split)
            arrays = [np.load(pixels, mmap_mode="r"), *map(np.load, small)]
            # Reading every byte costs 0.1 s for 60,000 images and is not wasted: it brings them into memory.
            if [_checksum(array) for array in arrays] != sums:
                return None
            for array in arrays[1:]:
                array.setflags(write=False)
            splits[split] = Split(*arrays, kind=meta["kind"])
        there = {file.name.removesuffix("_ids.npy") for file in entry.glob("*_ids.npy")}
        if meta["kind"] not in NOUNS or "train" not in splits or set(splits) != there:
            return None
        if any(len({*map(len, (part.stored, part.y, part.ids))}) > 1 or part.y.max() >= len(meta["class_names"])
               for part in splits.values()):
            return None
        return Dataset(name, meta["kind"], splits, tuple(meta["class_names"]), meta["fingerprint"],
                       meta.get("alphabet", ""))
    except Exception:  # a damaged file can fail in any way; whatever it is, the entry is rebuilt
        return None


def _store(cache: Path, decoded: Dataset) -> Path:
    """Writes an entry beside its place, then renames it: it is there whole or not at all."""
    entry = cache / f"{decoded.name}-{decoded.fingerprint[:16]}"
    if _read(entry, decoded.name) is not None:  # the same pixels, from another layout
        return entry
    # One writer per name holds the lock: what lies here already was left by one that was killed.
    temporary = cache / f".{decoded.name}.building"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        written = temporary / "new"
        written.mkdir(parents=True)
        sums = {}
        for split, part in decoded.splits.items():
            arrays = [np.ascontiguousarray(array) for array in (part.stored, part.y, part.ids)]
            for file, array in zip(_files(written, split), arrays, strict=True):
                np.save(file, array)  # not through a memory map: there a full disk kills the process
            sums[split] = [_checksum(array) for array in arrays]
        _write_text(written / "meta.json", json.dumps({
            "format": FORMAT, "name": decoded.name, "kind": decoded.kind, "class_names": list(decoded.class_names),
            **({"alphabet": decoded.alphabet} if decoded.alphabet else {}),
            "fingerprint": decoded.fingerprint, "splits": sums}, indent=1))
        if entry.exists():  # damaged; moved, not deleted: another process may still have it mapped
            entry.rename(temporary / "old")
        written.rename(entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return entry


def _files(entry: Path, split: str) -> tuple[Path, Path, Path]:
    return entry / f"{split}.npy", entry / f"{split}_y.npy", entry / f"{split}_ids.npy"


def _checksum(array: np.ndarray) -> str:
    return f"{array.dtype.str}{list(array.shape)}{zlib.crc32(array.view(np.uint8).data):08x}"


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


@contextmanager
def _writable(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(f"the cache {cache} cannot be written ({error.strerror or error}); free space there, or set "
                      "env.cache_root to a folder that can be written") from error
