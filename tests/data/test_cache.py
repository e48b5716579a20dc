"""The decoded cache: found again, rebuilt where damaged, safe for two processes, one sentence where it cannot be."""

import dataclasses
import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convscope.data import cache as cache_module
from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble


def _toy(seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (6, 1, 4, 4), dtype=np.uint8)
    return assemble("toy", ["a", "b"], {"train": Part(images[:4], [0, 1, 0, 1]), "test": Part(images[4:], [1, 0])})


class _Decoder:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Dataset:
        self.calls += 1
        return _toy()


def _load(cache: Path, decode, **changes) -> Dataset:
    return cached(cache, "toy", decode, **{"version": 1, "parameters": {"size": 4}, **changes})


def _same(a: Dataset, b: Dataset) -> bool:
    return (a.fingerprint, a.class_names, a.kind) == (b.fingerprint, b.class_names, b.kind) and all(
        np.array_equal(getattr(a.splits[s], k), getattr(b.splits[s], k)) and
        getattr(a.splits[s], k).dtype == getattr(b.splits[s], k).dtype
        for s in ("train", "test") for k in ("stored", "y", "ids"))


def test_a_second_load_reads_the_same_from_a_memory_map(tmp_path, capsys):
    decode = _Decoder()
    first, second = _load(tmp_path, decode), _load(tmp_path, decode)
    assert decode.calls == 1
    assert _same(first, _toy())
    assert _same(second, _toy())
    stored = second.splits["train"].stored
    assert isinstance(stored, np.memmap)
    assert not stored.flags.writeable
    assert not second.splits["train"].y.flags.writeable
    assert type(second.splits["train"].x()) is np.ndarray
    assert (tmp_path / f"toy-{_toy().fingerprint[:16]}" / "train.npy").is_file()
    assert capsys.readouterr() == ("", "")


def test_what_other_code_decoded_is_decoded_again(tmp_path, monkeypatch):
    """A loader that draws otherwise, and whose author forgot its VERSION, must not find the earlier one's pixels."""
    decode = _Decoder()
    for i, (text, calls) in enumerate([("noise = 1", 1), ("noise = 1", 1), ("noise = 2", 2)]):
        loaders = tmp_path / f"code{i}"
        loaders.mkdir()
        (loaders / "toy.py").write_text(text)
        monkeypatch.setattr(cache_module, "LOADERS", loaders)
        _load(tmp_path / "cache", decode)
        assert decode.calls == calls


def test_another_parameter_version_or_source_decodes_again(tmp_path):
    decode, folder = _Decoder(), tmp_path / "source"
    folder.mkdir()
    source = folder / "images.tar"
    source.write_bytes(b"1234")

    def load(**changes):
        return _load(tmp_path / "cache", decode, listing=Listing.of(source.parent, [source]), **changes)

    load()
    load()
    assert decode.calls == 1
    load(parameters={"size": 5})
    load(version=2)
    assert decode.calls == 3
    source.write_bytes(b"12345")
    load()
    assert decode.calls == 4
    source = folder.rename(tmp_path / "moved") / source.name
    load()
    assert decode.calls == 5
    assert len(list((tmp_path / "cache").glob("toy-*"))) == 1  # the same pixels: one entry


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(content)


DAMAGES = {
    "truncated": lambda entry: (entry / "train.npy").write_bytes((entry / "train.npy").read_bytes()[:-5]),
    "emptied": lambda entry: (entry / "test.npy").write_bytes(b""),
    "flipped pixel": lambda entry: _flip(entry / "train.npy"),
    "flipped label": lambda entry: _flip(entry / "test_y.npy"),
    "flipped id": lambda entry: _flip(entry / "test_ids.npy"),
    "another file": lambda entry: (entry / "train.npy").write_bytes(b"PK\x03\x04 not an array"),
    "lost labels": lambda entry: (entry / "train_y.npy").unlink(),
    "cut meta": lambda entry: (entry / "meta.json").write_text('{"format": 1, "na'),
    "other meta": lambda entry: (entry / "meta.json").write_text("[]"),
    "lost entry": shutil.rmtree,
    "file in its place": lambda entry: (shutil.rmtree(entry), entry.write_text("x")),
    "emptied index": lambda entry: next((entry.parent / "index").glob("*.json")).write_text(""),
    "index elsewhere": lambda entry: next((entry.parent / "index").glob("*.json")).write_text('{"entry": "../x"}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_rebuilt(tmp_path, damage):
    decode = _Decoder()
    _load(tmp_path, decode)
    DAMAGES[damage](tmp_path / f"toy-{_toy().fingerprint[:16]}")
    assert _same(_load(tmp_path, decode), _toy())
    assert decode.calls == 2
    assert _same(_load(tmp_path, decode), _toy())
    assert decode.calls == 2
    assert not list(tmp_path.glob(".*"))  # nothing temporary stays


@pytest.mark.parametrize("change", [
    {"splits": {}}, {"splits": []}, {"splits": None}, {"class_names": []}, {"class_names": 5}, {"kind": "nope"},
    {"drop": "test"}, {"drop": "train"}, {"swap": True}])
def test_an_entry_whose_meta_says_something_else_is_rebuilt(tmp_path, change):
    decode = _Decoder()
    first = _load(tmp_path, decode)
    (file,) = tmp_path.glob("toy-*/meta.json")
    meta = json.loads(file.read_text())
    if "drop" in change:
        del meta["splits"][change["drop"]]
    elif "swap" in change:
        meta["splits"]["train"], meta["splits"]["test"] = meta["splits"]["test"], meta["splits"]["train"]
    else:
        meta |= change
    file.write_text(json.dumps(meta))
    assert _same(_load(tmp_path, decode), first) and decode.calls == 2


def test_what_a_killed_process_left_does_not_disturb(tmp_path):
    left = tmp_path / ".toy.building" / "new"
    left.mkdir(parents=True)
    (left / "train.npy").write_bytes(b"half")
    assert _same(_load(tmp_path, _Decoder()), _toy())
    assert not list(tmp_path.glob(".*"))


def test_two_processes_decode_once(tmp_path):
    script = """
import sys, time
from pathlib import Path
import numpy as np
from convscope.data.cache import cached
from convscope.data.dataset import Part, assemble

root = Path(sys.argv[1])
def decode():
    with (root / "decoded").open("a") as log:
        log.write("once\\n")
    time.sleep(1)
    return assemble("toy", ["a", "b"], {"train": Part(np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), [0, 1])})
(root / f"ready{sys.argv[2]}").touch()
while len(list(root.glob("ready*"))) < 2:
    time.sleep(.01)
print(cached(root / "cache", "toy", decode, version=1, parameters={}).fingerprint)
"""
    both = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(i)], stdout=subprocess.PIPE, text=True)
            for i in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1] != ""
    assert (tmp_path / "decoded").read_text() == "once\n"


def test_an_unwritable_cache_is_one_sentence_before_anything_is_decoded(tmp_path):
    (tmp_path / "file").write_text("in the way")
    decode = _Decoder()
    with pytest.raises(OSError, match=r"^the cache .*file/cache cannot be written \(.*\); free space there, or set"):
        _load(tmp_path / "file" / "cache", decode)
    assert decode.calls == 0


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(file, array):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_module.np, "save", full)
    with pytest.raises(OSError, match=r"^the cache .* cannot be written \(No space left on device\)"):
        _load(tmp_path, _Decoder())
    assert not list(tmp_path.glob("*toy*"))
    monkeypatch.undo()
    assert _same(_load(tmp_path, _Decoder()), _toy())


def test_an_error_while_decoding_comes_through_and_releases_the_lock(tmp_path):
    def broken():
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="^gone$"):
        _load(tmp_path, broken)
    assert _same(_load(tmp_path, _Decoder()), _toy())


def test_something_big_is_announced_once_on_stderr(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cache_module, "ANNOUNCED_BYTES", 4)
    (tmp_path / "a.tar").write_bytes(b"1234")
    listing = Listing.of(tmp_path, [tmp_path / "a.tar"])
    for expected in (f"decoding The Toy into {tmp_path / 'cache'}, once: 1 file(s) from {tmp_path}\n", ""):
        _load(tmp_path / "cache", _Decoder(), listing=listing, title="The Toy")
        assert capsys.readouterr() == ("", expected)


def _toy_texts(alphabet: str = " ab\u00e9\n") -> Dataset:
    texts = np.random.default_rng(0).integers(0, len(alphabet) + 1, (6, 9), dtype=np.uint8)
    return assemble("toy", ["a", "b"], {"train": Part(texts[:4], [0, 1, 0, 1]), "test": Part(texts[4:], [1, 0])},
                    alphabet=alphabet)


def test_texts_come_back_with_their_kind_and_alphabet(tmp_path):
    for _ in range(2):
        data = _load(tmp_path, _toy_texts)
        assert _same(data, _toy_texts())
        assert (data.kind, data.alphabet, data.input_shape) == ("text", " ab\u00e9\n", (9,))
        for part in data.splits.values():
            assert isinstance(part.stored, np.memmap)
            assert part.kind == "text"
            x = part.x([0])
            assert (type(x), x.dtype, x.flags.writeable) == (np.ndarray, np.uint8, True)
    meta = json.loads((tmp_path / f"toy-{data.fingerprint[:16]}" / "meta.json").read_text())
    assert (meta["kind"], meta["alphabet"]) == ("text", " ab\u00e9\n")
    other = _load(tmp_path, lambda: _toy_texts(" ba\u00e9\n"), parameters={"alphabet": "other"})
    assert (other.alphabet, len(list(tmp_path.glob("toy-*")))) == (" ba\u00e9\n", 2)


def test_an_entry_of_images_written_before_there_were_texts_is_read(tmp_path):
    decode = _Decoder()
    _load(tmp_path, decode)
    meta = json.loads((tmp_path / f"toy-{_toy().fingerprint[:16]}" / "meta.json").read_text())
    assert set(meta) == {"format", "name", "kind", "class_names", "fingerprint", "splits"}  # as it was then
    data = _load(tmp_path, decode)
    assert decode.calls == 1
    assert (data.kind, data.alphabet, data.splits["test"].kind) == ("image", "", "image")


def test_meta_says_what_lies_there(tmp_path):
    _load(tmp_path, _Decoder())
    meta = json.loads((tmp_path / f"toy-{_toy().fingerprint[:16]}" / "meta.json").read_text())
    assert (meta["name"], meta["kind"], meta["class_names"]) == ("toy", "image", ["a", "b"])
    assert meta["fingerprint"] == _toy().fingerprint


def test_notes_belong_to_a_source_not_to_its_pixels(tmp_path):
    def noted() -> Dataset:
        return dataclasses.replace(_toy(), notes=("left out 2", "read 3"))

    for _ in range(2):
        assert _load(tmp_path, noted).notes == ("left out 2", "read 3")
    assert _load(tmp_path, _toy, parameters={"size": 5}).notes == ()  # the same pixels, of another folder
    assert _load(tmp_path, noted).notes == ("left out 2", "read 3")


@pytest.mark.parametrize("notes", [[1], [None], [["a"]], 5])
def test_damaged_notes_are_decoded_again(tmp_path, notes):
    decode = _Decoder()
    _load(tmp_path, decode)
    (index,) = (tmp_path / "index").glob("*.json")
    index.write_text(json.dumps({**json.loads(index.read_text()), "notes": notes}))
    assert _load(tmp_path, decode).notes == ()
    assert decode.calls == 2
