"""Any user's own table: a csv of which one column is the class, the others numbers or kinds."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from convscope.data.cache import Listing, cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.roots import absent
from convscope.data.tables.features import Matrix, read
from convscope.data.tables.heading import opened
from convscope.data.tables.settings import Settings
from convscope.data.tables.splits import filled, tested
from convscope.family import Fraction, Whole

VERSION = 1
KIND = "table"
SUFFIXES = (".csv", ".csv.gz")


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str, test_fraction: Fraction = 0.2,
         split_seed: int = 0, target: str | int = -1, drop: tuple[str | int, ...] | None = None,
         categories: tuple[str | int, ...] = (), missing: Literal["refuse", "drop", "fill"] = "refuse",
         na: tuple[str | int | float, ...] = (), na_words: bool = True,
         alike: Literal["refuse", "keep", "merge"] = "refuse",
         decimal: Literal["auto", "point", "comma", ".", ","] = "auto",
         delimiter: Literal["auto", "comma", "semicolon", "tab", "space", "bar", ",", ";", "|"] = "auto",
         encoding: str = "utf-8", heading: bool | None = None, skip: Whole = 0) -> Dataset:
    """Rows float32 [N, D] of a csv, or of train.csv and test.csv in a folder; .csv.gz too. There is no download.

    Columns are named by the heading, or by their place from 1 (-1: the last): `target` is the class, `drop` are left
    out, `categories` become a column for each kind, as columns of texts do anyway. Without `drop`, columns that only
    number the rows are left out: nameless ones, and such as id. Rows with a missing value are refused, dropped or
    filled with the training rows' medians; `na` adds to what stands for one, `na_words=false` takes NA, nan, null, none
    and ? from it. `alike`: names such as yes and Yes. `skip` lines come before the heading. Every other doubt about a
    file is told with the setting that ends it.

    A single file is split per class by the hash of its rows' contents: a class's equal rows fall on one side. Rows that
    differ stay different: a column that float32 cannot hold is shifted or scaled (`tables.precision`). What was done to
    a table is in the data set's notes, and told on stderr. Raises FileNotFoundError where there is nothing, and
    ValueError with file and line for what cannot be used.
    """
    settings = Settings(float(test_fraction), split_seed, target, drop, categories, missing, na, na_words, alike,
                        decimal, delimiter, encoding, heading, skip)
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [Path.cwd() / given, *(root / given for root in roots)]
    listing = next((found for place in places if path and (found := _find(place)) is not None), None)
    if listing is None:
        raise absent("table", f"{path or 'a csv'}: a csv file (.csv, .csv.gz), or a folder with train.csv and test.csv",
                     places, "set data.path to one")
    data = cached(cache, "table", lambda: _decode(listing, settings), version=VERSION, parameters=settings._asdict(),
                  listing=listing, title=path)
    for note in data.notes:
        print(f"{given.name}: {note}", file=sys.stderr, flush=True)
    return data


def _find(place: Path) -> Listing | None:
    if place.is_dir():
        for suffix in SUFFIXES:
            files = [place / f"{split}{suffix}" for split in ("train", "test")]
            if all(file.exists() for file in files):
                return Listing.of(place, files)
        return None
    return Listing.of(place.parent, [place]) if place.exists() else None


def _decode(listing: Listing, settings: Settings) -> Dataset:
    table = read([opened(listing.folder / source.name, settings) for source in listing.files], settings)
    test = table.second if len(listing.files) == 2 else tested(
        listing.files[0].name, table.rows, table.labels, table.classes, settings.test_fraction, settings.split_seed)
    if (empty := np.isnan(table.rows[~test]).all(axis=0)).any():
        raise ValueError(f"{table.names[int(empty.argmax())]} has no value in any training row; leave it out: "
                         "data.drop=")
    rows, names = _seen(table, filled(table.rows, ~test), ~test)
    parts = {split: Part(rows[chosen], table.labels[chosen]) for split, chosen in (("train", ~test), ("test", test))}
    return replace(assemble("table", table.classes, parts), features=tuple(names), notes=tuple(table.notes))


def _seen(table: Matrix, rows: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The rows and names without the kinds that no training row has: nothing can be learnt of them."""
    lost = table.kinds & ~rows[train].any(axis=0)
    if lost.any():
        told = ", ".join(name for name, one in zip(table.names, lost, strict=True) if one)
        table.notes.append(f"no training row is {told[:200]}: test rows that are have zeros for every kind")
    return rows[:, ~lost], [name for name, one in zip(table.names, lost, strict=True) if not one]
