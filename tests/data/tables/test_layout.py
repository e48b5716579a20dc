"""Which column is the class, a feature or left out: by name or place, in one file or two."""

from collections.abc import Callable

import pytest

from convscope.data.dataset import Dataset

N = 60
VALUES = [round(0.37 * (i * i % 53) - 9, 3) for i in range(N)]
LABELS = ["ab"[i % 2] for i in range(N)]


def table(heading: str = "x,y,class\n") -> str:
    return heading + "".join(f"{i % 7},{VALUES[i]},{LABELS[i]}\n" for i in range(N))


def test_the_class_by_name_or_place(load: Callable[..., Dataset]) -> None:
    text = "class,x,y\n" + "".join(f"{LABELS[i]},{i % 7},{VALUES[i]}\n" for i in range(N))
    found = {load(text, target=target).fingerprint for target in ("class", 1, -3)}
    assert len(found) == 1 and load(text, target="class").features == ("x", "y")
    assert load(text.partition("\n")[2], target=1).fingerprint in found
    assert load(text, target="class", drop=["x"]).features == load(text, target=1, drop=[2]).features == ("y",)


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"target": "clas"}, "data.target: mine.csv has no column 'clas' (did you mean class?); there are: x, y, class"),
    ({"target": 4}, "data.target=4: columns of mine.csv are 1 to 3, or -1 for the last to -3"),
    ({"target": 0}, "data.target=0: columns of mine.csv are 1 to 3"),
    ({"drop": ["z"]}, "data.drop: mine.csv has no column 'z'"), ({"drop": [-4]}, "data.drop=-4"),
    ({"drop": ["class"]}, "column 3 ('class') cannot be the class and be left out"),
    ({"drop": ["x", "y"]}, "has no column but the class"), ({"categories": ["class"]}, "which is no feature"),
    ({"categories": ["q"]}, "data.categories: mine.csv has no column 'q'"),
])
def test_columns_that_are_not_there(load: Callable[..., Dataset], settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load(table(), **settings)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_a_name_without_a_heading_or_twice(load: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match="has no column 'x'; it has no heading; name its place, from 1"):
        load(table(""), drop=["x"])
    with pytest.raises(ValueError, match="has 2 columns 'x'; there are: x, x, class"):
        load(table("x,x,class\n"), drop=["x"])
    assert load(table("x,x,class\n"), drop=[1]).features == ("x",)


def test_numbers_last_beside_texts_are_told(load: Callable[..., Dataset]) -> None:
    text = "species,x,year\n" + "".join(f"{'uv'[i % 2]},{VALUES[i]},{2007 + i % 3}\n" for i in range(N))
    assert load(text).notes[0] == "the class is the last column, column 3 ('year'): 2007, 2008, 2009; data.target= " \
                                  "names another"
    assert not any("last column" in note for note in load(text, target="year").notes)


def test_two_files_belong_together_by_names(load: Callable[..., Dataset]) -> None:
    train = "x,y,class\n" + "".join(f"{i % 7},{100 + i},{LABELS[i]}\n" for i in range(N))
    swapped = "class,y,x\n" + "".join(f"{LABELS[i]},{100 + i},{i % 7}\n" for i in range(9))
    data = load({"train": train, "test": swapped})
    assert data.features == ("x", "y") and data.splits["test"].stored[:, 1].min() == 100
    assert data.splits["test"].stored[:, 0].max() == 6


@pytest.mark.parametrize(("test", "sentence"), [
    ("class,x\na,1\nb,2\n", "test.csv has no column 'y', as train.csv has; there are: class, x; name both alike"),
    ("x,y,z,class\n1,2,3,a\n4,5,6,b\n", "train.csv has no column 'z', as test.csv has"),
    ("X,y,class\n1,2,a\n4,5,b\n", "test.csv has no column 'x', as train.csv has"),
    ("1,2,a\n4,5,b\n3,1,a\n2,2,b\n", "one of train.csv and test.csv has a heading, the other none"),
])
def test_two_files_whose_columns_differ(load: Callable[..., Dataset], test: str, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load({"train": table(), "test": test})
    assert sentence in str(error.value)
    if "'y'" in sentence:
        assert load({"train": table(), "test": test}, drop=["y"]).features == ("x",)
