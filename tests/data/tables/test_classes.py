"""Labels that mean the same are one class or refused; what says nothing is none; amounts are a regression."""

from collections.abc import Callable

import numpy as np
import pytest

from convscope.data.dataset import Dataset

N = 120
VALUES = np.random.default_rng(0).standard_normal(N)


def table(labels: list, separator: str = ",") -> str:
    """A column of noise, and these labels again and again."""
    rows = (f"{value:.4f}{separator}{labels[i % len(labels)]}\n" for i, value in enumerate(VALUES))
    return f"x{separator}class\n" + "".join(rows)


@pytest.mark.parametrize(("labels", "names"), [
    (["0", "1", "0.0", "1.0"], ("0", "1")), (["1", "2.", "01", "2"], ("1", "2")),
    (["-1", "+1", "1", "-1.00"], ("-1", "1")),
    (["1e1", "10", "9"], ("9", "10")), (["1", "1.0", "other"], ("1", "other")),
    (["10", "9", "100"], ("9", "10", "100")),
    (["1.0", "2.0"], ("1.0", "2.0")), (["12345678901234567891", "12345678901234567892"],
                                       ("12345678901234567891", "12345678901234567892")),
    (["New York", "New  York", " Rome", "Rome\u200b"], ("New York", "Rome")),
    (["caf\u00e9", "cafe\u0301", "b"], ("b", "café")),
    (["+", "-"], ("+", "-")), (["A+", "A-", "A"], ("A", "A+", "A-")), (["yes", "no"], ("no", "yes")),
    (["t", "f"], ("f", "t")), (["y", "t", "z"], ("t", "y", "z")), (["a\x1b[31m", "b"], ("a[31m", "b")),
])
def test_classes(load: Callable[..., Dataset], labels: list, names: tuple) -> None:
    data = load(table(labels))
    assert data.class_names == names
    assert sum(map(len, data.splits.values())) == N
    for text in labels:  # every row has its own class
        own = {name for name in names if name.strip("+.0") and name == text.strip()}
        assert not own or own <= set(names)


def test_numbers_taken_together_are_told(load: Callable[..., Dataset], capsys) -> None:
    data = load(table(["1", "1.0", "2"]))
    assert data.notes == ("the classes 1, 1.0 are one: 1",) and "are one: 1" in capsys.readouterr().err
    assert sum(np.bincount(s.y, minlength=2)[0] for s in data.splits.values()) == 80


@pytest.mark.parametrize(("labels", "first", "second", "merged"), [
    (["Yes", "no", "yes"], "Yes", "yes", ("Yes", "no")),
    (["MALE", "Female", "male"], "MALE", "male", ("Female", "MALE")),
    (["New York", "Rome", "New-York"], "New York", "New-York", ("New York", "Rome")),
    (["class_1", "class_2", "class 1"], "class_1", "class 1", ("class 1", "class_2")),
    (["true", "0", "1"], "true", "1", ("0", "1")), (["yes", "n", "no", "y"], "yes", "y", ("n", "y")),
    (["\uff21", "B", "A"], "\uff21", "A", ("A", "B")), (["'a'", "b", "a"], "'a'", "a", ("a", "b")),
    (["TRUE", "0.0", "FALSE", "1.0"], "TRUE", "1.0", ("0.0", "1.0")),
])
def test_names_that_may_mean_the_same(load: Callable[..., Dataset], labels: list, first: str, second: str,
                                      merged: tuple) -> None:
    with pytest.raises(ValueError) as error:
        load(table(labels))
    assert f"{first!r} (mine.csv line {labels.index(first) + 2}) and " in str(error.value)
    assert f"{second!r} (mine.csv line {labels.index(second) + 2}) may mean the same; write them alike, or say " \
           "data.alike=merge (one) or data.alike=keep (two)" in str(error.value)
    assert load(table(labels), alike="keep").class_names == tuple(sorted(labels))
    assert load(table(labels), alike="merge").class_names == merged


@pytest.mark.parametrize("word", [
    "nan", "NaN", "NA", "N/A", "null", "None", "?", "#N/A", "<NA>", ".", "inf", "-Infinity"])
def test_words_that_say_nothing(load: Callable[..., Dataset], word: str) -> None:
    with pytest.raises(ValueError) as error:
        load(table(["a", "b", word]))
    assert str(error.value) == (
        f"mine.csv line 4: the class is {word!r}, which says nothing; fill it, leave such rows out (data.missing=drop)"
        ", or take it for a name of a class: data.na_words=false")
    dropped = load(table(["a", "b", word]), missing="drop")
    assert dropped.class_names == ("a", "b") and sum(map(len, dropped.splits.values())) == 80
    assert dropped.notes == ("40 of 120 rows lack a value and are left out",)
    assert word in load(table(["a", "b", word]), na_words=False).class_names


def test_an_empty_class_and_a_word_of_ones_own(load: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match="line 3: the class is empty; fill it, or leave such rows out: data"):
        load(table(["a", ""]))
    with pytest.raises(ValueError, match="line 4: the class is 'unknown'"):
        load(table(["a", "b", "unknown"]), na=["unknown"])
    assert load(table(["a", "b", "-1.0"]), na=[-1], missing="drop").class_names == ("a", "b")


def test_decimal_commas_among_labels(load: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match=r"'1' \(mine.csv line 2\) and '1,0' \(mine.csv line 3\) may mean the same; "
                                         "say which decimal mark"):
        load(table(["1", "1,0", "2"], ";"))
    whole = "x;class\n" + "".join(f"{i % 9},5;{['1', '1,0', '2'][i % 3]}\n" for i in range(90))
    assert load(whole).class_names == ("1", "2")


@pytest.mark.parametrize("targets", [
    VALUES.round(3), VALUES.round(1), np.arange(N), np.arange(N) // 3 * 10, 18 + np.arange(N) * 7 % 24,
    np.arange(N) * 0.5, (np.arange(N) % 30) ** 2, np.arange(N) % 40 + 1,
], ids=str)
def test_amounts_are_a_regression(load: Callable[..., Dataset], targets: np.ndarray) -> None:
    text = "kind,x,amount\n" + "".join(f"{i % 3},{VALUES[i]:.4f},{t}\n" for i, t in enumerate(targets))
    with pytest.raises(ValueError) as error:
        load(text)
    told = str(error.value)
    assert told.startswith("mine.csv: column 3 ('amount') is the class and has ") and "this is a regression" in told
    assert "(it could be column 1 ('kind')): data.target=" in told
    assert load(text, target="kind").class_names == ("0", "1", "2")


@pytest.mark.parametrize("targets", [
    np.arange(N) % 10, np.arange(N) % 20 + 1, np.arange(N) % 24, np.arange(N) % 6 + 3, (np.arange(N) % 10) / 2,
    np.arange(N) % 4 * 100], ids=str)
def test_numbers_of_classes_are_none(load: Callable[..., Dataset], targets: np.ndarray) -> None:
    data = load("x,class\n" + "".join(f"{VALUES[i]:.4f},{t}\n" for i, t in enumerate(targets)), test_fraction=0.5)
    assert [float(name) for name in data.class_names] == sorted(set(targets.tolist()))
    assert any("numbers with fractions" in note for note in data.notes) == (targets.dtype.kind == "f")


def test_texts_that_do_not_repeat_are_no_class(load: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match=r"column 2 \('class'\) is the class and has 120 values in 120 rows: it is no "
                                         "class; name the class: data.target="):
        load(table([f"Mr {i}" for i in range(N)]))
