"""Rows of a csv: separators, encodings, line numbers; files without an end, and what is no file."""

import gzip
import os
import time
import zipfile
from pathlib import Path

import pytest

from convscope.data import csv_rows


def rows(file: Path, content: str | bytes, **settings) -> list[tuple[int, list[str]]]:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(csv_rows.read(file, **settings))


@pytest.mark.parametrize(("text", "mark"), [
    ("a,b\n1,2\n", ","), ("a;b\n1;2\n", ";"), ("a\tb\n1\t2\n", "\t"), ("a|b\n1|2\n", "|"), ("a b\n1 2\n", " "),
    ("1,5;0\n2,5;1\n", ";"), ("1,5\t0\n2,5\t1\n", "\t"), ("1,5|0\n2,5|1\n", "|"), ("1,5 0\n2,5 1\n", " "),
    ("1,5;2,25;a\n1,5;2,25;b\n", ";"), ("name;x\nDoe, J;1\nRoe, R;2\n", ";"), ("x,tags\n1,a;b\n2,c;d\n", ","),
    ("time,x\n2020-01-01 10:00,5\n2020-01-01 11:00,6\n", ","), ("1.5, a\n2.5, b\n", ","), ("  1  2\n 10  3\n", " "),
    ("a,b\n\"1;2\",3\n4,5\n", ","), ("sep=;\nx;y\n1,5;2,5\n", ";"), ("x\n1\n2\n", ","), ("", ","),
    ("a,b,c\n1,2\n1,2,3\n1,2,3\n", ","),
])
def test_what_separates_cells(tmp_path: Path, text: str, mark: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert csv_rows.separator(tmp_path / "a.csv") == mark
    read = list(csv_rows.read(tmp_path / "a.csv"))
    assert not text or text.count("\n") - ("sep=" in text) == len(read)


def test_cells_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    assert rows(file, "sep=;\n\na;b\n\n 1 ; \"2\n3\"\n;\n4;5\n") == [
        (3, ["a", "b"]), (5, ["1 ", "2\n3"]), (8, ["4", "5"])]
    assert rows(file, "x\ny z\na,b\n1,2\n", skip=2) == [(3, ["a", "b"]), (4, ["1", "2"])]
    assert rows(file, " 1   2.5 \n3 4\n") == [(1, ["1", "2.5"]), (2, ["3", "4"])]
    assert rows(file, "a,b\n1,2\n", delimiter="semicolon") == [(1, ["a,b"]), (2, ["1,2"])]
    assert rows(file, "1,5;0\n2,5;1\n", delimiter=",") == [(1, ["1", "5;0"]), (2, ["2", "5;1"])]


@pytest.mark.parametrize("text", ["1,a;b,x\n2,c;d,y\n", "a;b,c\nd;e,f\n", "1\ta|b\n2\tc|d\n",
                                  "2020-01-01 10,5\n2020-01-01 11,5\n", "item 3,5\nitem 4,6\n"])
def test_two_separators_are_asked_for(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"a.csv can be cut at every \w+ or \w+; say which: data.delimiter=\w+"):
        rows(tmp_path / "a.csv", text)
    assert rows(tmp_path / "a.csv", text, delimiter="comma")


@pytest.mark.parametrize(("encoding", "said"), [
    ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-8"), ("cp1252", "cp1252"), ("latin-1", "latin-1"),
    ("utf-16-le", "utf-16-le"), ("shift_jis", "shift_jis"), ("cp1250", "cp1250")])
def test_encodings(tmp_path: Path, encoding: str, said: str) -> None:
    text = "né;\u00fc\n1;2\n" if encoding != "shift_jis" else "\u65e5;b\n1;2\n"
    for packed in (False, True):
        content = gzip.compress(text.encode(encoding), mtime=0) if packed else text.encode(encoding)
        first = text.split("\n")[0].split(";")
        assert rows(tmp_path / "a.csv", content, encoding=said) == [(1, first), (2, ["1", "2"])]


@pytest.mark.parametrize(("content", "settings", "sentence"), [
    ("a,b\n1,é\n".encode("latin-1"), {}, "a.csv line 2: byte 3 is not UTF-8; convert the file, or name its encoding "
                                         "as data.encoding=cp1252"),
    ("a,b\n1,\u20ac\n".encode("cp1252"), {"encoding": "ascii"}, "is not ASCII"),
    (b"\xff\xfea\x00\x00\xd8", {}, "is not UTF-16"), ("a\x00,b\n", {}, "a.csv line 1 holds a zero byte"),
    ("a,b\n", {"encoding": "nonsense"}, "unknown encoding: nonsense"),
    ("a,b\n", {"encoding": "zip"}, "not a text encoding"),
    ("a" * 1_000_001, {}, "line 1 has more than 1,000,000 bytes"), ('a,"b\n', {}, "line 1: not a csv (unexpected end"),
    (b"\x1f\x8b but no gzip", {}, "no gzip file"), (gzip.compress(b"a,b\n" * 999, mtime=0)[:-9], {}, "truncated"),
])
def test_refuses_in_one_sentence(tmp_path: Path, content: str | bytes, settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        rows(tmp_path / "a.csv", content, **settings)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_an_excel_file_is_named_as_such(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(ValueError, match="a.csv is a zip or Excel file; save the table as csv"):
        list(csv_rows.read(tmp_path / "a.csv"))


@pytest.mark.parametrize("line", ["\n", " \n", ",,,\n", ",,\r\n", "\"\",\"\"\n"])
def test_empty_lines_without_an_end(tmp_path: Path, line: str) -> None:
    """150 KB of gzip hold 150 MB of nothing: read no further than it is clear."""
    start = time.monotonic()
    with pytest.raises(ValueError, match="a.csv line 100003: 100,000 lines without a cell; remove them"):
        rows(tmp_path / "a.csv", gzip.compress(b"a,b\n1,2\n" + line.encode() * 10_000_000, 1, mtime=0))
    assert time.monotonic() - start < 20
    assert len(rows(tmp_path / "a.csv", f"a,b\n1,2\n{line * 99_000}3,4\n")) == 3


def test_a_bomb_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "RATIO_FROM", 100_000)
    with pytest.raises(ValueError, match=r"a.csv holds more than 1\d\d,\d\d\d bytes, at line \d+: no table; split it"):
        rows(tmp_path / "a.csv", gzip.compress(b"1,2,a\n" * 100_000, mtime=0))
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 5000)
    with pytest.raises(ValueError, match="a.csv holds more than 5,000 bytes, at line 834"):
        rows(tmp_path / "a.csv", b"1,2,a\n" * 1000)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "link.csv", "."):
        with pytest.raises(ValueError, match="is no file but a folder, a device or a pipe; give a csv file"):
            list(csv_rows.read(tmp_path / name))
    with pytest.raises(ValueError, match="cannot be read .No such file"):
        list(csv_rows.read(tmp_path / "gone.csv"))
    with (tmp_path / "sparse.csv").open("wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(ValueError, match="sparse.csv line 1 has more than"):
        list(csv_rows.read(tmp_path / "sparse.csv"))
