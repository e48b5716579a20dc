"""Texts in Zhang et al.'s csv format: every layout one set; what is quoted, joined, cut; each error; the real sets."""

import csv
import gzip
import inspect
import io
import os
import random
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.data import documentation, reviews
from convscope.data.dataset import Dataset
from convscope.data.roots import default_cache
from convscope.data.texts import ALPHABET
from convscope.family import bind

REAL = Path(os.environ.get("CONVSCOPE_DATA", "data"))
TRAIN = [(1, "Bad food."), (2, "so so, 3 of 5"), (3, 'He said "fine", I\\nsaid \\"no\\"'), (2, "x" * 90),
         (1, "nie \u00e4\u00f6\u00fc")]
TEST = [(3, "good; really"), (1, "never\\nagain")]


def _row(label: object, *columns: str) -> str:
    """A record as Zhang et al. wrote it: every field in quotes, the quotes inside doubled."""
    return ",".join('"{}"'.format(str(field).replace('"', '""')) for field in (label, *columns)) + "\n"


def _csv(rows) -> bytes:
    return "".join(_row(*row) for row in rows).encode()


def _files(train=TRAIN, test=TEST, **more: bytes) -> dict[str, bytes]:
    named = {name.replace("_", "."): content for name, content in more.items()}
    return {"train.csv": _csv(train), "test.csv": _csv(test), **named}


def _folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _tar(path: Path, files: dict[str, bytes], inside: str = "own_csv/") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(inside + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def _load(root: Path, path: str = "own", length: int = 40, **given) -> Dataset:
    return reviews.load(roots=[root], cache=root / "cache", path=path, length=length, **given)


def _texts(data: Dataset, split: str = "train") -> set[tuple[int, str]]:
    """(label, characters) of a split, with * for those that the alphabet lacks, without the spaces at the end."""
    part = data.splits[split]
    return {(int(label), "".join((data.alphabet + "*")[i] for i in row).rstrip(" "))
            for label, row in zip(part.y, part.stored, strict=True)}


def test_every_layout_gives_the_same_set(tmp_path):
    files = _files()
    _folder(tmp_path / "folder" / "own", files)
    _folder(tmp_path / "csv" / "own_csv", files)
    _folder(tmp_path / "order" / "own", _files(TRAIN[::-1], TEST[::-1]))
    _folder(tmp_path / "mark" / "own", {name: b"\xef\xbb\xbf" + content for name, content in files.items()})
    _folder(tmp_path / "crlf" / "own", {name: content.replace(b"\n", b"\r\n") for name, content in files.items()})
    _folder(tmp_path / "blank" / "own", {name: b"\n" + content + b"\n" for name, content in files.items()})
    for name in ("own.tar.gz", "own_csv.tar.gz", "own.tgz", "own_csv.tar"):
        _tar(tmp_path / name.replace(".", "-") / name, files)
    _tar(tmp_path / "flat" / "own.tar", files, inside="")
    _tar(tmp_path / "dot" / "own.tar", files, inside="./own_csv/")
    _tar(tmp_path / "more" / "own.tgz", {"readme.txt": b"\xff", "train_untitled.csv": b"not one", **files, "z": b""})
    layouts = {root.name: _load(root) for root in sorted(tmp_path.iterdir())}
    assert len(layouts) == 13
    assert {data.fingerprint for data in layouts.values()} == {layouts["folder"].fingerprint}
    data = layouts["folder"]
    assert (data.name, data.kind, data.alphabet, data.input_shape) == ("reviews", "text", ALPHABET, (40,))
    assert data.class_names == ("1", "2", "3")
    assert _texts(data) == {(0, "bad food."), (1, "so so, 3 of 5"), (2, 'he said "fine", i\nsaid \\"no\\"'),
                            (0, "nie ***"), (1, "x" * 40)}
    assert _texts(data, "test") == {(2, "good; really"), (0, "never\nagain")}


def test_a_path_names_a_file_or_folder_anywhere(tmp_path, monkeypatch):
    expected = _load(_folder(tmp_path / "own", _files()).parent).fingerprint
    archive = _tar(tmp_path / "elsewhere" / "mine.of-them", _files())
    found = [_load(tmp_path, path) for path in (str(archive), str(tmp_path / "own"), "elsewhere/mine.of-them")]
    monkeypatch.chdir(tmp_path / "elsewhere")
    found.append(reviews.load(roots=[], cache=tmp_path / "cache", path="mine.of-them", length=40))
    assert {data.fingerprint for data in found} == {expected}


def test_the_first_root_that_has_it_is_taken(tmp_path):
    for name, train in (("a", TRAIN), ("b", TRAIN[:4])):
        _tar(tmp_path / name / "own_csv.tar.gz", _files(train))
    a, b = tmp_path / "a", tmp_path / "b"
    sizes = [len(reviews.load(roots=roots, cache=tmp_path / "cache", path="own").splits["train"])
             for roots in ([a, b], [b, a], [tmp_path / "none", b])]
    assert sizes == [5, 4, 4]


def test_quotes_newlines_and_columns(tmp_path):
    train = ('"1","one","two ""quoted"" words","x\\ny"\n'
             '2,plain,"a real\nnewline",\n'
             '"1","","title is empty","\\n"\n')
    _folder(tmp_path / "own", {"train.csv": train.encode(), "test.csv": b'"2","a","b","c"\n'})
    data = _load(tmp_path)
    assert _texts(data) == {(0, 'one two "quoted" words x\ny'), (1, "plain a real\nnewline"), (0, " title is empty \n")}
    assert _texts(data, "test") == {(1, "a b c")}


def test_class_names_come_from_their_file_or_number(tmp_path):
    for name, more in (("plain", {}), ("named", {"classes_txt": "\u00fcble\r\nmedium \n\nGood\n".encode()})):
        _tar(tmp_path / name / "own.tgz", _files(**more))
        _folder(tmp_path / f"{name}-folder" / "own", _files(**more))
    for suffix in ("", "-folder"):
        assert _load(tmp_path / f"plain{suffix}").class_names == ("1", "2", "3")
        assert _load(tmp_path / f"named{suffix}").class_names == ("\u00fcble", "medium", "Good")
    assert _load(tmp_path / "named", classes=3).class_names == ("\u00fcble", "medium", "Good")
    with pytest.raises(ValueError, match=r"train.csv line 3: labels must be in 1..2, got 3; correct it or set data.cl"):
        _load(tmp_path / "named", classes=2)
    with pytest.raises(ValueError, match=r"no text has the label 4 of 1..4 \(the largest, 3, is in line 3\)"):
        _load(tmp_path / "plain", classes=4)
    with pytest.raises(ValueError, match=r"no text has the label 4 of 1..1000000000000 "):
        _load(tmp_path / "plain", classes=10**12)  # and does not count up to it
    _folder(tmp_path / "own", _files([*TRAIN, (4, "more than are named")], classes_txt=b"a\nb\nc\n"))
    with pytest.raises(ValueError, match=r"train.csv line 6: labels must be in 1..3, got 4"):
        _load(tmp_path)
    assert _load(tmp_path, classes=4).class_names == ("1", "2", "3", "4")


def test_length_direction_and_alphabet(tmp_path):
    _folder(tmp_path / "own", _files([(1, "abCdef"), (2, "ab")], [(1, "\u00e9\u0130z")]))
    assert _load(tmp_path, length=4).splits["train"].stored.tolist() == [[1, 2, 3, 4], [1, 2, 0, 0]]
    assert _load(tmp_path, length=4, backwards=True).splits["train"].stored.tolist() == [[6, 5, 4, 3], [2, 1, 0, 0]]
    own = _load(tmp_path, length=4, alphabet=" ba\u00e9")
    assert own.splits["train"].stored.tolist() == [[2, 1, 4, 4], [2, 1, 0, 0]]
    assert own.splits["test"].stored.tolist() == [[3, 4, 4, 4]]
    assert own.alphabet == " ba\u00e9"
    with pytest.raises(ValueError, match="an alphabet must begin with the space"):
        _load(tmp_path, alphabet="a ")


def test_the_defaults_are_the_alphabet_and_zhangs_length():
    for load in (reviews.load, documentation.load):
        assert inspect.signature(load).parameters["alphabet"].default == ALPHABET
    assert inspect.signature(reviews.load).parameters["length"].default == 1014
    assert reviews.RESTRICTED is True
    assert not getattr(documentation, "RESTRICTED", False)


def test_a_second_start_decodes_nothing_and_a_root_is_only_read(tmp_path, monkeypatch):
    root = _folder(tmp_path / "root" / "own", _files()).parent
    before = sorted(root.rglob("*"))
    first = reviews.load(roots=[root], cache=tmp_path / "cache", path="own")
    assert sorted(root.rglob("*")) == before
    monkeypatch.setattr(reviews, "_decode", lambda *_: pytest.fail("decoded again"))
    second = reviews.load(roots=[root], cache=tmp_path / "cache", path="own")
    assert (second.fingerprint, second.alphabet, second.kind) == (first.fingerprint, ALPHABET, "text")
    assert second.splits["train"].kind == "text"
    others: list[dict[str, Any]] = [{"length": 20}, {"backwards": True}, {"alphabet": " ab"}, {"classes": 3}]
    for given in others:
        with pytest.raises(pytest.fail.Exception, match="decoded again"):
            reviews.load(roots=[root], cache=tmp_path / "cache", path="own", **given)


def _long(n: int = 400) -> list[tuple[int, str]]:
    draw = random.Random(0)
    return [(i % 3 + 1, " ".join(draw.choices(["good", "bad", "food", f"place {i}"], k=20))) for i in range(n)]


def _refused(root: Path, kind: type[Exception] = ValueError, **given) -> str:
    """The sentence with which it is refused: one, on one line."""
    with pytest.raises(kind) as caught:
        _load(root, **given)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


DOUBLED = "every line is \"label\",\"text\" with its quotes doubled"


@pytest.mark.parametrize(("line", "sentence"), [
    (b'"1"\n', f"train.csv line 6: expected 2 columns, got 1; {DOUBLED}"),
    (b'"1","a","b"\n', f"train.csv line 6: expected 2 columns, got 3; {DOUBLED}"),
    (b'"0","a"\n', "train.csv line 6: a label must be a whole number from 1 on, got '0'"),
    (b'"-1","a"\n', "a label must be a whole number from 1 on, got '-1'"),
    (b'"1.0","a"\n', "a label must be a whole number from 1 on, got '1.0'"),
    (b'"","a"\n', "a label must be a whole number from 1 on, got ''"),
    (b'"label","text"\n', "a label must be a whole number from 1 on, got 'label'"),
    (b'"l\nb","text"\n', "train.csv line 7: a label must be a whole number from 1 on, got 'l\\nb'"),
    (b'"' + b"9" * 60 + b'","a"\n', f"a label must be a whole number from 1 on, got '{'9' * 40}'"),
    ('"\u0661","a"\n'.encode(), "a label must be a whole number from 1 on, got '\u0661'"),
    (b'"5","a"\n', "train.csv: no text has the label 4 of 1..5 (the largest, 5, is in line 6); correct it or set"),
    (b'"1",""\n', "train.csv line 6: the text is empty; remove the line"),
    (b'"1"," \\n\t"\n', "train.csv line 6: the text is empty; remove the line"),
    (b'"1","caf\xe9"\n', "train.csv line 6: byte 9 is not UTF-8 (0xe9); convert the file to UTF-8"),
    (b'"1","a" b"\n"1","c"\n', "train.csv line 6: not a csv of texts (',' expected after '\"', in line 6); double the"),
    (b'"1","two\nlines"\n"2","open\n', "train.csv line 8: not a csv of texts (unexpected end of data, in line 8); d"),
    (b'"1","open\nnext\nlast\n', "train.csv line 6: not a csv of texts (unexpected end of data, in line 8); double"),
])
def test_a_wrong_line_is_named(tmp_path, line, sentence):
    files = _files()
    files["train.csv"] += line
    _folder(tmp_path / "own", files)
    _tar(tmp_path / "archive" / "own.tar.gz", files)
    assert sentence in _refused(tmp_path)
    assert _refused(tmp_path / "archive") == _refused(tmp_path)


def test_a_wrong_line_in_test_is_named(tmp_path):
    files = _files(test=[*TEST, (4, "beyond")])
    _folder(tmp_path / "own", files)
    assert _refused(tmp_path) == "test.csv line 3: labels must be in 1..3, got 4; correct it or set data.classes"


def test_one_stray_label_makes_no_class(tmp_path):
    _folder(tmp_path / "own", _files([*TRAIN, (4, "beyond")]))
    assert _refused(tmp_path) == ("train.csv line 6: no other text has the label 4, here or in test.csv; correct it, "
                                  "or set data.classes=4 if it is one")
    assert _refused(tmp_path, classes=3).startswith("train.csv line 6: labels must be in 1..3, got 4;")
    assert _load(tmp_path, classes=4).n_classes == 4
    _folder(tmp_path / "own", _files([*TRAIN, (4, "beyond")], [*TEST, (4, "one more")]))
    assert _load(tmp_path).n_classes == 4


def test_the_first_line_says_the_columns(tmp_path):
    _folder(tmp_path / "own", _files() | {"train.csv": b"just text\n"})
    assert _refused(tmp_path).startswith("train.csv line 1: expected a label and at least one more columns, got 1;")


def test_an_empty_csv_is_refused(tmp_path):
    for name in ("train.csv", "test.csv"):
        _folder(tmp_path / "own", _files() | {name: b""})
        assert _refused(tmp_path) == f"{name} is empty: expected one line per text"


def test_one_class_is_refused(tmp_path):
    _folder(tmp_path / "own", _files(TRAIN[:1], TRAIN[:1]))
    assert "expected at least two classes, got 1" in _refused(tmp_path)


def test_class_names_that_are_not_utf8_are_named(tmp_path):
    _folder(tmp_path / "own", _files(classes_txt=b"fine\nna\xefve\n"))
    assert _refused(tmp_path) == "classes.txt line 2: byte 3 is not UTF-8 (0xef); convert the file to UTF-8"


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reviews, "MAX_LINE", 100)
    before = csv.field_size_limit()
    fits = _row(1, "y" * (100 - 7)).encode()
    assert len(fits) == 100
    _folder(tmp_path / "own", _files() | {"train.csv": _csv(TRAIN) + fits})
    assert len(_load(tmp_path).splits["train"]) == 6
    _folder(tmp_path / "own", _files() | {"train.csv": _csv(TRAIN) + b'"1",' + b"y" * 97})
    assert _refused(tmp_path) == "train.csv line 6 has more than 100 bytes: not a csv of texts"
    _folder(tmp_path / "own", _files() | {"train.csv": _csv(TRAIN) + b'"1","' + b"short\n" * 30})  # one text, 30 lines
    assert _refused(tmp_path).startswith("train.csv line 6: not a csv of texts (field larger than field limit (100)")
    assert csv.field_size_limit() == before  # it belongs to the whole process


@pytest.mark.parametrize("name", ["own.tar", "own.tar.gz"])
def test_a_truncated_archive_is_refused_wherever_it_is_cut(tmp_path, name):
    archive = _tar(tmp_path / name, _files(_long(), _long(100)))
    whole = archive.read_bytes()
    assert len(_load(tmp_path).splits["train"]) == 400
    cuts = [len(whole) // 20, len(whole) // 2, len(whole) * 3 // 4]
    for cut in [*cuts, len(whole) - 4] if name.endswith("gz") else cuts:  # a tar's own end is mere padding
        archive.write_bytes(whole[:cut])
        assert _refused(tmp_path).startswith(f"{archive} is truncated or no tar archive (")


def test_a_changed_archive_is_refused_even_where_it_unpacks(tmp_path):
    plain = _tar(tmp_path / "plain.tar", _files(_long(), _long(100))).read_bytes() + bytes(2**20)  # padding, unread
    content = gzip.compress(plain, compresslevel=0, mtime=0)
    (tmp_path / "own.tar.gz").write_bytes(content)
    assert len(_load(tmp_path).splits["train"]) == 400
    (tmp_path / "own.tar.gz").write_bytes(content.replace(b"place 7 ", b"palce 7 ", 1))  # still a good csv
    assert "is truncated or no tar archive (CRC check failed" in _refused(tmp_path)
    (tmp_path / "own.tar.gz").write_bytes(content[:70_000] + b"\xff" * 70_000 + content[140_000:])
    assert "is truncated or no tar archive (" in _refused(tmp_path)
    (tmp_path / "own.tar.gz").write_bytes(content[:200_000] + b"\xff" * 70_000 + content[270_000:])  # in the padding
    assert "is truncated or no tar archive (" in _refused(tmp_path)


def test_what_is_no_archive_is_refused(tmp_path):
    for content in (b"", b"<html>404</html>" * 100, b"\x1f\x8b<html>",
                    gzip.compress(b"a csv, not a tar" * 100, mtime=0)):
        (tmp_path / "own.tar.gz").write_bytes(content)
        assert _refused(tmp_path).startswith(f"{tmp_path / 'own.tar.gz'} is truncated or no tar archive (")


def test_an_archive_with_a_file_twice_or_too_large_is_refused(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        for name in ("a/train.csv", "a/test.csv", "b/train.csv"):
            info = tarfile.TarInfo(name)
            info.size = 20
            tar.addfile(info, io.BytesIO(b'"1","a"\n"2","bcdefg"\n'))
    assert _refused(tmp_path) == f"{tmp_path / 'own.tar'} has train.csv twice; keep one of them"
    monkeypatch.setattr(reviews, "MAX_BYTES", 19)
    assert _refused(tmp_path) == (
        f"{tmp_path / 'own.tar'}: train.csv would unpack to 20 bytes, more than 19; split it")


def test_a_missing_file_is_named(tmp_path):
    for missing in ("train.csv", "test.csv"):
        files = {name: content for name, content in _files().items() if name != missing}
        _folder(tmp_path / missing / "own", files)
        assert _refused(tmp_path / missing, FileNotFoundError) == (
            f"{tmp_path / missing / 'own'} has no {missing}: expected train.csv and test.csv; add it")
        archive = _tar(tmp_path / f"{missing}-archive" / "own.tgz", files)
        assert _refused(archive.parent) == f"{archive} has no {missing}: expected train.csv and test.csv"


def test_where_nothing_is_found_the_error_says_what_where_and_how(tmp_path):
    for path in ("nothing", "/", str(tmp_path / "deep" / "nothing")):
        with pytest.raises(FileNotFoundError) as caught:
            reviews.load(roots=[tmp_path / "a", tmp_path / "b"], cache=tmp_path / "cache", path=path)
        text = str(caught.value)
        assert "\n" not in text
        for part in (f"{path} not found", f"the folder {path} or {path}_csv", "train.csv and test.csv", "(.tar.gz)",
                     "CONVSCOPE_DATA", "data.path"):
            assert part in text
        for place in [tmp_path / "a", tmp_path / "b"] if path == "nothing" else [Path(path).parent]:
            assert str(place) in text
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("given", "sentence"), [
    ({"length": 0}, "length must be .*, got 0"), ({"classes": 0}, "classes must be .*, got 0"),
    ({"backwards": 1}, "backwards must be .*, got 1"), ({"lenght": 300}, "no parameter lenght"),
])
def test_a_wrong_setting_is_refused_before_anything_is_read(given, sentence):
    assert bind("data", {"name": "reviews", "path": "mine", "classes": 7}).arguments["classes"] == 7
    with pytest.raises(ValueError, match=sentence):
        bind("data", {"name": "reviews", "path": "mine", **given})


@pytest.mark.parametrize(("path", "train", "test"), [("yelp_review_full", 35280, 3910),
                                                     ("amazon_review_full", 17115, 1900)])
def test_the_real_set(path, train, test):
    if not (REAL / f"{path}_csv.tar.gz").is_file():
        pytest.skip(f"no {path}_csv.tar.gz in $CONVSCOPE_DATA")
    data = reviews.load(roots=[REAL], cache=default_cache(), path=path)  # decoded once: kept in the user's cache
    assert data.class_names == ("1", "2", "3", "4", "5")
    for split, n in (("train", train), ("test", test)):
        part = data.splits[split]
        assert part.stored.shape == (n, 1014)
        assert np.bincount(part.y).tolist() == [n // 5] * 5
        assert part.stored.max() == 70
    _compare(data, REAL / f"{path}_csv.tar.gz")


def _compare(data: Dataset, archive: Path) -> None:
    """Some records of the archive, taken apart by hand, each against a row of the same class."""
    numbers = {character: number for number, character in enumerate(ALPHABET)}
    with tarfile.open(archive) as tar:
        for split in ("train", "test"):
            member = next(m for m in tar.getmembers() if m.name.endswith(f"/{split}.csv"))
            file = tar.extractfile(member)
            assert file is not None
            part = data.splits[split]
            rows = {(int(label), row.tobytes()) for label, row in zip(part.y, part.stored, strict=True)}
            for line in file.read().decode().splitlines(keepends=True)[::501]:
                fields = line.rstrip("\n")[1:-1].split('","')
                text = " ".join(fields[1:]).replace('""', '"').replace("\\n", "\n").lower()[:1014]
                codes = bytes(numbers.get(character, 70) for character in text)
                assert (int(fields[0]) - 1, codes.ljust(1014, b"\0")) in rows
