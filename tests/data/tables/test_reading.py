"""Numbers, kinds, missing values, headings and separators as files have them: read where certain, else refused."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest

from convscope.data.dataset import Dataset

N = 60
VALUES = [round(float(x), 3) for x in np.random.default_rng(0).standard_normal(N)]
LABELS = ["ab"[i % 2] for i in range(N)]


def table(cell: Callable[[int], object], heading: str = "x,y,class\n", separator: str = ",") -> str:
    """A column of these cells, one of noise, and the class."""
    mark = "," if separator == ";" else "."
    return heading.replace(",", separator) + "".join(
        f"{cell(i)}{separator}{VALUES[i]:.3f}".replace(".", mark) + f"{separator}{LABELS[i]}\n" for i in range(N))


def column(data: Dataset, place: int = 0) -> list[float]:
    return sorted(chain.from_iterable(split.stored[:, place].tolist() for split in data.splits.values()))


# -- numbers

@pytest.mark.parametrize(("text", "right"), [
    ("".join(f"{i % 7},5;{i % 2}\n" for i in range(N)), [i % 7 + 0.5 for i in range(N)]),
    ("".join(f"{i % 7},5\t{i % 2}\n" for i in range(N)), [i % 7 + 0.5 for i in range(N)]),
    ("".join(f"{i % 7},5|{i % 2}\n" for i in range(N)), [i % 7 + 0.5 for i in range(N)]),
    ("".join(f"{i % 7},5 {i % 2}\n" for i in range(N)), [i % 7 + 0.5 for i in range(N)]),
    ("".join(f"\"{i % 7},25\",{i % 2}\n" for i in range(N)), [i % 7 + 0.25 for i in range(N)]),
    ("x;c\n" + "".join(f"{i % 7},5;{i % 2}\n" for i in range(N)), [i % 7 + 0.5 for i in range(N)]),
    ("x;c\n" + "".join(f"{i % 7 + 1}.000,5;{i % 2}\n" for i in range(N)), [(i % 7 + 1) * 1000 + 0.5 for i in range(N)]),
    ("x;c\n" + "".join(f"{i % 7 + 1} 000;{i % 2}\n" for i in range(N)), [(i % 7 + 1) * 1000 for i in range(N)]),
    ("x;c\n" + "".join(f"{i % 7 + 1}'000.5;{i % 2}\n" for i in range(N)), [(i % 7 + 1) * 1000 + 0.5 for i in range(N)]),
    ("x;c\n" + "".join(f"{i % 7 + 1}\u00a0000,5;{i % 2}\n" for i in range(N)),
     [(i % 7 + 1) * 1000 + 0.5 for i in range(N)]),
    ("x,c\n" + "".join(f"\"{i % 7 + 1},000,000\",{i % 2}\n" for i in range(N)), [(i % 7 + 1) * 1e6 for i in range(N)]),
    ("x,c\n" + "".join(f"\"{i % 7 + 1},000.5\",{i % 2}\n" for i in range(N)),
     [(i % 7 + 1) * 1000 + 0.5 for i in range(N)]),
    ("x,c\n" + "".join(f"\u2212{i % 7}.5,{i % 2}\n" for i in range(N)), [-(i % 7) - 0.5 for i in range(N)]),
    ("x,c\n" + "".join(f"{i % 7}.5E+0,{i % 2}\n" for i in range(N)), [i % 7 + 0.5 for i in range(N)]),
    ("x,c\n" + "".join(f" {i % 7}. , {i % 2}\n" for i in range(N)), [i % 7 for i in range(N)]),
])
def test_numbers_as_people_write_them(load: Callable[..., Dataset], text: str, right: list) -> None:
    data = load(text)
    assert data.class_names == ("0", "1") and column(data) == sorted(right)


@pytest.mark.parametrize("text", [
    "x;c\n" + "".join(f"{i % 7 + 1},100;{i % 2}\n" for i in range(N)),
    "x;c\n" + "".join(f"{i % 7 + 1}.100;{i % 2}\n" for i in range(N)),
    "x\tc\n" + "".join(f"{i % 7 + 1}.100\t{i % 2}\n" for i in range(N)),
    "x,c\n" + "".join(f"\"{i % 7 + 1},100\",{i % 2}\n" for i in range(N)),
])
def test_thousands_or_decimals_are_asked_for(load: Callable[..., Dataset], text: str) -> None:
    with pytest.raises(ValueError, match=r"mine.csv line 2, column 1 \('x'\): '1[,.]100' may be 1[.10]+ or 1[.10]+; "
                                         "say data.decimal=point or data.decimal=comma") as error:
        load(text)
    comma = "1,100" in str(error.value)
    large, small = sorted((i % 7 + 1) * 1000 + 100 for i in range(N)), sorted(np.float32(i % 7 + 1.1) for i in range(N))
    assert column(load(text, decimal="point")) == (large if comma else small)
    assert column(load(text, decimal="comma")) == column(load(text, decimal=",")) == (small if comma else large)


@pytest.mark.parametrize(("cell", "settings", "sentence"), [
    (lambda i: "1,5" if i == 9 else i % 5, {"decimal": "point"},
     "expected a finite number, got '1,5' (a decimal comma? data.decimal=comma)"),
    (lambda i: "two" if i == 9 else i % 5, {}, "expected a finite number, got 'two'; correct it, say data.na=[two] if"),
    (lambda i: "1_0" if i == 9 else i % 5, {}, "expected a finite number, got '1_0'"),
    (lambda i: "0x1f" if i == 9 else i % 5, {}, "expected a finite number, got '0x1f'"),
    (lambda i: "12%" if i == 9 else i % 5, {}, "expected a finite number, got '12%'"),
    (lambda i: "True" if i == 9 else i % 5, {}, "expected a finite number, got 'True'"),
    (lambda i: "\u0661" if i == 9 else i % 5, {}, "expected a finite number"),
    (lambda i: "12,34,567" if i == 9 else i % 5, {}, "expected a finite number"),
])
def test_what_is_no_number_among_numbers(load: Callable[..., Dataset], cell: Callable, settings: dict,
                                         sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load(table(lambda i: f'"{cell(i)}"'), **settings)
    assert f"mine.csv line 11, column 1 ('x'): {sentence}" in str(error.value) and len(str(error.value)) < 500


def test_two_decimal_marks_in_one_file(load: Callable[..., Dataset]) -> None:
    text = "x\ty\tc\n" + "".join(f"{v:.3f}\t{i % 7},25\t{LABELS[i]}\n" for i, v in enumerate(VALUES))
    with pytest.raises(ValueError, match=r"line 2, column 1 \('x'\) writes '0.126' and mine.csv line 2, column 2 "
                                         r"\('y'\) '0,25': write all numbers with one decimal mark"):
        load(text)
    with pytest.raises(ValueError, match=r"got '0,25' \(a decimal comma\? data.decimal=comma\)"):
        load(text, decimal="point")
    late = "x\tc\n" + "".join(f"{i % 7}\t{LABELS[i % N]}\n" for i in range(1500)) + "1,5\ta\n"
    with pytest.raises(ValueError, match=r"line 1502, column 1 \('x'\): expected a finite number, got '1,5' \(a dec"):
        load(late)
    assert 1.5 in column(load(late, decimal="comma"))


# -- kinds

def test_kinds_become_columns(load: Callable[..., Dataset], capsys) -> None:
    data = load(table(lambda i: ["red", "green", "blue"][i % 3]))
    assert data.features == ("x=blue", "x=green", "x=red", "y")
    assert all((split.stored[:, :3].sum(axis=1) == 1).all() for split in data.splits.values())
    assert "column 1 ('x') is one column for each kind: x=blue, x=green, x=red" in capsys.readouterr().err
    assert load(table(lambda i: ["red", "green", "blue"][i % 3], "")).features[0] == "column 1=blue"
    assert load(table(lambda i: i % 3), categories=["x"]).features == ("x=0", "x=1", "x=2", "y")
    assert load(table(lambda i: i % 3), categories=[1]).features == ("x=0", "x=1", "x=2", "y")
    assert load(table(lambda i: ["red", "1"][i % 2]), categories=["x"]).features == ("x=1", "x=red", "y")


@pytest.mark.parametrize("words", [("true", "false"), ("TRUE", "FALSE"), ("Yes", "No"), ("T", "F"), ("y", "n")])
def test_true_and_false_are_one_and_zero(load: Callable[..., Dataset], words: tuple) -> None:
    data = load(table(lambda i: words[i % 3 > 0]))
    assert data.features == ("x", "y") and column(data) == [0] * 40 + [1] * 20


@pytest.mark.parametrize("cell", [
    lambda i: f"name {i}", lambda i: f"2020-01-{i % 28 + 1:02d}", lambda i: f"{i % 5 + 1}.3.2020", lambda i: f"{i}%",
    lambda i: f"{i % 12 + 1}/1/99", lambda i: f"1_{i}"])
def test_names_and_dates_are_no_kinds(load: Callable[..., Dataset], cell: Callable) -> None:
    with pytest.raises(ValueError, match=r"mine.csv: column 1 \('x'\) holds \d+ different texts in 60 rows, such as .*"
                                         r"leave it out: data.drop=\[x\], or make a column of each: data.cat"):
        load(table(cell))
    assert load(table(cell), drop=["x"]).features == ("y",)
    assert len(load(table(cell), categories=["x"], test_fraction=0.5).features) > 5


def test_kinds_that_may_mean_the_same(load: Callable[..., Dataset]) -> None:
    text = table(lambda i: ["Male", "male", "female"][i % 3])
    with pytest.raises(ValueError, match=r"the texts of column 1 \('x'\) 'Male' \(mine.csv line 2\) and 'male'"):
        load(text)
    assert load(text, alike="merge").features == ("x=Male", "x=female", "y")


def test_kinds_without_a_training_row(load: Callable[..., Dataset]) -> None:
    data = load({"train": table(lambda i: "uv"[i % 2]), "test": table(lambda i: "uvw"[i % 3])})
    assert data.features == ("x=u", "x=v", "y")
    assert "no training row is x=w: test rows that are have zeros for every kind" in data.notes
    assert (data.splits["test"].stored[:, :2].sum(axis=1) == 0).sum() == 20


# -- missing values

@pytest.mark.parametrize("word", ["", "NA", "nan", "NULL", "None", "?", "N/A", "."])
def test_missing_values_are_refused_dropped_or_filled(load: Callable[..., Dataset], word: str) -> None:
    text = table(lambda i: word if i % 4 == 1 else i % 7)
    with pytest.raises(ValueError) as error:
        load(text)
    assert str(error.value) == (
        f"mine.csv line 3, column 1 ('x'): expected a finite number, got {word!r}; 15 of 60 rows lack something: leave "
        "them out (data.missing=drop), or fill them with the training rows' medians (data.missing=fill)")
    dropped = load(text, missing="drop")
    assert sum(map(len, dropped.splits.values())) == 45 and dropped.notes == (
        "15 of 60 rows lack a value and are left out",)
    filled = load(text, missing="fill")
    assert sum(map(len, filled.splits.values())) == 60 and "15 of 60 rows lack a number" in filled.notes[0]


def test_medians_are_the_training_rows_own(load: Callable[..., Dataset]) -> None:
    data = load({"train": "x,c\n1,a\n2,b\n9,a\n,b\n", "test": "x,c\n100,a\n,b\n200,b\n"}, missing="fill")
    assert column(data) == [1, 2, 2, 2, 9, 100, 200]
    with pytest.raises(ValueError, match="x has no value in any training row"):
        load({"train": "x,y,c\n,1,a\n,2,b\n", "test": "x,y,c\n3,1,a\n4,2,b\n"}, missing="fill")


def test_missing_kinds(load: Callable[..., Dataset]) -> None:
    text = table(lambda i: "NA" if i % 4 == 1 else "uv"[i % 2])
    with pytest.raises(ValueError, match="line 3, column 1 .*: expected a kind, got 'NA'"):
        load(text)
    assert load(text, missing="drop").features == ("x=u", "x=v", "y")
    filled = load(text, missing="fill")
    assert filled.features == ("x=u", "x=v", "x=(missing)", "y") and column(filled, 2) == [0] * 45 + [1] * 15
    assert load(text, na_words=False).features == ("x=NA", "x=u", "x=v", "y")


@pytest.mark.parametrize(("word", "na"), [("-999", [-999]), ("-999.0", [-999]), ("-", ["-"]), ("9.97e36", [9.97e36]),
                                          ("unknown", ["unknown", "-"])])
def test_a_word_of_ones_own_for_missing(load: Callable[..., Dataset], word: str, na: list) -> None:
    text = table(lambda i: word if i % 4 == 1 else "NA" if i == 0 else i % 7)
    data = load(text, na=na, missing="drop")
    assert sum(map(len, data.splits.values())) == 44 and max(column(data)) == 6


def test_nothing_but_missing_values(load: Callable[..., Dataset]) -> None:
    for missing in ("drop", "fill"):
        with pytest.raises(ValueError, match=r"mine.csv: column 1 \('x'\) is empty; leave it out: data.drop=\[x\]"):
            load(table(lambda i: ""), missing=missing)
    both = "x,y,c\n" + "".join(f"{'' if i % 2 else 1},{1 if i % 2 else ''},{LABELS[i]}\n" for i in range(N))
    with pytest.raises(ValueError, match="mine.csv: every row lacks a value; say data.missing=fill"):
        load(both, missing="drop")


# -- headings

@pytest.mark.parametrize(("text", "features", "rows"), [
    (table(lambda i: i % 7), ("x", "y"), 60), (table(lambda i: i % 7, ""), ("column 1", "column 2"), 60),
    (table(lambda i: ["red", "blue"][i % 2], ""), ("column 1=blue", "column 1=red", "column 2"), 60),
    ("colour,size,class\n" + "".join(f"{'rg'[i % 2]},{'sml'[i % 3]},{'ab'[i // 30]}\n" for i in range(N)),
     ("colour=g", "colour=r", "size=l", "size=m", "size=s"), 60),
    ("".join(f"{'rg'[i % 2]},{'sml'[i % 3]},{'ab'[i // 30]}\n" for i in range(N)),
     ("column 1=g", "column 1=r", "column 2=l", "column 2=m", "column 2=s"), 60),
    ("'x'\t'y'\t'class'\n" + "".join(f"{i % 7}\t{VALUES[i]}\t{LABELS[i]}\n" for i in range(N)), ("x", "y"), 60),
    ("x,y,a\n" + "".join(f"{i % 7},{VALUES[i]},{LABELS[i]}\n" for i in range(N)), ("x", "y"), 60),
])
def test_a_heading_is_what_the_rows_leave_it(load: Callable[..., Dataset], text: str, features: tuple,
                                             rows: int) -> None:
    data = load(text, test_fraction=0.4)
    assert data.features == features and sum(map(len, data.splits.values())) == rows
    assert data.class_names == ("a", "b")


@pytest.mark.parametrize("first", ["2019,2020,class", "oops,0.5,a", "0.5,oops,a", "150,4,setosa", "x1,3,class"])
def test_what_may_be_a_heading_or_a_row_is_asked_for(load: Callable[..., Dataset], first: str) -> None:
    text = first + "\n" + table(lambda i: i % 7, "")
    with pytest.raises(ValueError, match="mine.csv line 1 may be a heading or a row: .*say data.heading=true or "
                                         "data.heading=false, or pass over it: data.skip=1"):
        load(text)
    assert load(text, heading=True).features == tuple(first.split(",")[:2])
    assert load(text, skip=1).features == ("column 1", "column 2")
    with pytest.raises(ValueError, match="class 'class' has 1 different rows|class 'setosa' has 1|expected a finite"):
        load(text, heading=False)


def test_a_first_row_that_lacks_a_value_is_no_heading(load: Callable[..., Dataset]) -> None:
    text = table(lambda i: "?" if i == 0 else i % 7, "")
    with pytest.raises(ValueError, match="line 1, column 1: expected a finite number, got '?'"):
        load(text)


@pytest.mark.parametrize(("above", "skip"), [("569,30,malignant,benign\n", 1), ("# from a lab\n# 2020\n", 2),
                                             ("A title\n\n", 2)])
def test_lines_above_the_table(load: Callable[..., Dataset], above: str, skip: int) -> None:
    text = above + table(lambda i: i % 7)
    with pytest.raises(ValueError, match=f"mine.csv line 1 has . columns, most rows below it have 3; if the table "
                                         f"begins at line {skip + 1}, pass over what is above: data.skip={skip}"):
        load(text)
    assert load(text, skip=skip).features == ("x", "y")


def test_a_heading_again_and_ragged_rows(load: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match="mine.csv line 62 is the heading again; remove it"):
        load(table(lambda i: i % 7) * 2)
    with pytest.raises(ValueError, match="mine.csv line 62: expected 3 columns, got 4"):
        load(table(lambda i: i % 7) + "1,2,a,3\n")
    with pytest.raises(ValueError, match="mine.csv has 2 names for 3 columns: name the first column too, or quote"):
        load("x,c\n" + "".join(f"{i % 7},5,{LABELS[i]}\n" for i in range(N)))
