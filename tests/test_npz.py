"""Npz files: what numpy wrote comes back; bombs, claims and damage are named, and cost nothing."""

import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from convscope import npz

ARRAYS = {"numbers": np.arange(12, dtype=np.float16).reshape(3, 4), "texts": np.array(["a", "bcd"]),
          "scalar": np.array(3.0), "none": np.zeros((0, 5)), "turned": np.asfortranarray(np.ones((2, 3))),
          "a/b/c": np.array([True, False]), "empty": np.array([], dtype="U1"), "named": np.zeros(2, [("ä", "<i4")])}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_comes_back(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = npz.read(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)


def _header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


def _zip(file: Path, members: dict[str, bytes], **how) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, **how)
    return file


class _Evil:
    def __reduce__(self):
        return os.system, ("touch PWNED",)


@pytest.mark.parametrize(("members", "sentence"), [
    ({"a.npy": _header((2**20,)) + bytes(2**23)}, "it would unpack to 8,388,736 bytes, at most 4,194,304 are read"),
    ({f"{i}.npy": _header((2**17,)) + bytes(2**20) for i in range(5)}, "it would unpack to 5,243,520 bytes"),
    ({"a.npy": _header((10**12,)) + bytes(80)}, "'a.npy' has another size than its shape"),
    ({"a.npy": _header((10**12,), "|V0")}, "'a.npy' has another size than its shape"),
    ({"a.npy": _header((2**40, 2**40)) + bytes(80)}, "another size"),
    ({"a.npy": _header((3,)) + bytes(80)}, "another size"),
    ({"a.npy": _header((1,), "|O") + pickle.dumps(_Evil())}, "holds Python objects"),
    ({"a.npy": pickle.dumps(_Evil())}, "magic|damaged"),
    ({"a.txt": b"x"}, "'a.txt', which is no array"),
    ({"a.npy": b""}, "magic|damaged|EOF"),
    ({"a.npy": b"\x93NUMPY\x01\x00\xff\xff{'descr': "}, "EOF|damaged"),
])
def test_bombs_and_claims_are_refused(tmp_path, monkeypatch, members, sentence):
    file = _zip(tmp_path / "a.npz", members)
    monkeypatch.setattr(npz, "MAX_BYTES", 2**22)
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    with pytest.raises(ValueError, match=sentence):
        npz.read(file)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert not Path("PWNED").exists()


def test_damaged_files_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(1000))
    whole = (tmp_path / "a.npz").read_bytes()
    file = tmp_path / "b.npz"
    for content in (b"", b"no zip", whole[:100], whole[:-30], whole[:60] + b"\0\0\0" + whole[63:]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="."):
            npz.read(file)
    with pytest.raises(ValueError, match="."):
        npz.read(tmp_path / "none.npz")


def test_a_directory_that_lies_about_sizes_unpacks_no_further(tmp_path):
    content = _zip(tmp_path / "a.npz", {"a.npy": _header((2**20,)) + bytes(2**23)}).read_bytes()
    true, claimed = (size.to_bytes(4, "little") for size in (2**23 + 128, 208))
    assert content.count(true) == 2
    (tmp_path / "a.npz").write_bytes(content.replace(true, claimed))
    tracemalloc.start()
    with pytest.raises(ValueError, match="."):
        npz.read(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_what_is_kept_can_be_read(monkeypatch):
    monkeypatch.setattr(npz, "MAX_BYTES", 1000)
    npz.check({"a": np.zeros(100), "b": np.zeros(25)})
    with pytest.raises(ValueError, match="arrays of 1,008 bytes, at most 1,000 are kept: the largest is b"):
        npz.check({"a": np.zeros(26), "b": np.zeros(100)})
