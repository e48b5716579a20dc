"""Images in folders named by class, as a folder or packed in tar files that are read in sequence, never unpacked.

Two layouts: `<train|test>/<class>/<image>` and `<class>/<image>`; inside a tar both may lie below further folders, as
in `cifar10/train/cat/1.webp`. Files are untrusted: archive members are checked, sizes bounded, formats limited.
"""

import hashlib
import io
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from convscope.data.cache import Listing, Source

SPLITS = ("train", "test")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # Pillow reads more, some through other programs
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000
_LAYOUT = "expected <train|test>/<class>/<image> or <class>/<image>"
# Pillow holds Python's lock while it reads a small image: threads double the speed at 640x480 and halve it at 32x32.
_THREADED_BYTES = 16 * 1024
_IN_FLIGHT = 64


@dataclass(frozen=True)
class Packed:
    """One image file as it lies there: `split` is None in the layout without splits."""

    name: str
    split: str | None
    label: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def find(path: Path) -> Listing | None:
    """The image files below `path`, or the tar files in it, or `path` itself where it is one; None where none is."""
    if path.is_file():
        return Listing.of(path.parent, [path]) if path.suffix.lower() == ".tar" else None
    if not path.is_dir():
        return None
    if images := list(_images(path, "", depth=4)):
        return Listing(path, images)
    tars = sorted(file for file in path.glob("*.tar") if file.is_file() and not file.name.startswith("."))
    return Listing.of(path, tars) if tars else None


def read(listing: Listing) -> Iterator[Packed]:
    """Every image of a listing, one after the other; raises ValueError naming the file or archive member at fault."""
    prefix: tuple[str, ...] | None = None
    for file in listing.files:
        path = listing.folder / file.name
        packed = path.suffix.lower() == ".tar"
        members = _members(path) if packed else [(file.name, _content(path, file.size))]
        for name, content in members:
            where, split, label = _place(name, f"{path}: {name}" if packed else str(path))
            if (where and not packed) or (split is None and where != (where if prefix is None else prefix)):
                raise ValueError(f"{path}{f': {name}' if packed else ''} lies too deep or beside "
                                 f"another set: {_LAYOUT}; move it")
            prefix = where if split is None else prefix
            yield Packed(f"{path}: {name}" if packed else str(path), split, label, content)


def decode(
    images: Iterable[Packed], convert: Callable[[Image.Image], np.ndarray]
) -> Iterator[tuple[Packed, np.ndarray]]:
    """Each image with `convert` of it, in the given order, a bounded number at a time."""
    waiting: deque[tuple[Packed, np.ndarray | Future[np.ndarray]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for image in images:
            large = len(image.content) >= _THREADED_BYTES
            waiting.append((image, threads.submit(_decoded, image, convert) if large else _decoded(image, convert)))
            if len(waiting) >= _IN_FLIGHT:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())


def _finished(image: Packed, result: "np.ndarray | Future[np.ndarray]") -> tuple[Packed, np.ndarray]:
    return image, result.result() if isinstance(result, Future) else result


def _decoded(image: Packed, convert: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(image.content), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError(f"it has {opened.width}x{opened.height} pixels, at most {MAX_PIXELS} are read")
            return convert(opened)
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, Image.DecompressionBombError) as error:
        # Pillow's own text for an unknown format ends in the address of a buffer: say it in words instead.
        reason = "no image format that is read here" if isinstance(error, Image.UnidentifiedImageError) else error
        raise ValueError(f"{image.name} cannot be read as an image ({reason}); mend or remove it") from error


def _images(folder: Path, below: str, depth: int) -> Iterator[Source]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if depth:
                yield from _images(Path(entry.path), f"{below}{entry.name}/", depth - 1)
        elif below and entry.name.lower().endswith(SUFFIXES):
            status = entry.stat()
            yield Source(below + entry.name, status.st_size, status.st_mtime_ns)


def _content(path: Path, size: int) -> bytes:
    _check_size(str(path), size)
    return path.read_bytes()


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the images in a plain tar file, read in sequence; other regular files are passed over."""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                tar.members = []  # pyright: ignore[reportAttributeAccessIssue] - else it keeps a record of each one
                _check_member(path, member)
                name = PurePosixPath(member.name)
                if not member.isreg() or name.name.startswith(".") or name.suffix.lower() not in SUFFIXES:
                    continue
                _check_size(f"{path}: {member.name}", member.size)
                file = tar.extractfile(member)
                assert file is not None  # a regular file
                content = file.read()
                if len(content) != member.size:
                    raise tarfile.ReadError("unexpected end of data")
                yield member.name, content
            _check_end(path, tar.offset)
    except tarfile.TarError as error:
        raise ValueError(f"{path} is truncated or no plain tar file ({error}); fetch it again") from error


def _check_end(path: Path, offset: int) -> None:
    """A tar ends in a block of zeros; tarfile takes a cut between members, or a damaged header, for the end too."""
    with path.open("rb") as file:
        file.seek(offset)
        block = file.read(512)
    if block != bytes(512):
        raise tarfile.ReadError(f"no member and no end mark at byte {offset}")


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name:
        raise ValueError(f"{path}: member {member.name!r} must have a plain relative name; the archive is not trusted")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ValueError(f"{path}: member {member.name!r} must be a regular file; the archive is not trusted")


def _check_size(name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"{name} has {size} bytes, at most {MAX_BYTES} are read for one image; reduce or remove it")


def _place(name: str, called: str) -> tuple[tuple[str, ...], str | None, str]:
    """What lies above, split or None, and class of an image's relative name."""
    parts = PurePosixPath(name).parts
    if len(parts) >= 3 and parts[-3] in SPLITS:
        return parts[:-3], parts[-3], parts[-2]
    if len(parts) < 2 or any(part in SPLITS for part in parts[:-1]):
        raise ValueError(f"{called} lies in no class folder: {_LAYOUT}; move it into one")
    return parts[:-2], None, parts[-2]
