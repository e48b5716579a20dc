"""CIFAR-10 from batches, tree and tar: the same set; damaged or incomplete ones refused; the real one where it is."""

import hashlib
import io
import os
import re
import shutil
import struct
import sys
import tarfile
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from convscope.data import cifar10
from convscope.data.dataset import Dataset
from convscope.data.roots import default_cache

REAL = Path(os.environ.get("CONVSCOPE_DATA", "data"))
Tiny = dict[str, tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def tiny(monkeypatch) -> Tiny:
    """3 train images and 1 test image of each class, in mixed order; the loader expects as many."""
    monkeypatch.setattr(cifar10, "EXPECTED", {"train": 30, "test": 10})
    rng = np.random.default_rng(0)
    return {split: (rng.integers(0, 256, (10 * n, 3, 32, 32), dtype=np.uint8), rng.permutation(np.arange(10 * n) % 10))
            for split, n in (("train", 3), ("test", 1))}


def _python2_pickle(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """A batch as Python 2 and numpy 1 wrote the official ones: byte strings, and `numpy.core`."""
    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<I", len(value)) + value

    n = len(labels)
    dtype = (b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNN"
             + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb")
    array = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R(K\x01K"
             + bytes([n]) + b"M" + struct.pack("<H", 3072) + b"\x86" + dtype + b"\x89" + text(pixels.tobytes()) + b"tb")
    listed = b"](" + b"".join(b"K" + bytes([k]) for k in labels) + b"e"
    return (b"\x80\x02}(" + text(b"batch_label") + text(b"of 5") + text(b"labels") + listed + text(b"data") + array
            + b"u.")


def _batches(root: Path, tiny: Tiny, monkeypatch) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    md5 = {}
    (x, y), (x_test, y_test) = tiny["train"], tiny["test"]
    for name, index in [(f"data_batch_{b + 1}", slice(6 * b, 6 * b + 6)) for b in range(5)] + [("test_batch", None)]:
        content = _python2_pickle(x_test, y_test) if index is None else _python2_pickle(x[index], y[index])
        (folder / name).write_bytes(content)
        md5[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(cifar10, "MD5", md5)
    return folder


def _files(tiny: Tiny, suffix: str = "webp") -> dict[str, bytes]:
    files = {}
    for split, (images, labels) in tiny.items():
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            out = io.BytesIO()
            Image.fromarray(image.transpose(1, 2, 0)).save(out, suffix, lossless=True)
            files[f"cifar10/{split}/{cifar10.CLASSES[label]}/{i:03d}.{suffix}"] = out.getvalue()
    return files


def _folder(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def _tar(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_every_layout_gives_the_same_set(tmp_path, tiny, monkeypatch):
    _batches(tmp_path / "batches", tiny, monkeypatch)
    files = _files(tiny)
    _folder(tmp_path / "tree", files)
    _folder(tmp_path / "png", _files(tiny, "png"))
    _tar(tmp_path / "tar" / "cifar10.tar", files)
    for part in range(3):
        _tar(tmp_path / "tars" / "cifar10" / f"part-{part}.tar", dict(list(files.items())[part::3]))
    layouts = {name: cifar10.load(roots=[tmp_path / "absent", tmp_path / name], cache=tmp_path / "cache" / name)
               for name in ("batches", "tree", "png", "tar", "tars")}
    assert len({data.fingerprint for data in layouts.values()}) == 1
    for data in layouts.values():
        assert data.class_names == cifar10.CLASSES
        assert data.input_shape == (3, 32, 32)
        for split, (images, labels) in tiny.items():
            expected = sorted((int(k), hashlib.sha256(x.tobytes()).hexdigest(), x.tobytes())
                              for x, k in zip(images, labels, strict=True))
            assert data.splits[split].y.tolist() == [k for k, _, _ in expected]
            assert [x.tobytes() for x in data.splits[split].stored] == [x for _, _, x in expected]
            assert data.splits[split].ids.tolist() == [digest[:16] for _, digest, _ in expected]


def test_a_root_is_only_read_and_a_second_start_decodes_nothing(tmp_path, tiny, monkeypatch):
    _folder(tmp_path / "root", _files(tiny))
    before = sorted(tmp_path.joinpath("root").rglob("*"))
    first = cifar10.load(roots=[tmp_path / "root"], cache=tmp_path / "cache")
    monkeypatch.setattr(cifar10, "_decode", lambda listing: pytest.fail("decoded again"))
    assert cifar10.load(roots=[tmp_path / "root"], cache=tmp_path / "cache").fingerprint == first.fingerprint
    assert sorted(tmp_path.joinpath("root").rglob("*")) == before


def test_the_first_root_that_has_it_is_taken(tmp_path, tiny):
    _folder(tmp_path / "one", _files(tiny))
    _folder(tmp_path / "two", _files({s: (255 - x, y) for s, (x, y) in tiny.items()}))
    one, two = ([tmp_path / name] for name in ("one", "two"))
    loaded = [cifar10.load(roots=r, cache=tmp_path / "cache").fingerprint for r in (one, two, one + two, two + one)]
    assert loaded[0] == loaded[2] != loaded[1] == loaded[3]


def test_a_part_of_the_set_is_refused_with_the_counts(tmp_path, tiny):
    _tar(tmp_path / "cifar10" / "part-1.tar", dict(list(_files(tiny).items())[::2]))
    with pytest.raises(ValueError, match=r"must have 30 train and 10 test images, found 15 and 5 in 1 file\(s\)"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_class_that_is_short_is_named(tmp_path, tiny):
    tiny["train"][1][np.flatnonzero(tiny["train"][1] == 3)[0]] = 4
    _folder(tmp_path, _files(tiny))
    with pytest.raises(ValueError, match="3 train images of each class, found 2 of cat"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


@pytest.mark.parametrize(("name", "size", "mode", "sentence"), [
    ("train/cat/000.png", (31, 32), "RGB", "train/cat/000.png cannot be read .*expected 32x32 RGB, got 31x32 RGB"),
    ("train/cat/000.png", (32, 32), "RGBA", "expected 32x32 RGB, got 32x32 RGBA"),
    ("train/fish/000.png", (32, 32), "RGB", "cifar10/train/fish/000.png does not belong to CIFAR-10"),
    ("cat/000.png", (32, 32), "RGB", "cifar10/cat/000.png lies neither in train/ nor in test/"),
])
def test_an_image_that_is_not_cifar_is_named(tmp_path, tiny, name, size, mode, sentence):
    _folder(tmp_path, _files(tiny))
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    _folder(tmp_path / "cifar10", {name: out.getvalue()})
    with pytest.raises(ValueError, match=sentence):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_an_unreadable_image_in_a_tar_is_named(tmp_path, tiny):
    files = _files(tiny)
    name = list(files)[7]
    files[name] = files[name][:90]
    _tar(tmp_path / "cifar10.tar", files)
    with pytest.raises(ValueError, match=f"cifar10.tar: {name} cannot be read as an image"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_all_unreadable_images_are_one_sentence(tmp_path, tiny):
    files = _files(tiny)
    names = list(files)[3:6]
    files |= {names[0]: b"", names[1]: b"no image", names[2]: files[names[2]][:90]}
    _tar(tmp_path / "cifar10.tar", files)
    with pytest.raises(ValueError, match=r"3 files of .*cifar10.tar cannot be read as images: .*; mend or remove them"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda path: path.symlink_to("/dev/zero"), "must be a file, got a pipe or device"),
    (os.mkfifo, "must be a file, got a pipe or device"),
    (lambda path: path.symlink_to("/nowhere"), "is a link that leads nowhere"),
    (lambda path: (path.touch(), os.truncate(path, 20 * 2**30)), r"has more than [\d,]+ bytes"),
])
@pytest.mark.parametrize("name", ["cifar-10-batches-py/data_batch_2", "cifar10.tar"])
def test_what_is_no_file_or_has_no_end_is_named(tmp_path, tiny, monkeypatch, name, make, sentence):
    _batches(tmp_path, tiny, monkeypatch)
    if name == "cifar10.tar":
        shutil.rmtree(tmp_path / "cifar-10-batches-py")
        sentence = sentence if "file" in sentence or "link" in sentence else "must have 30 train and 10 test images"
    else:
        (tmp_path / name).unlink()
    make(tmp_path / name)
    tracemalloc.start()
    with pytest.raises(ValueError, match=sentence):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()


def test_a_truncated_tar_is_named(tmp_path, tiny):
    _tar(tmp_path / "cifar10.tar", _files(tiny))
    content = (tmp_path / "cifar10.tar").read_bytes()
    (tmp_path / "cifar10.tar").write_bytes(content[:len(content) // 2])
    with pytest.raises(ValueError, match="cifar10.tar is truncated"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_batch_with_another_checksum_is_not_unpickled(tmp_path, tiny, monkeypatch):
    folder = _batches(tmp_path, tiny, monkeypatch)
    monkeypatch.setattr(cifar10, "_Unpickler", lambda *_, **__: pytest.fail("unpickled"))
    (folder / "data_batch_1").write_bytes((folder / "data_batch_1").read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"data_batch_1 is truncated or changed \(md5 [0-9a-f]{32}, expected"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_batch_runs_no_code_whatever_its_checksum(tmp_path, tiny, monkeypatch):
    folder = _batches(tmp_path, tiny, monkeypatch)
    content = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    (folder / "data_batch_1").write_bytes(content)
    monkeypatch.setitem(cifar10.MD5, "data_batch_1", hashlib.md5(content).hexdigest())
    with pytest.raises(Exception, match="os.system does not belong into a CIFAR-10 batch"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")
    assert not (tmp_path / "ran").exists()


def test_a_missing_batch_is_named(tmp_path, tiny, monkeypatch):
    (_batches(tmp_path, tiny, monkeypatch) / "data_batch_4").unlink()
    with pytest.raises(FileNotFoundError, match="cifar-10-batches-py has no data_batch_4"):
        cifar10.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_where_it_is_absent_the_error_says_what_where_and_how(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        cifar10.load(roots=[tmp_path / "a", tmp_path / "b"], cache=tmp_path / "cache")
    text = str(caught.value)
    for part in ("CIFAR-10 not found", "cifar-10-batches-py/", "cifar10.tar", f"{tmp_path / 'a'}, {tmp_path / 'b'};",
                 "env.download=true"):
        assert part in text


def test_a_download_goes_into_the_cache_and_is_found_again(tmp_path, tiny, monkeypatch):
    def fetch(root: str, download: bool) -> None:
        assert download
        _batches(Path(root), tiny, monkeypatch)

    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(CIFAR10=fetch))
    roots, cache = [tmp_path / "root"], tmp_path / "cache"
    data = cifar10.load(roots=roots, cache=cache, download=True)
    assert (cache / "download" / "cifar-10-batches-py" / "test_batch").is_file()
    assert not (tmp_path / "root").exists()
    assert cifar10.load(roots=roots, cache=cache).fingerprint == data.fingerprint


def test_a_failed_download_is_one_sentence(tmp_path, monkeypatch):
    def fetch(root: str, download: bool) -> None:
        raise RuntimeError("no route")

    monkeypatch.setitem(sys.modules, "torchvision.datasets", SimpleNamespace(CIFAR10=fetch))
    with pytest.raises(OSError, match=r"^CIFAR-10 could not be downloaded into .* \(no route\); check the network"):
        cifar10.load(roots=[], cache=tmp_path, download=True)


def test_the_checksums_are_torchvisions():
    package = find_spec("torchvision")  # its source, read: importing it takes seconds
    assert package is not None
    source = (Path(str(package.origin)).parent / "datasets" / "cifar.py").read_text().partition("class CIFAR100")[0]
    assert dict(re.findall(r'\["(\w*batch\w*)", "(\w{32})"\]', source)) == cifar10.MD5


@pytest.mark.skipif(not (REAL / "cifar10").is_dir(), reason="no cifar10 folder in $CONVSCOPE_DATA")
def test_the_real_set():
    data = cifar10.load(roots=[REAL], cache=default_cache())  # its first decode takes 10 s: kept in the user's cache
    assert data.class_names == cifar10.CLASSES
    for split, n in (("train", 5000), ("test", 1000)):
        part = data.splits[split]
        assert part.stored.shape == (10 * n, 3, 32, 32)
        assert np.bincount(part.y).tolist() == [n] * 10
        assert len(set(part.ids)) == 10 * n
    tar = sorted((REAL / "cifar10").glob("*.tar"))
    if tar:
        _compare(data, tar[0])


def _compare(data: Dataset, tar: Path) -> None:
    """A few images of an archive, opened one by one, each against the sample that has its content hash."""
    with tarfile.open(tar) as archive:
        for member in archive.getmembers()[::700]:
            file = archive.extractfile(member)
            assert file is not None
            image = np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)
            _, split, label, _ = member.name.split("/")
            part = data.splits[split]
            row = np.flatnonzero(part.ids == hashlib.sha256(image.tobytes()).hexdigest()[:16])
            assert len(row) == 1
            assert data.class_names[part.y[row[0]]] == label
            assert np.array_equal(part.stored[row[0]], image)
