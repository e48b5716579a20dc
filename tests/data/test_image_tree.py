"""Folders and tar files of images: what is read, in which order, what is left out, and what is refused."""

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data import image_files, image_tars, image_tree
from convscope.data.image_files import Packed
from convscope.data.image_layout import Layout


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


def _inside(path: Path, layout: Layout = "auto") -> image_tree.Contents:
    tree = image_tree.find(path)
    assert tree is not None
    return image_tree.contents(tree, layout)


def _read(path: Path) -> list[Packed]:
    return list(image_tree.read(_inside(path)))


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
    assert images[0].called == f"{tmp_path / 'a.tar'}: a/cat/0.png"


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


def test_a_size_is_bounded_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(image_tree, "MAX_BYTES", 50)
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "0.png").write_bytes(_png(0))
    for path in (_tar(tmp_path / "a.tar", {"train/cat/0.png": _png(0)}), tmp_path / "set"):
        inside = _inside(path)
        assert not inside.images and inside.labels == {"cat"}
        assert inside.unfit[0].called.endswith("cat/0.png")
        assert "bytes, at most 50 are read" in inside.unfit[0].reason


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


HUGE = 20 * 2**30


@pytest.mark.parametrize(("content", "sentence"), [
    (_header("././@PaxHeader", HUGE, tarfile.XHDTYPE), "a header of 21474836480 bytes"),
    (_header("././@PaxHeader", HUGE, tarfile.XGLTYPE), "a header of 21474836480 bytes"),
    (_header("././@LongLink", HUGE, tarfile.GNUTYPE_LONGNAME), "a header of 21474836480 bytes"),
    (_header("././@LongLink", HUGE, tarfile.GNUTYPE_LONGLINK), "a header of 21474836480 bytes"),
    (_header("train/cat/0.png", HUGE, tarfile.GNUTYPE_SPARSE), "must be a regular file"),
    (b"".join(_header("x", 0, tarfile.XHDTYPE) for _ in range(3000)), "its headers are damaged"),
    (_header("train/cat/0.png", 8**20), "truncated or no plain tar"),
])
def test_an_archive_that_claims_20_gib_costs_nothing(tmp_path, content, sentence):
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(content)
        file.truncate(HUGE + 2**20)  # a few blocks on the disk, the rest is a hole
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"a.tar.*{sentence}"):
        _read(path)
    assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    tracemalloc.stop()


def test_a_member_of_20_gib_is_unfit_or_passed_over(tmp_path):
    (path := tmp_path / "a.tar").write_bytes(_header("train/cat/0.png", HUGE))
    with path.open("ab") as file:
        file.truncate(512 + HUGE)
        file.seek(512 + HUGE)
        file.write(_header("train/cat/video.bin", HUGE))
        file.truncate(1024 + 2 * HUGE + 1024)
    inside = _inside(path)
    assert [one.reason for one in inside.unfit] == [f"{HUGE} bytes, at most {image_tree.MAX_BYTES} are read for one "
                                                    "image"]
    assert inside.left == ["train/cat/video.bin"]


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
    (["0.png"], "lies in no class folder"),
    (["train/cat/deep/0.png"], "lies in no class folder"),
    (["one/cat/0.png", "two/cat/1.png"], "two/cat/1.png lies too deep or beside another set"),
    (["train/cat/0.png", "test/cat/0.png", "val/cat/0.png"], "val/cat/0.png lies neither in train/ nor in test/"),
    (["train/cat/0.png", "train/0.png"], "train/0.png lies in no class folder"),
])
def test_what_lies_in_no_layout_is_named(tmp_path, names, sentence):
    with pytest.raises(ValueError, match=sentence):
        _read(_tar(tmp_path / "a.tar", {name: _png(0) for name in names}))


@pytest.mark.parametrize("classes", [("bus", "train"), ("exam", "test"), ("train", "test"), ("Training", "Validation"),
                                     ("dev", "ops"), ("cat", "Test")])
@pytest.mark.parametrize("above", ["", "vehicles/"])
def test_a_class_that_is_named_like_a_split_wants_to_be_told(tmp_path, classes, above):
    path = _tar(tmp_path / "a.tar", {f"{above}{name}/0.png": _png(0) for name in classes})
    with pytest.raises(ValueError, match="lies in no class folder: .*; or set data.layout=classes if .* is a class"):
        _read(path)
    assert [place for _, place in _inside(path, "classes").images] == [(None, name) for name in classes]


def test_a_class_of_a_splits_name_below_splits_is_a_class(tmp_path):
    path = _tar(tmp_path / "a.tar", {f"{split}/{label}/0.png": _png(0) for split in ("train", "test")
                                     for label in ("bus", "train", "test")})
    assert {place for _, place in _inside(path).images} == {
        (split, label) for split in ("train", "test") for label in ("bus", "train", "test")}


@pytest.mark.parametrize("name", ["above/cat/0.png", "above/train/cat/0.png"])
def test_a_folder_above_the_tree_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(_png(0))
    with pytest.raises(ValueError, match=f"{name} lies too deep"):
        _read(tmp_path)


def test_what_is_no_image_is_told_by_its_name(tmp_path):
    for name in ("cat/0.png", "cat/1.heic", "cat/notes.txt", "cat/raw", "cat/._0.png", "dog/0.JFIF", "dog/1.jpe",
                 "LICENSE", "cover.png", "cat/deep/er/than/that/is/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "bird").mkdir()
    tree = image_tree.find(tmp_path)
    assert tree is not None
    assert [file.name for file in tree.files] == ["cat/0.png", "dog/0.JFIF", "dog/1.jpe"]
    assert sorted(tree.left) == ["bird/", "cat/1.heic", "cat/deep/er/than/that/", "cat/notes.txt", "cat/raw",
                                 "cover.png"]
    packed = _tar(tmp_path / "a.tar", {"set/cat/0.png": b"x", "set/cat/1.heic": b"x", "set/cat/._0.png": b"x"})
    assert _inside(packed).left == ["set/cat/1.heic"]


def test_what_is_no_file_is_unfit(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").write_bytes(_png(0))
    (tmp_path / "cat" / "1.png").symlink_to("/nowhere/1.png")
    (tmp_path / "cat" / "2.png").symlink_to("/dev/zero")
    (tmp_path / "cat" / "3.png").symlink_to("3.png")
    os.mkfifo(tmp_path / "cat" / "4.png")
    reasons = {Path(one.called).name: one.reason for one in _inside(tmp_path).unfit}
    assert {name: reason.split(":")[0] for name, reason in reasons.items()} == {
        "1.png": "a link that leads nowhere", "2.png": "a pipe, socket or device, no file",
        "3.png": "a link that leads nowhere", "4.png": "a pipe, socket or device, no file"}


def test_an_archive_that_is_no_file_is_named(tmp_path):
    (tmp_path / "a.tar").symlink_to("/dev/zero")
    (tmp_path / "b.tar").symlink_to("/nowhere.tar")
    os.mkfifo(tmp_path / "c.tar")
    for name, sentence in (("a.tar", "pipe or device"), ("b.tar", "leads nowhere"), ("c.tar", "pipe or device")):
        with pytest.raises(ValueError, match=f"{name} .*{sentence}"):
            image_tree.find(tmp_path / name)
    with pytest.raises(ValueError, match="a.tar must be a file"):
        image_tree.find(tmp_path)


def test_headers_are_read_in_bounded_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(image_tars, "MAX_HEADER", 512)
    names = [f"train/cat/{'long' * 40}{i}.png" for i in range(3)]
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    assert [one.name for one in image_tars.members(tmp_path / "a.tar")] == names


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".avif", ".pnm", ".dib"])
def test_more_suffixes_are_images(suffix):
    assert image_tree.is_image(f"cat/0{suffix}") and suffix.lower() in image_files.SUFFIXES
