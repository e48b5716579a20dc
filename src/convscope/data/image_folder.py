"""Any user's own images: `<train|test>/<class>/<image>`, or `<class>/<image>` and split here; folders or tar files.

Every image is turned upright (EXIF), cropped to its central square and resized with Lanczos' filter, so that mixed
sizes are fine; at the target size already it stays as it is. Grey is ITU-R 601-2 luma; transparent parts are laid on
white; 16 bits become 8.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from convscope.data import image_tree
from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.roots import absent
from convscope.family import Count, Fraction

VERSION = 1
KIND = "image"


class _Read(NamedTuple):
    name: str
    split: str | None
    label: str
    digest: str
    image: np.ndarray


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str, size: Count = 32,
         channels: Literal[1, 3] = 3, test_fraction: Fraction = 0.2, split_seed: int = 0) -> Dataset:
    """A user's images [N, channels, size, size]; classes are the folders' names, sorted.

    `path` names a folder or a .tar file: taken as given where it exists or is absolute, else searched below each root.
    `test_fraction` and `split_seed` matter only where there are no train and test folders: each class is then split by
    the hash of its files' contents, whatever their names. Raises FileNotFoundError where there is nothing; ValueError
    naming the image or class that cannot be used.
    """
    if not path:
        raise ValueError("image_folder: path must name a folder or a .tar file with images, got an empty text; set it")
    given = Path(path).expanduser()
    as_given = given.is_absolute() or given.exists()
    places = [given.absolute()] if as_given else [root / given for root in roots]
    listing = next((found for place in places if (found := image_tree.find(place)) is not None), None)
    if listing is None:
        raise absent("images", f"<train|test>/<class>/<image>, <class>/<image>, or tar files of them (suffixes "
                     f"{' '.join(image_tree.SUFFIXES)})", places, "set path to a folder or .tar file that holds them")
    parameters = {"path": path, "size": size, "channels": channels, "test_fraction": float(test_fraction),
                  "split_seed": split_seed}
    return cached(cache, "image_folder", lambda: _decode(listing, size, channels, test_fraction, split_seed),
                  version=VERSION, parameters=parameters, listing=listing, title=path)


def _decode(listing: Listing, size: int, channels: int, test_fraction: float, split_seed: int) -> Dataset:
    images = [_Read(packed.name, packed.split, packed.label, packed.digest, image) for packed, image in
              image_tree.decode(image_tree.read(listing), lambda image: _square(image, size, channels))]
    classes = sorted({image.label for image in images})
    if len(classes) < 2:
        raise ValueError(f"{listing.folder}: expected at least two class folders with images, got "
                         f"{', '.join(classes) or 'none'}; add the others")
    if len({image.split is None for image in images}) == 2:
        odd = next(image for image in images if image.split is None)
        raise ValueError(f"{odd.name} lies neither in train/ nor in test/, where others do; move it")
    if images[0].split is None:
        images = _splitted(images, test_fraction, split_seed)
    for split in image_tree.SPLITS:
        if not any(image.split == split for image in images):
            raise ValueError(f"{listing.folder}: expected both train/ and test/, got no image in {split}/; add it, or "
                             "set path to the folder of the class folders to have them split")
    parts = {}
    for split in image_tree.SPLITS:
        own = [image for image in images if image.split == split]
        parts[split] = Part([image.image for image in own], [classes.index(image.label) for image in own],
                            [image.name for image in own])
    return assemble("image_folder", classes, parts)


def _splitted(images: Sequence[_Read], test_fraction: float, split_seed: int) -> list[_Read]:
    """Each class in order of a seeded hash of its files' contents: the first ones are the test's.

    Equal files stay on one side, so that no test image was trained on.
    """
    if not 0 < test_fraction < 1:
        raise ValueError("test_fraction must be above 0 and below 1 for images without train/ and test/, got "
                         f"{test_fraction:g}; set it")
    result = []
    for label in sorted({image.label for image in images}):
        drawn = sorted((hashlib.sha256(f"{split_seed}/{image.digest}".encode()).hexdigest(), i)
                       for i, image in enumerate(images) if image.label == label)
        n_test = min(max(1, round(test_fraction * len(drawn))), len(drawn) - 1)
        while 0 < n_test < len(drawn) and drawn[n_test][0] == drawn[n_test - 1][0]:
            n_test += 1
        if not 0 < n_test < len(drawn):
            raise ValueError(f"class {label} has {len({d for d, _ in drawn})} different image(s), at least 2 are "
                             "needed to split it into train and test; add some")
        result += [images[i]._replace(split="test" if rank < n_test else "train") for rank, (_, i) in enumerate(drawn)]
    return result


def _square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):  # Pillow would clip 16 bits at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no fixed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return pixels[None].copy() if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
