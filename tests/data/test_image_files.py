"""Image files: order, bounds of bytes and pixels, and a name and a reason for each that cannot be read."""

import io
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from convscope.data import image_files
from convscope.data.image_files import Packed, Unfit


def _encoded(image: Image.Image, suffix: str) -> bytes:
    out = io.BytesIO()
    image.save(out, suffix)
    return out.getvalue()


def _png(seed: int, size: tuple[int, int] = (4, 4)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return _encoded(Image.fromarray(pixels), "PNG")


def _packed(name: str, content: bytes) -> Packed:
    return Packed(f"set/{name}", name, None, "cat", content)


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def test_decoding_keeps_the_order_small_or_large():
    packed = [_packed(f"{i}.png", _png(i, (90, 90) if i % 3 else (4, 4))) for i in range(150)]
    assert {len(p.content) >= 16 * 1024 for p in packed} == {True, False}  # both with threads and without
    found, unfit = image_files.decode(packed, _pixels)
    assert not unfit and [one.called for one in found] == [p.called for p in packed]
    for i, one in enumerate(found):
        expected = np.random.default_rng(i).integers(0, 256, one.value.shape, dtype=np.uint8)
        assert np.array_equal(one.value, expected)


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "DIB", "GIF", "TIFF", "PPM"])
def test_formats(suffix):
    found, unfit = image_files.decode([_packed("0", _encoded(Image.new("RGB", (5, 4), "red"), suffix))], _pixels)
    assert not unfit and found[0].value.shape == (4, 5, 3)
    assert found[0].value.reshape(-1, 3).mean(axis=0).round() == pytest.approx([255, 0, 0], abs=4)


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "an empty file"),
    (b"no image", "no image format that is read here"),
    (_png(0)[:60], ""),
    (_png(1, (99, 99))[:20_000], "truncated"),
    (_encoded(Image.new("RGB", (4, 4)), "PCX"), "no image format"),   # an image, of a format that is not let in
    (_encoded(Image.new("RGB", (4, 4)), "EPS"), "no image format"),   # for this one Pillow would call Ghostscript
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a pointer of Git LFS"),
    (b"/annex/objects/SHA256E-s9--00.png\n", "a pointer of git-annex"),
    (b"\0" * 100, "no image format"),
])
def test_an_unreadable_image_has_a_name_and_a_reason(content, reason):
    good = _packed("good.png", _png(1))
    found, unfit = image_files.decode([good, _packed("bad.png", content), good], _pixels)
    assert [one.called for one in found] == ["set/good.png"] * 2
    assert [one.called for one in unfit] == ["set/bad.png"]
    assert unfit[0].reason.startswith(reason) or reason in unfit[0].reason
    with pytest.raises(ValueError, match="^set/bad.png cannot be read as an image .*; mend or remove it$"):
        image_files.refuse(unfit)


@pytest.mark.parametrize("error", [
    IndexError("list index out of range"), struct.error("unpack requires"), KeyError(7), TypeError("None"),
    ZeroDivisionError("by zero"), AttributeError("im"), zlib.error("-3"), RuntimeError("x"), AssertionError(),
    NotImplementedError("y"), RecursionError("deep"), MemoryError(), OverflowError("big")])
@pytest.mark.parametrize("size", [(4, 4), (90, 90)])  # in this thread, and in another
def test_whatever_a_reader_raises_has_the_images_name(error, size):
    def fail(image: Image.Image) -> np.ndarray:
        raise error

    _, unfit = image_files.decode([_packed("bad.png", _png(0, size))], fail)
    assert unfit == [Unfit("set/bad.png", "bad.png", "there is no memory for its pixels" if isinstance(
        error, MemoryError) else "its content is damaged")]


@pytest.mark.parametrize("reader", ["load", "_open"])
def test_errors_of_pillows_own_readers(monkeypatch, reader):
    def fail(*_) -> None:
        raise IndexError("index out of range")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, reader, fail)
    _, unfit = image_files.decode([_packed("bad.png", _png(0))], _pixels)
    assert [one.name for one in unfit] == ["bad.png"]


def test_all_bad_files_are_one_sentence():
    bad = [Unfit(f"/data/set/{c}/{i}.png", f"{c}/{i}.png", why) for c in "ab" for i, why in ((1, "cut"), (2, "empty"))]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        image_files.refuse(bad, "mend {it}")
    assert str(caught.value) == ("4 files of /data/set cannot be read as images: a/1.png, b/1.png (cut); a/2.png, "
                                 "b/2.png (empty); mend them")
    with pytest.raises(ValueError, match="^100 files of .* and 70 more; ") as many:
        image_files.refuse(bad * 25)
    assert len(str(many.value)) < 600
    image_files.refuse([])


def test_files_that_are_no_images_at_all_are_not_read_to_the_end(monkeypatch):
    monkeypatch.setattr(image_files, "MAX_UNFIT", 10)
    seen = []

    def images():
        for i in range(1000):
            seen.append(i)
            yield _packed(f"{i}.png", b"\0" * 20_000)

    with pytest.raises(ValueError, match="^more than 10 files of set cannot be read"):
        image_files.decode(images(), _pixels)
    assert len(seen) < 100


def _blank(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * height * (width + 1)))
            + chunk(b"IEND", b""))


def test_an_image_of_too_many_pixels_is_refused_before_it_is_unpacked():
    for width, height in ((10_001, 10_000), (60_000, 60_000)):
        content = _blank(width, 1).replace(struct.pack(">II", width, 1), struct.pack(">II", width, height))
        content = content[:29] + struct.pack(">I", zlib.crc32(content[12:29])) + content[33:]
        _, unfit = image_files.decode([_packed("big.png", content)], lambda image: pytest.fail())
        assert "pixels" in unfit[0].reason


def test_large_images_are_unpacked_one_after_the_other(monkeypatch):
    monkeypatch.setattr(image_files, "MAX_PIXELS", 90 * 90 + 100)
    monkeypatch.setattr(image_files.os, "cpu_count", lambda: 4)
    working, most, lock = [0], [0], threading.Lock()

    def watch(image: Image.Image) -> int:
        with lock:
            working[0] += image.width * image.height
            most[0] = max(most[0], working[0])
        image.load()
        with lock:
            working[0] -= image.width * image.height
        return 0

    found, unfit = image_files.decode([_packed(str(i), _png(i, (90, 90) if i % 2 else (4, 4))) for i in range(20)],
                                      watch)
    assert len(found) == 20 and not unfit
    assert 90 * 90 <= most[0] <= 90 * 90 + 100


def test_a_bounded_number_of_bytes_waits(monkeypatch):
    monkeypatch.setattr(image_files, "MAX_BYTES", 100_000)
    begun, when_done = [0], []

    def images():
        for i in range(12):
            begun[0] += 1
            yield _packed(str(i), _png(i, (90, 90)))  # some 24 KB

    def slow(image: Image.Image) -> int:
        time.sleep(0.2 if not when_done else 0)  # time enough to read all the others
        when_done.append(begun[0])
        return 0

    assert len(image_files.decode(images(), slow)[0]) == 12
    assert when_done[0] <= 6


def test_names_cannot_steer_a_terminal():
    assert image_files.printable("a\x1b[31m\udcff\n.png") == r"a\x1b[31m\udcff\n.png"
