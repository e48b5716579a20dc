"""MNIST's idx files: plain or gzipped, complete or refused by name; the real set where it is."""

import gzip
import os
import struct
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from convscope.data import mnist

REAL = Path(os.environ.get("CONVSCOPE_DATA", "data"))
NAMES = {"train": "train", "test": "t10k"}


@pytest.fixture
def tiny(monkeypatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    monkeypatch.setattr(mnist, "EXPECTED", {"train": 20, "test": 10})
    rng = np.random.default_rng(0)
    return {split: (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.permutation(np.arange(n) % 10))
            for split, n in (("train", 20), ("test", 10))}


def _write(root: Path, tiny, suffix: str = "") -> Path:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for split, (images, labels) in tiny.items():
        for kind, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            content = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()
            packed = gzip.compress(content, mtime=0) if suffix else content
            (folder / f"{NAMES[split]}-{kind}-ubyte{suffix}").write_bytes(packed)
    return folder


def test_plain_and_gzipped_files_give_the_same(tmp_path, tiny):
    _write(tmp_path / "plain", tiny)
    _write(tmp_path / "gz", tiny, ".gz")
    plain, gz = (mnist.load(roots=[tmp_path / name], cache=tmp_path / "cache" / name) for name in ("plain", "gz"))
    assert plain.fingerprint == gz.fingerprint
    assert plain.input_shape == (1, 28, 28)
    assert plain.class_names == tuple("0123456789")
    for split, (images, labels) in tiny.items():
        part = plain.splits[split]
        assert sorted(zip(part.y.tolist(), [x.tobytes() for x in part.stored], strict=True)) == sorted(
            zip(labels.tolist(), [x.tobytes() for x in images], strict=True))


def test_a_second_start_reads_no_idx_file(tmp_path, tiny, monkeypatch):
    _write(tmp_path, tiny)
    first = mnist.load(roots=[tmp_path], cache=tmp_path / "cache")
    monkeypatch.setattr(mnist, "read_idx", lambda *_: pytest.fail("read again"))
    assert mnist.load(roots=[tmp_path], cache=tmp_path / "cache").fingerprint == first.fingerprint


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("keep", [0, 3, 9, 15, 0.5, -1])
def test_a_truncated_file_is_named(tmp_path, tiny, suffix, keep):
    path = _write(tmp_path, tiny, suffix) / f"train-images-idx3-ubyte{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[:int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=f"{path} .*fetch it again"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda content: content + b"x", "expected 15696 bytes, got more"),
    (lambda content: b"\0\0\x0d\x03" + content[4:], "begins with 00000803, got 00000d03"),
    (lambda content: content[:4] + struct.pack(">I", 19) + content[8:], "20 x 28 x 28 bytes, got 19 x 28 x 28"),
    (lambda content: content[:12] + struct.pack(">I", 2**31) + content[16:], f"got 20 x 28 x {2**31}"),
])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_of_another_shape_is_named(tmp_path, tiny, suffix, change, sentence):
    path = _write(tmp_path, tiny, suffix) / f"train-images-idx3-ubyte{suffix}"
    pack, unpack = (gzip.compress, gzip.decompress) if suffix else (bytes, bytes)
    path.write_bytes(pack(change(unpack(path.read_bytes()))))
    with pytest.raises(ValueError, match=f"{path.name} .*{sentence}"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_damaged_gzip_file_is_named(tmp_path, tiny):
    path = _write(tmp_path, tiny, ".gz") / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte.gz"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


def _trailing(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.truncate(20 * 2**30)  # zeros, which gzip takes for padding and reads one by one


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_without_an_end_is_refused_at_once(tmp_path, tiny, suffix):
    path = _write(tmp_path, tiny, suffix) / f"train-images-idx3-ubyte{suffix}"
    _trailing(path, path.read_bytes())
    with pytest.raises(ValueError, match=f"{path.name} is damaged .expected at most 15696 bytes, got 21474836480"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_gzip_bomb_is_unpacked_no_further_than_the_set(tmp_path, tiny, monkeypatch):
    path = _write(tmp_path, tiny, ".gz") / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2**27)))  # 128 MiB in 128 KB
    tracemalloc.start()
    with pytest.raises(ValueError, match="expected 15696 bytes, got more"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda path: path.symlink_to("/dev/zero"), "must be a file, got a pipe or device"),
    (os.mkfifo, "must be a file, got a pipe or device"),
    (lambda path: path.symlink_to("/nowhere"), "is a link that leads nowhere"),
    (lambda path: path.mkdir(), "must be a file, got a folder"),
])
def test_what_is_no_file_is_named(tmp_path, tiny, make, sentence):
    path = _write(tmp_path, tiny) / "t10k-labels-idx1-ubyte"
    path.unlink()
    make(path)
    with pytest.raises(ValueError, match=f"{path.name} {sentence}"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_label_beyond_nine_is_refused(tmp_path, tiny):
    tiny["test"][1][4] = 10
    _write(tmp_path, tiny)
    with pytest.raises(ValueError, match=r"labels must be in 0..9, got 10 for image 4 of test"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_missing_file_or_set_is_named(tmp_path, tiny):
    with pytest.raises(FileNotFoundError, match=f"MNIST not found: .* {tmp_path}/a, {tmp_path}; .*env.download=true"):
        mnist.load(roots=[tmp_path / "a", tmp_path], cache=tmp_path / "cache")
    (_write(tmp_path, tiny) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz"):
        mnist.load(roots=[tmp_path], cache=tmp_path / "cache")


def test_a_download_goes_into_the_cache(tmp_path, tiny, monkeypatch):
    stub = SimpleNamespace(MNIST=lambda root, download: _write(Path(root), tiny))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", stub)  # the real one takes seconds to import
    mnist.load(roots=[tmp_path / "root"], cache=tmp_path, download=True)
    assert (tmp_path / "download" / "MNIST" / "raw" / "train-labels-idx1-ubyte").is_file()
    assert not (tmp_path / "root").exists()


@pytest.mark.skipif(not (REAL / "MNIST" / "raw").is_dir(), reason="no MNIST/raw folder in $CONVSCOPE_DATA")
def test_the_real_set(tmp_path):
    data = mnist.load(roots=[REAL], cache=tmp_path)
    counts = {"train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
              "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]}
    for split, expected in counts.items():
        part = data.splits[split]
        assert part.stored.shape == (sum(expected), 1, 28, 28)
        assert np.bincount(part.y).tolist() == expected
    held = {(int(y), x.tobytes()) for x, y in zip(data.splits["test"].stored, data.splits["test"].y, strict=True)}
    images = next((REAL / "MNIST" / "raw").glob("t10k-images-idx3-ubyte*"))
    labels = next((REAL / "MNIST" / "raw").glob("t10k-labels-idx1-ubyte*"))
    pixels, digits = ((gzip.open if f.suffix else open)(f).read() for f in (images, labels))
    for i in range(0, 10_000, 500):
        assert (digits[8 + i], pixels[16 + 784 * i:16 + 784 * (i + 1)]) in held
