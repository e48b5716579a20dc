"""Which column of a csv is what: the class, the features, and what is left out; by name or by place."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from convscope.data.tables.heading import Opened
from convscope.data.tables.settings import Settings

Key = tuple[str, int]  # a column's name, and which of its name it is; of files without a heading its place


class Layout(NamedTuple):
    """The features in the order of the first file, where each stands in each file, and where the class stands."""

    keys: tuple[Key, ...]
    places: tuple[tuple[int, ...], ...]
    targets: tuple[int, ...]
    categories: frozenset[int]
    notes: tuple[str, ...]


def layout(files: Sequence[Opened], settings: Settings) -> Layout:
    """Raises ValueError for names and places that are not there, and for two files whose columns differ.

    Columns of two files belong together by their names, whatever their order; without headings by their places.
    """
    if len({file.names is None for file in files}) > 1:
        raise ValueError(f"one of {files[0].file.name} and {files[1].file.name} has a heading, the other none: give "
                         "both the same, or say data.heading=true or data.heading=false")
    target = resolve(files[0], settings.target, "target")
    keys = [_keys(file) for file in files]
    dropped = {_key(files, keys, one, "drop") for one in settings.drop or ()}
    if keys[0][target] in dropped:
        raise ValueError(f"{files[0].file.name}: {files[0].called(target)} cannot be the class and be left out; change "
                         "data.target or data.drop")
    notes: list[str] = []
    for key in dict.fromkeys(key for own in keys for key in own):
        _check_both(files, keys, key, key in dropped, notes)
    features = tuple(key for key in keys[0] if key not in dropped and key != keys[0][target]
                     and all(key in own for own in keys))
    if not features:
        raise ValueError(f"{files[0].file.name} has no column but the class; leave at least one feature")
    named = {_key(files, keys, one, "categories") for one in settings.categories}
    if lost := named - set(features):
        raise ValueError(f"data.categories names {next(iter(lost))[0]!r}, which is no feature; take it out")
    return Layout(features, tuple(tuple(map(own.index, features)) for own in keys),
                  tuple(own.index(keys[0][target]) for own in keys),
                  frozenset(i for i, key in enumerate(features) if key in named), tuple(notes))


def resolve(file: Opened, column: str | int, setting: str) -> int:
    """Where a column stands: by its name, or by its place from 1, or from the end with -1."""
    if isinstance(column, int):
        if not 1 <= abs(column) <= file.width:
            raise ValueError(f"data.{setting}={column}: columns of {file.file.name} are 1 to {file.width}, or -1 for "
                             f"the last to -{file.width}")
        return column - 1 if column > 0 else file.width + column
    names = file.names or ()
    if names.count(column) != 1:
        near = get_close_matches(column, names, n=1) if column not in names else []
        there = f"{names.count(column)} columns" if column in names else "no column"
        told = f"there are: {', '.join(names)[:200]}" if names else "it has no heading; name its place, from 1"
        raise ValueError(f"data.{setting}: {file.file.name} has {there} {column!r}"
                         + (f" (did you mean {near[0]}?)" if near else "") + f"; {told}")
    return names.index(column)


def _keys(file: Opened) -> list[Key]:
    names = file.names or tuple(str(place) for place in range(1, file.width + 1))
    return [(name, names[:place].count(name)) for place, name in enumerate(names)]


def _key(files: Sequence[Opened], keys: Sequence[list[Key]], column: str | int, setting: str) -> Key:
    """A column of the first file that has it."""
    if isinstance(column, str):
        for file, own in zip(files, keys, strict=True):
            if column in (file.names or ()):
                return own[resolve(file, column, setting)]
    return keys[0][resolve(files[0], column, setting)]


def _check_both(files: Sequence[Opened], keys: Sequence[list[Key]], key: Key, dropped: bool, notes: list[str]) -> None:
    having = [key in own for own in keys]
    if all(having) or dropped:
        return
    has, lacks = files[having.index(True)].file.name, files[having.index(False)].file.name
    if key[0] == "":
        notes.append(f"a column of {has} without a name is left out: {lacks} has none")
        return
    if files[0].names is None:
        raise ValueError(f"{files[1].file.name} has {files[1].width} columns, {files[0].file.name} has "
                         f"{files[0].width}; give both the same")
    raise ValueError(f"{lacks} has no column {key[0][:80]!r}, as {has} has; there are: "
                     f"{', '.join(files[having.index(False)].names or ())[:200]}; name both alike, or leave it out: "
                     f"data.drop=[{key[0][:80]}]")
