"""Images in folders named by class, as a folder or packed in tar files that are read in sequence, never unpacked.

Two layouts: `<train|test>/<class>/<image>` and `<class>/<image>`; inside a tar both may lie below further folders, as
in `cifar10/train/cat/1.webp`. Nothing is passed over in silence: every file is an image, unfit to be one, or left out.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from convscope.data import image_tars
from convscope.data.cache import Listing, Source
from convscope.data.image_files import MAX_BYTES, SUFFIXES, Packed, Unfit, printable
from convscope.data.image_layout import Folders, Layout, Place, places
from convscope.data.roots import check_file

MAX_DEPTH = 4  # folders below the set's own


@dataclass(frozen=True)
class Tree(Listing):
    """The image files below a folder, or the tar files in it. `unfit` are images by their name alone; `left` are names
    of files below it that are no images by their suffix, and of folders that hold no file, ending in a slash."""

    unfit: tuple[Unfit, ...] = ()
    left: tuple[str, ...] = ()


class Image(NamedTuple):
    """One image that is there to be read, at `offset` of an archive, or a file of its own where that is None."""

    file: Path
    name: str
    size: int
    offset: int | None = None

    @property
    def called(self) -> str:
        return str(self.file) if self.offset is None else f"{self.file}: {self.name}"

    @property
    def short(self) -> str:
        return printable(self.name if self.offset is None else f"{self.file.name}: {self.name}")


@dataclass(frozen=True)
class Contents:
    """All that a tree holds: each image with its place, what is unfit to be one, and what is left out by its name."""

    images: list[tuple[Image, Place]]
    unfit: list[Unfit]
    left: list[str]
    labels: frozenset[str]  # also those of unfit images
    folders: frozenset[Folders]


def find(path: Path) -> Tree | None:
    """The image files below `path`, or the tar files in it, or `path` itself where it is one; None where none is.

    Raises ValueError for what is no file or folder, or cannot be listed.
    """
    if path.suffix.lower() == ".tar" and not path.is_dir():
        return Tree(path.parent, Listing.of(path.parent, [path]).files) if check_file(path) else None
    if not path.is_dir():
        return None
    tree = scan(path)
    if tree.files or tree.unfit:
        return tree
    tars = sorted(file for file in path.glob("*.tar") if not file.name.startswith(".") and check_file(file))
    return Tree(path, Listing.of(path, tars).files) if tars else None


def scan(folder: Path) -> Tree:
    """Everything in a folder, whether or not there are images."""
    images, unfit, left = [], [], []
    for name, status in _files(folder, "", MAX_DEPTH):
        if isinstance(status, str):
            unfit.append(Unfit(str(folder / name), printable(name), status))
        elif status is not None:
            images.append(Source(name, status.st_size, status.st_mtime_ns))
        else:
            left.append(name)
    return Tree(folder, images, tuple(unfit), tuple(left))


def contents(tree: Tree, layout: Layout = "auto") -> Contents:
    """What a tree holds, by the headers of its archives and the names of its files: no image is read.

    Raises ValueError naming the file or archive member that lies elsewhere, or an archive that is none.
    """
    images, left, unfit = [], list(tree.left), list(tree.unfit)
    packed = any(file.name.lower().endswith(".tar") for file in tree.files)
    for file in tree.files:
        path = tree.folder / file.name
        found = image_tars.members(path) if packed else [image_tars.Member(file.name, 0, file.size)]
        for name, offset, size in found:
            if packed and not is_image(name):
                left += [] if _hidden(name) else [name]
            else:
                images.append(Image(path, name, size, offset if packed else None))
    named: dict[Folders, str] = {}
    for name, called in [*((image.name, image.called) for image in images),
                         *((str(Path(one.called).relative_to(tree.folder)), one.called) for one in tree.unfit)]:
        named.setdefault(_folders(name), called)
    placed = places(named, layout, packed=packed)
    large = {image: _large(image) for image in images if image.size > MAX_BYTES}
    return Contents([(image, placed[_folders(image.name)]) for image in images if image not in large],
                    [*unfit, *large.values()], left, frozenset(place.label for place in placed.values()),
                    frozenset(placed))


def read(inside: Contents) -> Iterator[Packed]:
    """Every image of a tree with its bytes, one after the other; raises ValueError where a file is cut off."""
    for path, group in groupby(inside.images, lambda one: one[0].file):
        with path.open("rb") as file:
            for image, (split, label) in group:
                file.seek(image.offset or 0)
                content = file.read(image.size)
                if len(content) != image.size:
                    raise ValueError(f"{image.called} changed while it was read; start again")
                yield Packed(image.called, image.short, split, label, content)


def is_image(name: str) -> bool:
    """Whether a file is read as an image, by its name: what hides behind a dot is not."""
    return name.lower().endswith(SUFFIXES) and not _hidden(name)


def _hidden(name: str) -> bool:
    return PurePosixPath(name).name.startswith(".")


def _folders(name: str) -> Folders:
    return PurePosixPath(name).parts[:-1]


def _large(image: Image) -> Unfit:
    return Unfit(image.called, image.short, f"{image.size} bytes, at most {MAX_BYTES} are read for one image")


def _files(folder: Path, below: str, depth: int) -> Iterator[tuple[str, os.stat_result | str | None]]:
    """Name and status of each image, a text for one that cannot be read, None for what is left out."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda one: one.name)
    except OSError as error:
        raise ValueError(f"{folder} cannot be read ({error.strerror or error})") from error
    if below and not found:
        yield below, None
    for entry in found:
        name = below + entry.name
        if _is_folder(entry):
            yield from _files(Path(entry.path), f"{name}/", depth - 1) if depth else [(f"{name}/", None)]
        elif below and is_image(name):
            yield name, _status(entry)
        elif below or is_image(name) or name.lower().endswith(".tar"):  # beside class folders lie notes and licences
            yield name, None


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: whatever it is, it is no folder
        return False


def _status(entry: "os.DirEntry[str]") -> os.stat_result | str:
    try:
        status = entry.stat()
    except OSError as error:
        return ("a link that leads nowhere: fetch what it points to (datalad, git-annex, DVC)" if entry.is_symlink()
                else str(error.strerror or error))
    if not stat.S_ISREG(status.st_mode):
        return "a pipe, socket or device, no file"
    if not os.access(entry.path, os.R_OK):
        return "it may not be read: permission denied"
    return status
