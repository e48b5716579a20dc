"""Columns that only number or name the rows: left out with a word, refused where in doubt, kept where asked for."""

from collections.abc import Callable

import numpy as np
import pytest

from convscope.data.dataset import Dataset
from convscope.data.tables import counting

N = 60
VALUES = [f"{x:.3f}" for x in np.random.default_rng(0).standard_normal(N)]


def table(first: Callable[[int], object], heading: str) -> str:
    """A first column, one of noise, and a class by which the rows are sorted."""
    return heading + "".join(f"{first(i)},{VALUES[i]},{'ab'[i // 30]}\n" for i in range(N))


@pytest.mark.parametrize(("first", "heading"), [
    (lambda i: i, ",x,class\n"), (lambda i: i + 1, ",x,class\n"), (lambda i: i, '"",x,class\n'),
    (lambda i: i, "Unnamed: 0,x,class\n"), (lambda i: i, "...1,x,class\n"), (lambda i: f"{i}.0", ",x,class\n"),
    (lambda i: i * 7 % N, ",x,class\n"), (lambda i: i * 7 % N * 3 + 5, ",x,class\n"), (lambda i: i % 30, ",x,class\n"),
    (lambda i: f"row {i}", ",x,class\n"), (lambda i: f'"{i + 1}"', "x,class\n"), (lambda i: f"r{i}", "x,class\n"),
    (lambda i: i, ""), (lambda i: i + 1, ""), (lambda i: "", ",x,class\n"),
    (lambda i: i, "Id,x,class\n"), (lambda i: i + 892, "PassengerId,x,class\n"), (lambda i: i, "index,x,class\n"),
    (lambda i: i + 1, "rownames,x,class\n"), (lambda i: i, "customer_id,x,class\n"), (lambda i: i + 1, "No,x,class\n"),
    (lambda i: i * 7 % N, "Id,x,class\n"), (lambda i: i * 7 % N * 3 + 5, "user_id,x,class\n"),
    (lambda i: i * 7 % N, ""), (lambda i: i * 7 % N + 1, ""), (lambda i: f"{i / 10}", ",x,class\n"),
    (lambda i: -i, ",x,class\n"), (lambda i: f"2020-{i // 28 + 1:02d}-{i % 28 + 1:02d}", ",x,class\n"),
    (lambda i: f"{i},{i}", "Unnamed: 0.1,Unnamed: 0,x,class\n"),
])
def test_is_left_out_and_said(load: Callable[..., Dataset], capsys, first: Callable, heading: str) -> None:
    data = load(table(first, heading))
    assert data.input_shape == (1,) and data.class_names == ("a", "b")
    rows = np.concatenate([split.stored[:, 0] for split in data.splits.values()])
    assert sorted(rows.tolist()) == sorted(np.array(VALUES).astype(np.float32).tolist())
    assert all("column 1" in note or "column 2" in note for note in data.notes) and data.notes
    told = capsys.readouterr().err
    assert told.startswith("mine.csv: column 1") and "is left out; data.drop=[] keeps it" in told
    load(table(first, heading))  # from the cache
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(("first", "heading", "features"), [
    (lambda i: i, "time,x,class\n", ("time", "x")), (lambda i: -i, "depth,x,class\n", ("depth", "x")),
    (lambda i: i * 7 % N * 9, "weight,x,class\n", ("weight", "x")), (lambda i: i * 2, "", ("column 1", "column 2")),
    (lambda i: i % 9, "Id,x,class\n", ("Id", "x")), (lambda i: f"{i * i}.5", ",x,class\n", ("column 1", "x")),
])
def test_what_may_be_a_measurement_is_kept(load: Callable[..., Dataset], first: Callable, heading: str,
                                           features: tuple) -> None:
    data = load(table(first, heading))
    assert data.features == features
    told = " ".join(data.notes)
    assert ("'time') counts the rows: should it be an id, data.drop=[time] leaves" in told) == ("time" in heading)
    assert ("has another whole number in every row" in told) == (heading[:2] in ("", "de", "we"))


@pytest.mark.parametrize("first", [lambda i: i % 2, lambda i: i * i % 7, lambda i: "uv"[i % 2], lambda i: 3])
def test_a_nameless_column_in_doubt_is_refused(load: Callable[..., Dataset], first: Callable) -> None:
    with pytest.raises(ValueError, match=r"mine.csv: column 1 has no name and may be an index or a feature; name it, "
                                         r"leave it out \(data.drop=\[1\]\) or keep it \(data.drop=\[\]\)"):
        load(table(first, ",x,class\n"))
    assert load(table(first, ",x,class\n"), drop=[1]).features == ("x",)
    assert len(load(table(first, ",x,class\n"), drop=[]).features) > 1


def test_asked_for_it_is_kept(load: Callable[..., Dataset]) -> None:
    data = load(table(lambda i: i, ",x,class\n"), drop=[])
    assert data.features == ("column 1", "x") and not data.notes
    assert sorted(np.concatenate([s.stored[:, 0] for s in data.splits.values()])) == list(range(N))


def test_an_index_that_is_last_or_in_one_file_only(load: Callable[..., Dataset]) -> None:
    last = "x,class,\n" + "".join(f"{VALUES[i]},{'ab'[i // 30]},{i}\n" for i in range(N))
    assert load(last, target="class").features == ("x",)
    with pytest.raises(ValueError, match="a regression"):
        load(last)
    with_index, without = table(lambda i: i, ",x,class\n"), "class,x\n" + "a,1\nb,2\n"
    for one in ({"train": with_index, "test": without}, {"train": without, "test": with_index}):
        data = load(one, target="class")
        assert data.features == ("x",) and "without a name is left out" in data.notes[0]


def test_a_sole_counting_column_is_kept_and_said(load: Callable[..., Dataset]) -> None:
    data = load("".join(f"{i},{'ab'[i % 2]}\n" for i in range(N)))
    assert data.input_shape == (1,) and "column 1 only numbers the rows, and is the only feature" in data.notes


def test_separators_at_the_ends_of_lines(load: Callable[..., Dataset]) -> None:
    for text in ("x,class,\n" + "".join(f"{v},{'ab'[i % 2]},\n" for i, v in enumerate(VALUES)),
                 "x,class\n" + "".join(f"{v},{'ab'[i % 2]},\n" for i, v in enumerate(VALUES)),
                 "".join(f"{v},{'ab'[i % 2]},,\n" for i, v in enumerate(VALUES))):
        assert load(text).class_names == ("a", "b")
    with pytest.raises(ValueError, match="mine.csv line 1202: expected 2 columns, got 3"):
        load("x,class,\n" + "".join(f"{v},{'ab'[i % 2]},\n" for i, v in enumerate(VALUES * 20)) + "1,a,3\n")


def test_rules_one_by_one() -> None:
    count = np.arange(10.0)
    assert counting.steps(count + 3) and not counting.steps(count * 2) and not counting.steps(count + 0.5)
    assert counting.restarts(np.tile(count, 3)) and not counting.restarts(np.arange(10.0) % 2)
    assert counting.distinct(count[::-1]) and not counting.distinct(count // 2) and not counting.distinct(count / 2)
    named = ["id", "ID", "Row ID", "row_names", "Obs", "#", "sample number", "userId", "order no"]
    assert all(map(counting.numbering, named)) and not any(map(counting.numbering, ["humid", "nose", "time", "x", ""]))
