"""Any user's own images: `<train|test>/<class>/<image>`, or `<class>/<image>` and split here; folders or tar files.

Every image is turned upright (EXIF), cropped to its central square and resized with Lanczos' filter, so that mixed
sizes are fine; at the target size already it stays as it is. Grey is ITU-R 601-2 luma; transparent parts are laid on
white; 16 bits become 8 by the range that the whole set uses.
"""

import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from convscope.data import image_depths, image_files, image_leftovers, image_split, image_tree
from convscope.data.cache import cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.image_files import Decoded
from convscope.data.image_layout import EXPECTED, SPLITS, Layout
from convscope.data.roots import absent
from convscope.family import Fraction

VERSION = 2
KIND = "image"
REMEDY = "mend or remove {it}, or leave {it} out with data.skip_unreadable=true"
STRIP = 256  # rows
Side = Annotated[int, "at least 1 and at most 10000"]
Bits = Annotated[int, "at least 8 and at most 16"]


class _Settings(NamedTuple):
    size: int
    channels: int
    test_fraction: float
    split_seed: int
    layout: Layout
    skip_unreadable: bool
    bits: int | None


class _Seen(NamedTuple):
    """An image [C, size, size], uint8 or uint16; whether it is the first of several, and of which it has the half."""

    pixels: np.ndarray
    several: bool
    coarse: bool


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str, size: Side = 32,
         channels: Literal[1, 3] = 3, test_fraction: Fraction = 0.2, split_seed: int = 0,
         layout: Literal["auto", "splits", "classes"] = "auto", skip_unreadable: bool = False,
         bits: Bits | None = None) -> Dataset:
    """A user's images [N, channels, size, size]; classes are the folders' names, sorted.

    `path` names a folder or a .tar file: taken as given where it exists or is absolute, else searched below each root.
    `test_fraction` and `split_seed` matter only where there are no train and test folders: each class is then split by
    the hash of its files' contents, whatever their names; equal pictures stay on one side. `layout` says whether train
    and test are splits or classes, `bits` how many of 16 images use. What was left out is in the data set's notes, and
    told on stderr. Raises FileNotFoundError where there is nothing; ValueError naming the images or the class that
    cannot be used: all unreadable images at once, unless `skip_unreadable` leaves them out.
    """
    settings = _Settings(size, channels, float(test_fraction), split_seed, layout, skip_unreadable, bits)
    tree = _find(path, roots)
    parameters = {"path": path, **settings._asdict(), "unfit": tree.unfit, "left": tree.left}
    try:
        data = cached(cache, "image_folder", lambda: _decode(tree, settings), version=VERSION, parameters=parameters,
                      listing=tree, title=path)
    except MemoryError:
        raise ValueError(f"{path}: there is no memory for {len(tree.files):,} file(s) of images at data.size={size}; "
                         "set it smaller") from None
    for note in data.notes:
        print(f"{Path(path).name}: {note}", file=sys.stderr, flush=True)
    return data


def _find(path: str, roots: Sequence[Path]) -> image_tree.Tree:
    if not path:
        raise ValueError("image_folder: path must name a folder or a .tar file with images, got an empty text; set it")
    given = Path(path).expanduser()
    as_given = given.is_absolute() or given.exists()
    places = [given.absolute()] if as_given else [root / given for root in roots]
    tree = next((found for place in places if (found := image_tree.find(place)) is not None), None)
    if tree is not None:
        return tree
    for place in places:
        if place.exists() and not place.is_dir():
            raise ValueError(f"{place} must be a folder of class folders with images, or a plain .tar file of it; "
                             "unpack it, or set data.path to the folder")
        left = [name for name in image_tree.scan(place).left if not name.endswith("/")] if place.is_dir() else []
        if any(map(image_tree.is_image, left)):
            raise ValueError(f"the images of {place} lie in no class folder: {EXPECTED}; move them into one each")
        if left:
            raise ValueError(f"{place} holds no image in a class folder that is read here, but "
                             f"{image_leftovers.suffixes(left)}; read are {' '.join(image_files.SUFFIXES)}: convert "
                             "them, or set data.path to another folder")
    raise absent("images", f"<train|test>/<class>/<image>, <class>/<image>, or tar files of them (suffixes "
                 f"{' '.join(image_files.SUFFIXES)})", places, "set path to a folder or .tar file that holds them")


def _decode(tree: image_tree.Tree, settings: _Settings) -> Dataset:
    inside = image_tree.contents(tree, settings.layout)
    notes = image_leftovers.notes(inside, skip=settings.skip_unreadable)
    _check_memory(len(inside.images), settings)
    found, unfit = image_files.decode(image_tree.read(inside), lambda image: _seen(image, settings))
    unfit = [*inside.unfit, *unfit]
    if not settings.skip_unreadable:
        image_files.refuse(unfit, REMEDY)
    notes += [f"left out {len(unfit):,} unreadable image(s): {image_files.listed(unfit)}"] if unfit else []
    if several := sum(one.value.several for one in found):
        notes.append(f"{several:,} image(s) have several frames or pages: the first of each is read")
    images, note = image_depths.to_bytes([one.value.pixels for one in found], [one.value.coarse for one in found],
                                         settings.bits)
    classes = _classes(tree.folder, inside, found)
    splits = _splits(tree.folder, found, images, settings)
    parts = {}
    for split in SPLITS:
        own = [i for i, one in enumerate(splits) if one == split]
        parts[split] = Part([images[i] for i in own], [classes.index(found[i].label) for i in own],
                            [found[i].called for i in own])
    return replace(assemble("image_folder", classes, parts), notes=tuple([*notes, note] if note else notes))


def _classes(folder: Path, inside: image_tree.Contents, found: Sequence[Decoded]) -> list[str]:
    classes = sorted({image.label for image in found})
    if lost := sorted(inside.labels - set(classes)):
        raise ValueError(f"{folder}: no image of class {lost[0]} can be read; mend some, or move its folder away")
    if len(classes) < 2:
        raise ValueError(f"{folder}: expected at least two class folders with images, got "
                         f"{', '.join(classes) or 'none'}; add the others")
    return classes


def _splits(folder: Path, found: Sequence[Decoded], images: Sequence[np.ndarray], settings: _Settings) -> list[str]:
    """The split of each image: its folder's, or ours where there is none."""
    given = [one.split for one in found if one.split is not None]
    if not given:
        if not 0 < settings.test_fraction < 1:
            raise ValueError("test_fraction must be above 0 and below 1 for images without train/ and test/, got "
                             f"{settings.test_fraction:g}; set it")
        pictures = [image_split.Picture(one.label, one.digest, image.tobytes())
                    for one, image in zip(found, images, strict=True)]
        return image_split.split(pictures, settings.test_fraction, settings.split_seed)
    for split in SPLITS:
        if split not in given:
            raise ValueError(f"{folder}: expected both train/ and test/, got no image in {split}/; add it, or "
                             "set path to the folder of the class folders to have them split")
    return given


def _check_memory(n_images: int, settings: _Settings) -> None:
    """Raises ValueError before anything is read where the images, and a copy in order, cannot lie in memory."""
    wanted = 2 * n_images * settings.channels * settings.size**2
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), resource.getrlimit(resource.RLIMIT_AS)[0]]
    most = min(limit for limit in limits if limit > 0)
    if wanted > most:
        raise ValueError(f"{n_images:,} images of {settings.channels} x {settings.size} x {settings.size} take "
                         f"{wanted / 2**30:,.1f} GiB of memory, there are {most / 2**30:,.1f}; set data.size smaller")


def _seen(image: Image.Image, settings: _Settings) -> _Seen:
    several = image.format in ("GIF", "TIFF", "WEBP", "AVIF", "PNG") and getattr(image, "is_animated", False)
    coarse = image_depths.coarse(image)
    return _Seen(_square(image, settings.size, settings.channels), several, coarse)


def _square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """[channels, size, size] in uint8; in uint16 where a grey image has 16 bits."""
    ImageOps.exif_transpose(image, in_place=True)
    if (pixels := image_depths.deep(image)) is not None:
        side = min(pixels.shape)
        top, left = ((length - side) // 2 for length in pixels.shape)
        pixels = image_depths.resized(pixels[top:top + side, left:left + side], size)
        return np.repeat(pixels[None], channels, axis=0)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    if image.width != image.height:  # first: what follows looks at one pixel at a time, and copies
        image = image.crop((left, top, left + side, top + side))
    mode = "L" if channels == 1 else "RGB"
    if image.has_transparency_data:
        image = _on_white(image, mode)
    elif image.mode != mode:
        image = image.convert(mode)
    if side != size:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return pixels[None].copy() if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    """A transparent image on white, strip by strip: each of the steps makes a copy."""
    laid = Image.new(mode, image.size)
    for top in range(0, image.height, STRIP):
        part = image.crop((0, top, image.width, min(top + STRIP, image.height))).convert("RGBA")
        white = Image.new("RGBA", part.size, "white")
        laid.paste(Image.alpha_composite(white, part).convert(mode), (0, top))
    return laid
