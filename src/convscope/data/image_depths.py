"""Images of more than 8 bits become 8 by the set's own range: cameras of 10 to 14 bits store them in 16."""

from collections.abc import Sequence

import numpy as np
from PIL import Image


def deep(image: Image.Image) -> np.ndarray | None:
    """Grey pixels uint16 [H, W] of 16 bits, None for images of 8; ValueError for numbers of no fixed range."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):  # PPM: scaled to 65,535
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no fixed range; save it with 8 or 16 bits")
    return None


def coarse(image: Image.Image) -> bool:
    """Whether a file holds 16 bits per colour, of which Pillow reads the upper 8: to be asked before it is loaded."""
    return image.mode in ("RGB", "RGBA", "LA", "CMYK") and any(
        ";16" in str(tile.args) for tile in getattr(image, "tile", ()))


def resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Grey pixels uint16 [S, S] resized by Lanczos' filter, within the range that they had."""
    if pixels.shape == (size, size):
        return pixels
    small = Image.fromarray(pixels.astype(np.float32)).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(small).round().clip(pixels.min(), pixels.max()).astype(np.uint16)


def to_bytes(images: Sequence[np.ndarray], rough: Sequence[bool], bits: int | None) -> tuple[list[np.ndarray], str]:
    """Images as uint8, those of uint16 by their upper 8 of `bits`, and a note on it, empty where there is nothing.

    `bits` None is what the largest value of all of them needs, 8 to 16. `rough` says which were colours of 16 bits,
    read as the upper 8. Raises ValueError where values need more than `bits`, or where such colours use less than all.
    """
    highest = max((int(one.max()) for one in images if one.dtype == np.uint16), default=0)
    needed = max(8, highest.bit_length())
    if bits is not None and needed > bits:
        raise ValueError(f"the largest value of the 16-bit images is {highest:,}, which needs {needed} bits, more than "
                         f"data.bits={bits}; raise it, or leave it out")
    colours = max((int(one.max()) for one, is_rough in zip(images, rough, strict=True) if is_rough), default=255)
    if bits is None and colours < 128:
        raise ValueError(f"the images with 16 bits per colour use the lower {8 + colours.bit_length()} of them, and "
                         "only the upper 8 are read: nearly black; save them with 8 bits per colour, or set "
                         "data.bits=16 if they are meant to be so dark")
    shift = (needed if bits is None else bits) - 8
    found = [(one >> shift).astype(np.uint8) if one.dtype == np.uint16 else one for one in images]
    if not highest or needed == 16 or bits is not None:
        return found, ""
    return found, (f"the largest value of the 16-bit images is {highest:,}: they are read as images of {needed} bits "
                   "(data.bits=16 reads them as they stand)")
