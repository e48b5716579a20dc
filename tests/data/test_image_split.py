"""Our own split: each class in proportion, no picture on both sides, and the same as ever where none is there twice."""

import hashlib

import numpy as np
import pytest

from convscope.data.image_split import Picture, split


def _made(classes: dict[str, list[str]]) -> list[Picture]:
    """Pictures by their names; what follows a dot is another file of the same picture."""
    return [Picture(label, hashlib.sha256(name.encode()).hexdigest(), name.partition(".")[0].encode())
            for label, names in classes.items() for name in names]


def _sides(pictures: list[Picture], **how) -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = {}
    for one, side in zip(pictures, split(pictures, how.get("fraction", 0.3), how.get("seed", 0)), strict=True):
        found.setdefault(one.pixels, set()).add(side)
    return found


def test_without_copies_it_is_the_plain_rule():
    pictures = _made({c: [f"{c}{i}" for i in range(n)] for c, n in (("a", 10), ("b", 3), ("c", 2))})
    expected = {}
    for label, n_test in (("a", 3), ("b", 1), ("c", 1)):
        drawn = sorted((hashlib.sha256(f"5/{one.digest}".encode()).hexdigest(), one.pixels) for one in pictures
                       if one.label == label)
        expected |= {pixels: {"test" if i < n_test else "train"} for i, (_, pixels) in enumerate(drawn)}
    assert _sides(pictures, seed=5) == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("classes", [
    {"a": ["1", "2", "3", "4"] * 3, "b": ["5", "6", "7"]},                        # copies
    {"a": ["1.png", "1.bmp", "1.jpg", "2", "3"], "b": ["5.png", "5.gif", "6"]},   # the same picture in other files
    {"a": ["1", "2", "3", "9"], "b": ["5", "6", "9"], "c": ["9.bmp", "1.bmp", "7", "8"]},  # in several classes
    {"a": ["1"] * 9 + ["2"], "b": ["3"] + ["4"] * 9},
    {"a": ["1", "2"], "b": ["1", "2", "3", "4", "5", "6", "7", "8"]},
])
def test_no_picture_is_on_both_sides(classes, seed):
    pictures = _made(classes)
    sides = split(pictures, 0.3, seed)
    assert all(len(found) == 1 for found in _sides(pictures, seed=seed).values())
    for label in classes:
        assert {side for one, side in zip(pictures, sides, strict=True) if one.label == label} == {"train", "test"}


@pytest.mark.parametrize("seed", range(5))
def test_what_an_earlier_class_decided_counts(seed):
    pictures = _made({"a": ["1", "2"], "b": [str(i) for i in range(1, 11)]})
    sides = split(pictures, 0.3, seed)
    assert sides[:2].count("test") == 1 and sides[2:].count("test") == 3


def test_names_and_order_say_nothing():
    pictures = _made({"a": ["1.png", "1.bmp", "2", "3"], "b": ["2.gif", "5", "6"]})
    sides = split(pictures, 0.3, 0)
    for seed in range(20):
        order, told = np.random.default_rng(seed).permutation(len(pictures)), split(pictures, 0.3, seed)
        assert split([pictures[i] for i in order], 0.3, seed) == [told[i] for i in order]
    assert any(split(pictures, 0.3, seed) != sides for seed in range(1, 9))


@pytest.mark.parametrize(("classes", "sentence"), [
    ({"a": ["1"], "b": ["2", "3"]}, r"class a has 1 different image\(s\), at least 2 are needed to split"),
    ({"a": ["1.png", "1.bmp", "1"], "b": ["2", "3"]}, r"class a has 1 different image\(s\), at least 2"),
    ({"a": [str(i) for i in range(20)], "b": ["1", "2"]}, None),
])
def test_a_class_that_cannot_be_split_is_named(classes, sentence):
    pictures = _made(classes)
    if sentence:
        with pytest.raises(ValueError, match=sentence):
            split(pictures, 0.3, 0)
        return
    refused = 0  # both of b's are a's, too: one side or both is a's choice
    for seed in range(20):
        try:
            split(pictures, 0.3, seed)
        except ValueError as error:
            refused += 1
            assert "class b has 2 different image(s), which lie in other classes too, at least 2" in str(error)
    assert 0 < refused < 20
