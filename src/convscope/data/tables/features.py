"""The rows of one or two csv files as one matrix of features, with their classes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from convscope.data import csv_rows
from convscope.data.numbers import decimal_mark, number
from convscope.data.tables import counting, precision
from convscope.data.tables.classes import LEVELS, Labels
from convscope.data.tables.columns import Column, Feature
from convscope.data.tables.heading import Opened, Row
from convscope.data.tables.layout import Layout, layout
from convscope.data.tables.settings import Settings

BLOCK = 4096          # rows that are taken at once
MAX_VALUES = 2**28    # 1 GiB of float32


class Matrix(NamedTuple):
    """Samples `rows` float32 [N, D], NaN where missing, in the order of the files; `second` bool [N]: of the second."""

    rows: np.ndarray
    labels: np.ndarray
    second: np.ndarray
    names: list[str]
    kinds: np.ndarray  # bool [D]: says whether a row is of some kind
    classes: list[str]
    notes: list[str]


def read(files: Sequence[Opened], settings: Settings) -> Matrix:
    """Raises ValueError, with file and line, for whatever cannot be read with certainty."""
    plan = layout(files, settings)
    mark = settings.mark or decimal_mark(_numeric(files, plan, settings), commas_separate=all(
        csv_rows.separator(file.file, **settings.reading) == "," for file in files))
    columns = [Column(files[0].file.name, files[0].called(place), files[0].names[place] if files[0].names else "", mark,
                      settings, k in plan.categories) for k, place in enumerate(plan.places[0])]
    labels = Labels(settings)
    sizes = [_fill(file, places, target, columns, labels)
             for file, places, target in zip(files, plan.places, plan.targets, strict=True)]
    notes = list(plan.notes)
    classes, y = labels.classes(f"{files[0].file.name}: {files[0].called(plan.targets[0])}", mark, notes,
                                lambda: _like_classes(files[0], plan, settings))
    if settings.target == -1 and labels.numeric(mark) and any(column.texts for column in columns):
        notes.append(f"the class is the last column, {files[0].called(plan.targets[0])}: {', '.join(classes)[:100]}; "
                     "data.target= names another")
    second = np.arange(sum(sizes)) >= sizes[0]
    if settings.drop is None:
        columns = _chosen(columns, files[0], plan.places[0], sizes[0], notes)
    features = [feature for column in columns for feature in _spread(column, notes)]
    keep = _complete(columns, features, y, settings, notes)
    for k, file in enumerate(files):
        if not keep[second == bool(k)].any():
            raise ValueError(f"{file.file.name}: every row lacks a value; say data.missing=fill, or leave out the "
                             "columns that lack most: data.drop=")
    rows = np.stack([_stored(feature, keep, files[0].file.name, notes) for feature in features], axis=1)
    return Matrix(rows + np.float32(0), y[keep], second[keep], [feature.name for feature in features],
                  np.array([feature.kind == "kind" for feature in features]), classes, notes)


def _fill(file: Opened, places: Sequence[int], target: int, columns: Sequence[Column], labels: Labels) -> int:
    """Adds a file's rows to the columns and labels; how many there are."""
    size = 0
    while block := list(islice(file.rows, BLOCK)):
        size += len(block)
        if size * len(columns) > MAX_VALUES:
            raise ValueError(f"{file.file.name} line {block[-1][0]}: more than {MAX_VALUES:,} numbers; give fewer rows")
        where = [f"{file.file.name} line {line}" for line, _ in block]
        for column, place in zip(columns, places, strict=True):
            column.add([cells[place] for _, cells in block], where)
        labels.add([cells[target] for _, cells in block], where)
    return size


def _numeric(files: Sequence[Opened], plan: Layout, settings: Settings) -> Iterator[tuple[str, str]]:
    """(where, cell) of the features that are numbers for the most part, in the rows that lie ready."""
    for file, places in zip(files, plan.places, strict=True):
        for k, place in enumerate(places):
            told = [(line, cells[place]) for line, cells in _even(file) if not settings.nothing(cells[place])]
            count = sum(number(cell, ".") is not None or number(cell, ",") is not None for _, cell in told)
            if 2 * count >= len(told) and k not in plan.categories:
                yield from ((f"{file.file.name} line {line}, {file.called(place)}", cell) for line, cell in told)


def _like_classes(file: Opened, plan: Layout, settings: Settings) -> str:
    """In words, the columns whose few values all repeat: one of them may be the class."""
    found = []
    for place in range(file.width):
        kinds = Counter(cells[place] for _, cells in _even(file) if not settings.nothing(cells[place]))
        if place != plan.targets[0] and 2 <= len(kinds) <= LEVELS and min(kinds.values()) > 1:
            found.append(file.called(place))
    return f" (it could be {' or '.join(found[:4])})" if found else ""


def _even(file: Opened) -> list[Row]:
    return [row for row in file.sample if len(row[1]) >= file.width]


def _chosen(columns: Sequence[Column], file: Opened, places: Sequence[int], size: int,
            notes: list[str]) -> list[Column]:
    """The columns without those that only number or name the rows; each of them becomes a note."""
    chosen = []
    for column, place in zip(columns, places, strict=True):
        name = file.names[place] if file.names else None
        values = np.concatenate(column.values)
        blank = bool(np.isnan(values).all()) and not column.texts
        named = not column.texts and not blank and counting.numbers_rows(values[:size], name, place == 0)
        named |= name is not None and counting.unnamed(name) and len(column.texts) == len(values)
        if named and len(columns) == 1:
            notes.append(f"{column.called} only numbers the rows, and is the only feature")
        elif named or (blank and name is not None and counting.unnamed(name)):
            why = "is empty" if blank else "only numbers or names the rows"
            notes.append(f"{column.called} {why} and is left out; data.drop=[] keeps it")
            continue
        elif name is not None and counting.unnamed(name) and (column.texts or (values == np.round(values)).all()):
            raise ValueError(f"{file.file.name}: {column.called} has no name and may be an index or a feature; name "
                             f"it, leave it out (data.drop=[{place + 1}]) or keep it (data.drop=[])")
        elif not column.texts and size >= counting.MANY and counting.distinct(values[:size]):
            what = "counts the rows" if counting.steps(values[:size]) else "has another whole number in every row"
            notes.append(f"{column.called} {what}: should it be an id, {column.remedy('drop')} leaves it out")
        chosen.append(column)
    if not chosen:
        raise ValueError(f"{file.file.name} has no feature: every column but the class is empty, or only numbers or "
                         "names the rows; data.drop=[] keeps them")
    return chosen


def _spread(column: Column, notes: list[str]) -> list[Feature]:
    found = column.features()
    if found[0].kind == "number" and np.isnan(found[0].values).all():
        raise ValueError(f"{column.file}: {column.called} is empty; leave it out: {column.remedy('drop')}")
    if found[0].kind == "kind":
        if found[-1].name.endswith("=(missing)"):
            notes.append(f"{int(found[-1].values.sum())} rows lack {column.called}, which is a kind of its own")
        told = ", ".join(feature.name for feature in found)
        notes.append(f"{column.called} is one column for each kind: {told[:200]}")
    return found


def _complete(columns: Sequence[Column], features: Sequence[Feature], y: np.ndarray, settings: Settings,
              notes: list[str]) -> np.ndarray:
    """bool [N]: the rows to keep; raises ValueError for missing values that are to be refused."""
    lacks = np.zeros(len(y), dtype=bool)
    for feature in features:
        lacks |= np.isnan(feature.values)
    first = next((column for column in columns if column.missing), None)
    if settings.missing == "refuse" and first and first.missing:
        where, cell = first.missing
        asked = "kind" if first.texts else "finite number"
        raise ValueError(f"{where}, {first.called}: expected a {asked}, got {cell!r}; {int(lacks.sum())} of "
                         f"{len(y)} rows lack something: leave them out (data.missing=drop), or fill them with the "
                         "training rows' medians (data.missing=fill)")
    drop = lacks | (y < 0) if settings.missing == "drop" else np.zeros(len(y), dtype=bool)
    if drop.any():
        notes.append(f"{int(drop.sum())} of {len(y)} rows lack a value and are left out")
    elif lacks.any():
        notes.append(f"{int(lacks.sum())} of {len(y)} rows lack a number, which is filled with the training rows' "
                     "median")
    return ~drop


def _stored(feature: Feature, keep: np.ndarray, file: str, notes: list[str]) -> np.ndarray:
    values = feature.values[keep]
    found = precision.stored(values)
    if found is None:
        low, high = np.nanmin(values), np.nanmax(values)
        raise ValueError(f"{file}: {feature.name} has values from {low:.17g} to {high:.17g}, of which float32, with "
                         "its seven digits, would make different ones equal; correct the few that lie far from all "
                         f"others, give it as two columns, or leave it out: data.drop=[{feature.name}]")
    if found.offset:
        notes.append(f"{feature.name} is stored less {found.offset:.17g}: float32 keeps seven digits")
    if found.unit != 1:
        notes.append(f"{feature.name} is stored in units of {found.unit:.6g}: float32 has no squares of such values")
    return found.values
