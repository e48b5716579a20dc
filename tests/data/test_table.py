"""A user's own csv: layouts, splits, and one sentence with the line for what cannot be used."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from convscope.data.dataset import Dataset
from convscope.family import bind

ROWS = [(i * 0.5, -i, "yes" if i % 3 else "no") for i in range(30)]


def text(rows=ROWS, delimiter: str = ",", heading: str = "") -> str:
    return heading + "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def load(tmp_path: Path, path: str | Path, **settings) -> Dataset:
    return bind("data", {"name": "table", "path": str(path), **settings}).call(
        roots=[tmp_path], cache=tmp_path / "cache", download=False)


def contents(data: Dataset) -> set[tuple]:
    return {(*row.tolist(), data.class_names[label]) for split in data.splits.values()
            for row, label in zip(split.x(), split.y, strict=True)}


@pytest.mark.parametrize(("delimiter", "heading"), [(",", ""), (";", "width;height;kind\n"), ("\t", "\ufeffa\tb\tc\n")])
def test_one_file_is_split(tmp_path: Path, delimiter: str, heading: str) -> None:
    (tmp_path / "mine.csv").write_text(text(delimiter=delimiter, heading=heading), encoding="utf-8")
    data = load(tmp_path, "mine.csv")
    assert data.kind == "table" and data.class_names == ("no", "yes") and data.input_shape == (2,)
    assert [len(data.splits[s]) for s in ("train", "test")] == [24, 6] and contents(data) == set(ROWS)
    assert np.bincount(data.splits["test"].y).tolist() == [2, 4]
    assert load(tmp_path, tmp_path / "mine.csv").fingerprint == data.fingerprint
    assert load(tmp_path, "mine.csv", split_seed=1).fingerprint != data.fingerprint
    assert len(load(tmp_path, "mine.csv", test_fraction=0.5).splits["test"]) == 15


def test_the_split_follows_contents_not_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text())
    (tmp_path / "b.csv").write_text(text(ROWS[::-1]))
    assert load(tmp_path, "a.csv").fingerprint == load(tmp_path, "b.csv").fingerprint


def test_equal_rows_fall_on_one_side(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(text(ROWS * 3))
    data = load(tmp_path, "mine.csv")
    ids = [{str(one)[:16] for one in data.splits[split].ids} for split in ("train", "test")]
    assert not ids[0] & ids[1] and sum(len(split) for split in data.splits.values()) == 90


def test_a_folder_with_both_splits_and_gzip(tmp_path: Path) -> None:
    for split, rows in (("train", ROWS[:20]), ("test", ROWS[20:])):
        (tmp_path / f"{split}.csv").write_text(text(rows))
        (tmp_path / f"{split}.csv.gz").write_bytes(gzip.compress(text(rows).encode()))
    data = load(tmp_path, tmp_path)
    assert [len(data.splits[s]) for s in ("train", "test")] == [20, 10] and contents(data) == set(ROWS)
    for file in tmp_path.glob("*.csv"):
        file.unlink()
    assert load(tmp_path, tmp_path).fingerprint == data.fingerprint


def test_classes_that_are_numbers_are_sorted_as_such(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(text([(i, i % 3 + 9) for i in range(30)]))
    assert load(tmp_path, "mine.csv").class_names == ("9", "10", "11")


@pytest.mark.parametrize(("change", "sentence"), [
    ("1,2,yes\n1,yes\n", "mine.csv line 2: expected 3 columns, got 2"),
    ("1,2,yes\n1,two,no\n", "mine.csv line 2, column 2: expected a finite number, got 'two'"),
    ("1,2,yes\n1,,no\n", "mine.csv line 2, column 2: expected a finite number, got ''"),
    ("1,2,yes\n1,inf,no\n", "expected a finite number, got 'inf'"),
    ("1,2,yes\n1,1e300,no\n", "expected a finite number, got '1e300'"),
    ("1,2,yes\n1,nan,no\n", "expected a finite number, got 'nan'"),
    ("1,2,yes\n1,3,\n", "mine.csv line 2: the class is empty"),
    ("1,2,yes\n3,4,yes\n", "must have at least two values, got only 'yes'"),
    ("", "has no rows"), ("a,b,c\n", "has no rows"), ("5\n6\n", "expected at least 2 columns, got 1"),
    ("1,2,yes\n3,4,no\n", "class 'yes' has 1 different rows"),
    ("".join(f"{i},{i}.5\n" for i in range(120)),
     "120 different numbers in 120 rows, such as 0.5, 1.5, 2.5: amounts, so this is a regression"),
])
def test_refuses_in_one_sentence(tmp_path: Path, change: str, sentence: str) -> None:
    (tmp_path / "mine.csv").write_text(change)
    with pytest.raises(ValueError) as error:
        load(tmp_path, "mine.csv")
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_refuses_bytes_and_archives(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"1,2,yes\n3,4,n\xffo\n")
    with pytest.raises(ValueError, match="mine.csv line 2: byte 6 is not UTF-8"):
        load(tmp_path, "mine.csv")
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(text().encode())[:-12])
    with pytest.raises(ValueError, match="truncated, damaged or no gzip file"):
        load(tmp_path, "mine.csv.gz")
    with pytest.raises(FileNotFoundError, match=r"other.csv: a csv file .* set data.path to one"):
        load(tmp_path, "other.csv")
