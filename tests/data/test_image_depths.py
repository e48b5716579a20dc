"""Images of more than 8 bits: by the range that the whole set uses, in every file that can hold them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from convscope.data import image_depths
from convscope.data.image_folder import _square


def _grey(bits: int, seed: int = 0, shape: tuple[int, int] = (32, 32)) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=np.uint16)
    pixels[0, :2] = 0, 2**bits - 1
    return pixels


def _file(pixels: np.ndarray, suffix: str) -> Image.Image:
    out = io.BytesIO()
    if suffix == "PPM":
        out.write(b"P5 %d %d 65535\n" % pixels.shape[::-1] + pixels.astype(">u2").tobytes())
    elif suffix == "MM":  # a TIFF whose bytes are in the other order
        height, width = pixels.shape
        tags = [(256, 3, width << 16), (257, 3, height << 16), (258, 3, 16 << 16), (259, 3, 1 << 16), (262, 3, 1 << 16),
                (273, 4, 8 + 2 + 8 * 12 + 4), (278, 3, height << 16), (279, 4, pixels.size * 2)]
        out.write(b"MM\0*" + struct.pack(">IH", 8, len(tags)))
        out.write(b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in tags) + bytes(4))
        out.write(pixels.astype(">u2").tobytes())
    else:
        Image.fromarray(pixels).save(out, suffix)
    out.seek(0)
    return Image.open(out)


def _colour(pixels: np.ndarray) -> Image.Image:
    """A PNG of 16 bits for each of 2 to 4 channels, which Pillow can read and not write."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                                 + chunk(b"IEND", b"")))


@pytest.mark.parametrize("suffix", ["PNG", "TIFF", "PPM", "MM"])
@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 15, 16])
def test_the_upper_eight_of_the_bits_in_use_are_kept(suffix, bits):
    pixels = _grey(bits)
    found, note = image_depths.to_bytes([_square(_file(pixels, suffix), 32, 1)], [False], None)
    assert found[0].dtype == np.uint8
    assert np.array_equal(found[0][0], pixels >> max(bits - 8, 0))
    assert (f"is {2**bits - 1:,}: they are read as images of {bits} bits" in note) == (bits < 16)


def test_the_whole_sets_largest_value_decides_not_each_images():
    dark, light = _grey(10), _grey(12, 1)
    eight = np.full((1, 32, 32), 200, np.uint8)
    deep = [_square(_file(one, "PNG"), 32, 1) for one in (dark, light)]
    found, note = image_depths.to_bytes([*deep, eight], [False] * 3, None)
    assert np.array_equal(found[0][0], dark >> 4) and np.array_equal(found[1][0], light >> 4) and found[2] is eight
    assert "4,095" in note


@pytest.mark.parametrize("bits", [12, 14, 16])
def test_bits_can_be_said(bits):
    pixels = _grey(12)
    found, note = image_depths.to_bytes([pixels[None]], [False], bits)
    assert np.array_equal(found[0][0], pixels >> (bits - 8)) and not note
    with pytest.raises(ValueError, match="is 4,095, which needs 12 bits, more than data.bits=11"):
        image_depths.to_bytes([pixels[None]], [False], 11)


def test_images_of_eight_bits_stay_as_they_are():
    images = [np.full((1, 2, 2), k, np.uint8) for k in range(3)]
    found, note = image_depths.to_bytes(images, [False] * 3, None)
    assert all(a is b for a, b in zip(images, found, strict=True)) and not note


@pytest.mark.parametrize("bits", [12, 16])
def test_resizing_keeps_levels_and_range(bits):
    pixels = _grey(bits, shape=(64, 80))
    small = _square(_file(pixels, "PNG"), 32, 3)
    assert small.dtype == np.uint16 and small.shape == (3, 32, 32) and np.array_equal(small[0], small[2])
    assert len(np.unique(small)) > 500
    edge = np.where(np.arange(64) < 31, 0, 2**bits - 1).astype(np.uint16)[None].repeat(64, axis=0)
    assert _square(_file(edge, "PNG"), 32, 1).max() == 2**bits - 1  # Lanczos' filter swings over
    square = Image.fromarray(pixels[:, 8:72].astype(np.float32)).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.abs(small[0] - np.asarray(square).clip(0, 2**bits - 1)).max() <= 0.51


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_dark_colours_of_sixteen_bits_are_refused(channels):
    """Pillow reads the upper 8 bits of each colour: of 12 bits that leaves 16 levels."""
    pixels = np.stack([_grey(12, k) for k in range(channels)], axis=2)
    if channels in (2, 4):
        pixels[..., -1] = 65535  # opaque
    assert image_depths.coarse(_colour(pixels))
    found = _square(_colour(pixels), 32, 3)
    with pytest.raises(ValueError, match=r"16 bits per colour use the lower 12 of them.* set data.bits=16"):
        image_depths.to_bytes([found], [True], None)
    assert image_depths.to_bytes([found], [True], 16)[0][0] is found
    full = np.stack([_grey(16, k) for k in range(channels)], axis=2)
    assert image_depths.to_bytes([_square(_colour(full), 32, 3)], [True], None)[1] == ""


def test_images_of_eight_bits_per_colour_are_not_coarse():
    for mode in ("RGB", "RGBA", "LA", "L", "P", "1"):
        out = io.BytesIO()
        Image.new(mode, (4, 4)).save(out, "PNG")
        assert not image_depths.coarse(Image.open(out))


def test_numbers_without_a_fixed_range_are_refused():
    for pixels in (np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32)):
        with pytest.raises(ValueError, match="have no fixed range; save it with 8 or 16 bits"):
            image_depths.deep(_file(pixels, "TIFF"))
