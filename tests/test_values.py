"""Annotations as checks: what fits comes back in its type, what does not is refused in words."""

import ast

import pytest

from convscope import values
from convscope.family import ConfigError, bind

ALIASES = values.aliases(ast.parse(
    'Ratio = Annotated[float, "at least 1"]\nWay = Literal["a", "b"]\nBoth = Annotated[int, "above 0 and below 5"]\n'
    'Part = Annotated[Bound, "signals"]\nCount = Annotated[int, "at least 1"]\nOther = 3\n'))


def check(annotation: str, value):
    return values.Checker(ALIASES, lambda family, given: bind(family, given)).value("it", annotation, value)


@pytest.mark.parametrize(("annotation", "value", "found"), [
    ("", object, object), ("torch.Tensor", "x", "x"), ("float", 2, 2.0), ("int | None", None, None),
    ("bool", True, True),
    ("Ratio", 1, 1.0), ("Both", 4, 4), ('Annotated[float, "between 0 and 1"]', 1, 1.0), ("Way", "b", "b"),
    ('Literal["auto", True, False]', True, True), ("list[Way]", ["b", "a"], ("b", "a")), ("list[Count]", [3], (3,)),
    ("set[Way]", [], ()), ("set[Way]", ["b", "a"], ("b", "a")),
    ("tuple[int, ...]", [2, 2], (2, 2)), ("tuple[int, ...]", [], ()), ("tuple", [1, "x"], (1, "x")),
    ("int | dict[Way, Count]", {"a": 3}, {"a": 3}), ("int | dict[Way, Count]", 7, 7),
    ("dict[Way, int | dict[Way, int]]", {"a": {"b": 1}, "b": 2}, {"a": {"b": 1}, "b": 2})])
def test_what_fits(annotation, value, found):
    assert check(annotation, value) == found and type(check(annotation, value)) is type(found)


@pytest.mark.parametrize(("annotation", "value", "told"), [
    ("float", "x", "it must be a number, got 'x'"), ("float", float("inf"), "it must be a number, got inf"),
    ("int", True, "it must be a whole number, got True"), ("int", 1.0, "it must be a whole number, got 1.0"),
    ("Ratio", 0.5, "it must be a number, at least 1, got 0.5"),
    ("Both", 5, "it must be a whole number above 0 and below 5, got 5"),
    ("Ratio", float("nan"), "it must be a number, at least 1, got nan"),
    ("Count | None", 0, "it must be a whole number, at least 1 or null, got 0"),
    ("Way", "c", "it must be one of a, b, got 'c'"), ("Way", ["a"], "it must be one of a, b, got ['a']"),
    ("list[Way]", ["c"], "it must be a list of some of a, b, got ['c']"),
    ("list[Way]", [], "it must be a list of some of a, b, got []"), ("list[Way]", "a", "some of a, b, got 'a'"),
    ("list[Way]", ["a", "b", "a"], "it must be a list that names each thing once (a stands there twice), got ['a',"),
    ("list[Count]", [1, 0], "it must be a list of whole numbers, at least 1, got [1, 0]"),
    ("set[Count]", [2, 1, 2], "it must be a list that names each thing once (2 stands there twice), got [2, 1, 2]"),
    ("set[Count]", [0], "it must be a list of whole numbers, at least 1, got [0]"),
    ("int", 2**63, "it must be a whole number of at most 18 digits"), ("list[int]", [10**5000], "thousands of digits"),
    ("float", 10**400, "it must be a number of at most 18 digits"), ("float", "x" * 999, f"got '{'x' * 119}…"),
    ("list[Ratio]", [2, 2.0], "(2.0 stands there twice)"), ("list[str]", [1], "it must be a list of texts, got [1]"),
    ("tuple[int, ...]", "ab", "it must be a list of whole numbers, got 'ab'"),
    ("dict[Way, Count]", {"c": 1}, "it.c must be one of a, b, got 'c'"),
    ("dict[Way, Count]", {"c": 0}, "it.c must be one of a, b, got 'c'"),
    ("dict[Way, Count]", {"a": 0}, "it.a must be a whole number, at least 1, got 0"),
    ("int | dict[Way, dict[Way, Count]]", {"a": {"b": "x"}}, "it.a.b must be a whole number, at least 1, got 'x'"),
    ("int | dict[Way, Count]", "x", "it must be a whole number or a mapping, got 'x'"),
    ("dict[str, Part]", {}, "it must be a mapping of names of signals to their settings, got {}"),
    ("dict[str, Part]", [], "it must be a list of texts, got []"),
    ("dict[str, Part]", {"noise": None, "only": ["noise", "noise"]}, "it.only must be a list that names each thing on"),
    ("dict[str, Part]", {"noise": None, "only": "noise"}, "it.only must be a list of texts, got 'noise'"),
    ("dict[str, Part]", {"noise": None, "only": ["nose"]}, "no nose in signals (did you mean noise?)"),
    ("dict[str, Part]", {"noise": False}, "it must be a mapping of names of signals to their settings, got {"),
    ("dict[str, Part]", {"noise": 3}, "names of signals to their settings, got {'noise': 3}"),
    ("dict[str, Part]", {"noise": {"amplitude": -1}}, "noise: amplitude must be a number, at least 0, got -1"),
    ("Part", "noise", "it must be a mapping with the name of a method of signals, got 'noise'"),
    ("Part", {"name": "nose"}, "no nose in signals (did you mean noise?)")])
def test_what_does_not_is_refused_in_words(annotation, value, told):
    with pytest.raises(ConfigError) as error:
        check(annotation, value)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_parts_are_bound():
    assert check("Part", {"name": "noise", "amplitude": 0.5}).given == {"amplitude": 0.5}
    several = check("dict[str, Part]", {"noise": None, "mean": {"amplitude": 0.5}})
    assert [(name, one.name, one.given) for name, one in several.items()] == [
        ("noise", "noise", {}), ("mean", "mean", {"amplitude": 0.5})]


def test_a_range_that_says_nothing_is_a_fault_of_the_annotation():
    with pytest.raises(ValueError, match="a range is such as 'at least 0'"):
        check('Annotated[float, "quite large"]', 3)


def test_methods_are_chosen_among_those_of_the_preset_that_one_builds_on():
    base = {"noise": {"amplitude": 0.5}, "clean": None, "mine": {"name": "mean"}}

    def chosen(**more):
        return {name: one.label for name, one in check("dict[str, Part]", base | more).items()}

    assert list(chosen()) == ["noise", "clean", "mine"]
    assert chosen(clean=False) == {"noise": "noise amplitude=0.5", "mine": "mean"}
    assert chosen(only=["mine", "noise"]) == chosen(clean=False), "in the preset's order: one choice is one run"
    assert chosen(only=["mine", "one_pixel"]) == {"mine": "mean", "one_pixel": "one_pixel"}
    assert list(check("dict[str, Part]", ["clean", "mean"])) == ["clean", "mean"]
