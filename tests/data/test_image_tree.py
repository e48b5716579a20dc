"""Folders and tar files of images: what is read, in which order, and what is refused."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data import image_tree


def _encoded(image: Image.Image, suffix: str) -> bytes:
    out = io.BytesIO()
    image.save(out, suffix)
    return out.getvalue()


def _png(seed: int, size: tuple[int, int] = (4, 4)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return _encoded(Image.fromarray(pixels), "PNG")


def _tar(path: Path, members: dict[str, bytes], **changes) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def _read(path: Path) -> list[image_tree.Packed]:
    listing = image_tree.find(path)
    assert listing is not None
    return list(image_tree.read(listing))


TREE = {f"{split}/{label}/{i}.png": _png(10 * i + len(split + label)) for split in ("test", "train")
        for label in ("cat", "horse") for i in range(2)}


def test_folder_and_tar_give_the_same(tmp_path):
    for name, content in TREE.items():
        file = tmp_path / "set" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "set" / "train" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "set" / "train" / "cat" / "._0.png").write_text("what a Mac leaves")
    inside = {f"some/set/{name}": content for name, content in TREE.items()}
    _tar(tmp_path / "set.tar", {**inside, "some/set/readme.txt": b"x", "some/set/train/cat/._0.png": b"x"})
    half = dict(list(inside.items())[:3])
    (tmp_path / "parts").mkdir()
    _tar(tmp_path / "parts" / "1.tar", half)
    _tar(tmp_path / "parts" / "2.tar", {f"./{k}": v for k, v in inside.items() if k not in half})
    expected = [(*name.split("/")[:2], content) for name, content in TREE.items()]
    for path in ("set", "set.tar", "parts"):
        assert [(p.split, p.label, p.content) for p in _read(tmp_path / path)] == expected


def test_a_tree_without_splits(tmp_path):
    members = {f"a/{name.removeprefix('train/')}": content for name, content in TREE.items() if "train" in name}
    images = _read(_tar(tmp_path / "a.tar", members))
    assert [(p.split, p.label) for p in images] == [(None, "cat")] * 2 + [(None, "horse")] * 2
    assert images[0].name == f"{tmp_path / 'a.tar'}: a/cat/0.png"


def test_where_nothing_is_there_is_nothing(tmp_path):
    (tmp_path / "loose.png").write_bytes(_png(0))
    (tmp_path / "file.txt").write_bytes(b"")
    assert image_tree.find(tmp_path) is None
    assert image_tree.find(tmp_path / "file.txt") is None
    assert image_tree.find(tmp_path / "absent") is None


@pytest.mark.parametrize(("name", "changes", "sentence"), [
    ("/etc/cat/0.png", {}, "plain relative name"),
    ("train/../../cat/0.png", {}, "plain relative name"),
    ("train\\..\\cat/0.png", {}, "plain relative name"),
    ("train/cat/0.png", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}, "regular file"),
    ("train/cat/0.png", {"type": tarfile.LNKTYPE, "linkname": "other", "size": 0}, "regular file"),
    ("train/cat/0.png", {"type": tarfile.FIFOTYPE, "size": 0}, "regular file"),
    ("train/cat/0.png", {"type": tarfile.CHRTYPE, "size": 0}, "regular file"),
])
def test_untrusted_members_are_refused(tmp_path, name, changes, sentence):
    with pytest.raises(ValueError, match=f"a.tar: member .*{sentence}"):
        _read(_tar(tmp_path / "a.tar", {name: _png(0)}, **changes))


def test_a_size_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_tree, "MAX_BYTES", 50)
    with pytest.raises(ValueError, match=r"a.tar: train/cat/0.png has \d+ bytes, at most 50"):
        _read(_tar(tmp_path / "a.tar", {"train/cat/0.png": _png(0)}))
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "0.png").write_bytes(_png(0))
    with pytest.raises(ValueError, match=r"set/cat/0.png has \d+ bytes, at most 50"):
        _read(tmp_path / "set")


@pytest.mark.parametrize("keep", [
    512 + 100,       # within an image
    1024 + 200,      # within a header
    1024,            # between two members: tarfile itself sees nothing wrong
    3 * 1024,        # before the end mark: likewise
    100, 0,
])
def test_a_truncated_tar_is_named(tmp_path, keep):
    content = _tar(tmp_path / "whole.tar", {f"train/cat/{i}.png": _png(i) for i in range(3)}).read_bytes()
    assert len(_png(0)) < 512  # so a member fills 1024 bytes
    (tmp_path / "whole.tar").unlink()
    (tmp_path / "a.tar").write_bytes(content[:keep])
    with pytest.raises(ValueError, match="a.tar is truncated or no plain tar file"):
        _read(tmp_path / "a.tar")


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    path = _tar(tmp_path / "a.tar", {f"train/cat/{i}.png": _png(i) for i in range(3)})
    content = bytearray(path.read_bytes())
    content[1024 + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a.tar is truncated .*no member and no end mark at byte 1024"):
        _read(path)


def test_a_compressed_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("train/cat/0.png"))
    with pytest.raises(ValueError, match="a.tar is truncated or no plain tar file"):
        _read(tmp_path / "a.tar")


@pytest.mark.parametrize(("names", "sentence"), [
    (["train/0.png"], "lies in no class folder"),
    (["train/cat/deep/0.png"], "lies in no class folder"),
    (["one/cat/0.png", "two/cat/1.png"], "two/cat/1.png lies too deep or beside another set"),
])
def test_what_lies_in_no_layout_is_named(tmp_path, names, sentence):
    with pytest.raises(ValueError, match=sentence):
        _read(_tar(tmp_path / "a.tar", {name: _png(0) for name in names}))


@pytest.mark.parametrize("name", ["above/cat/0.png", "above/train/cat/0.png"])
def test_a_folder_above_the_tree_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(_png(0))
    with pytest.raises(ValueError, match=f"{name} lies too deep"):
        _read(tmp_path)


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def test_decoding_keeps_the_order_small_or_large():
    packed = [image_tree.Packed(f"{i}.png", None, "a", _png(i, (90, 90) if i % 3 else (4, 4))) for i in range(150)]
    assert {len(p.content) >= 16 * 1024 for p in packed} == {True, False}  # both with threads and without
    decoded = list(image_tree.decode(packed, _pixels))
    assert [p.name for p, _ in decoded] == [p.name for p in packed]
    for p, image in decoded:
        assert np.array_equal(image, np.asarray(Image.open(io.BytesIO(p.content))))


def test_decoding_reads_only_a_little_ahead():
    taken = []

    def images():
        for i in range(1000):
            taken.append(i)
            yield image_tree.Packed(f"{i}.png", None, "a", content)

    content = _png(0)
    next(image_tree.decode(images(), _pixels))
    assert len(taken) <= 64


@pytest.mark.parametrize("content", [
    b"", b"no image at all", _png(0)[:60], _png(0, (99, 99))[:20_000],
    _encoded(Image.new("RGB", (4, 4)), "PCX"),   # an image, of a format that is not let in
    _encoded(Image.new("RGB", (4, 4)), "EPS"),   # for this one Pillow would call Ghostscript
])
def test_an_unreadable_image_is_named(content):
    good = image_tree.Packed("set/cat/good.png", None, "cat", _png(1))
    bad = image_tree.Packed("set/cat/bad.png", None, "cat", content)
    with pytest.raises(ValueError, match="^set/cat/bad.png cannot be read as an image .*; mend or remove it$"):
        list(image_tree.decode([good, bad, good], _pixels))


def test_an_image_of_too_many_pixels_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(image_tree, "MAX_PIXELS", 15)
    with pytest.raises(ValueError, match="big.png cannot be read as an image .*4x4 pixels"):
        list(image_tree.decode([image_tree.Packed("big.png", None, "cat", _png(0))], lambda image: pytest.fail()))
