"""Image files become arrays: untrusted, so sizes are bounded, formats limited, and each failure is one file's."""

import hashlib
import io
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

from PIL import Image

T = TypeVar("T")
SUFFIXES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".webp", ".avif", ".bmp",
            ".dib", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "DIB", "GIF", "TIFF", "PPM")  # Pillow reads more, some by programs
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000  # of one image, and of all that are unpacked at the same time: 0.8 GB
MAX_UNFIT = 1000
# Pillow holds Python's lock while it reads a small image: threads double the speed at 640x480 and halve it at 32x32.
_THREADED_BYTES = 16 * 1024
_IN_FLIGHT = 64
_SHOWN = 30
_POINTERS = {b"version https://git-lfs": "Git LFS", b"/annex/objects/": "git-annex"}


class Unfit(NamedTuple):
    """A file that should be an image and cannot be read as one: in words, why. `name` is short for `called`."""

    called: str
    name: str
    reason: str


class Packed(NamedTuple):
    """One image file as it lies there: what it is called in messages, its short name, its place and its bytes."""

    called: str
    name: str
    split: str | None
    label: str
    content: bytes


class Decoded(NamedTuple, Generic[T]):
    """What was made of an image file, and the sha256 of its bytes."""

    called: str
    split: str | None
    label: str
    digest: str
    value: T


def decode(images: Iterable[Packed], convert: Callable[[Image.Image], T]) -> tuple[list[Decoded[T]], list[Unfit]]:
    """`convert` of every image in the given order, and the files that cannot be read as images.

    A bounded number of bytes and pixels are held at a time. Raises ValueError where so many are unfit that they cannot
    be meant as images.
    """
    done: list[Decoded[T]] = []
    unfit: list[Unfit] = []
    waiting: deque[tuple[int, Future[Decoded[T] | Unfit] | Decoded[T] | Unfit]] = deque()
    room = _Room(MAX_PIXELS)

    def finish() -> None:
        result = waiting.popleft()[1]
        result = result.result() if isinstance(result, Future) else result
        if isinstance(result, Decoded):
            done.append(result)
        else:
            unfit.append(result)
        if len(unfit) > MAX_UNFIT:
            refuse(unfit)

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("ignore")  # Pillow's own, on stderr, name no file: what matters is an error here
        for image in images:
            size = len(image.content)
            while waiting and (len(waiting) >= _IN_FLIGHT or sum(held for held, _ in waiting) + size > MAX_BYTES):
                finish()
            waiting.append((size, threads.submit(_decoded, image, convert, room) if size >= _THREADED_BYTES
                            else _decoded(image, convert, room)))
        while waiting:
            finish()
    return done, unfit


def refuse(unfit: Sequence[Unfit], remedy: str = "mend or remove {it}") -> None:
    """Raises ValueError, one sentence, for files that cannot be read as images; does nothing where there are none."""
    if len(unfit) == 1:
        raise ValueError(f"{unfit[0].called} cannot be read as an image ({unfit[0].reason}); {remedy.format(it='it')}")
    if unfit:
        number = f"more than {MAX_UNFIT:,}" if len(unfit) > MAX_UNFIT else f"{len(unfit):,}"
        where = os.path.commonpath([one.called.partition(": ")[0] for one in unfit])
        raise ValueError(f"{number} files of {where} cannot be read as images: {listed(unfit)}; "
                         f"{remedy.format(it='them')}")


def listed(unfit: Sequence[Unfit]) -> str:
    """The files by what is wrong with them, a bounded number by name."""
    by_reason: dict[str, list[str]] = {}
    for one in unfit[:_SHOWN]:
        by_reason.setdefault(one.reason, []).append(one.name)
    more = [f"and {len(unfit) - _SHOWN:,} more"] if len(unfit) > _SHOWN else []
    return "; ".join([*(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()), *more])


def printable(name: str) -> str:
    """A file's name for a message: what a terminal would obey, or cannot show, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


class _Room:
    """Pixels that may be unpacked at the same time: one waits until its own have room."""

    def __init__(self, pixels: int) -> None:
        self._free, self._changed = pixels, threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


def _decoded(image: Packed, convert: Callable[[Image.Image], T], room: _Room) -> Decoded[T] | Unfit:
    try:
        with Image.open(io.BytesIO(image.content), formats=FORMATS) as opened:
            pixels = opened.width * opened.height
            if pixels > MAX_PIXELS:
                raise ValueError(f"it has {opened.width}x{opened.height} pixels, at most {MAX_PIXELS} are read")
            with room.of(pixels):
                digest = hashlib.sha256(image.content).hexdigest()
                return Decoded(image.called, image.split, image.label, digest, convert(opened))
    except Exception as error:  # Pillow's readers fail in any way on a damaged file: whatever it is, it has a name
        return Unfit(image.called, image.name, _reason(error, image.content))


def _reason(error: Exception, content: bytes) -> str:
    """Why an image cannot be read, in words."""
    if system := next((name for mark, name in _POINTERS.items() if content.startswith(mark)), None):
        return f"a pointer of {system}: fetch its content first"
    if not content:
        return "an empty file"
    if isinstance(error, Image.UnidentifiedImageError):  # Pillow's own text ends in the address of a buffer
        return "no image format that is read here"
    if isinstance(error, Image.DecompressionBombError):
        return f"too many pixels, at most {MAX_PIXELS} are read"
    if isinstance(error, MemoryError):
        return "there is no memory for its pixels"
    if isinstance(error, (OSError, ValueError, SyntaxError, EOFError)) and str(error):
        return printable(str(error))[:200]
    return "its content is damaged"  # a struct.error, IndexError, ... of some reader says nothing to its owner
