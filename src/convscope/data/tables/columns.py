"""The cells of a table's columns as numbers: as they are, as 0 and 1 of true and false, or as kinds."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convscope.data.numbers import exact, number
from convscope.data.tables.meaning import grouped, tidy, truths
from convscope.data.tables.settings import Settings

LARGEST = 3.4e38   # of a float32
FEW = 50           # kinds that a column of texts may have without being named in data.categories
MANY = 1000
KEPT = 100_000     # different texts of one column that are kept apart
PLAIN = frozenset("0123456789+-.eE")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b.*", re.ASCII)
WORDS = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)


class Feature(NamedTuple):
    """A column of the table as the network gets it: `values` float64 [N], NaN where the cell says nothing."""

    name: str
    values: np.ndarray
    kind: str  # number, truth or kind


class Column:
    """One column of a csv while it is read, over both files of a folder: texts by number, and where the first is."""

    def __init__(self, file: str, called: str, name: str, mark: str, settings: Settings, kinds: bool) -> None:
        self.file, self.called, self.name, self.mark = file, called, name, mark
        self.settings, self.kinds = settings, kinds
        self.values: list[np.ndarray] = []  # of numbers; NaN elsewhere
        self.codes: list[np.ndarray] = []   # int32: of texts by number, -1 elsewhere
        self.texts: dict[str, int] = {}
        self.first: dict[str, str] = {}     # text -> where it is first
        self.missing: tuple[str, str] | None = None

    def add(self, cells: Sequence[str], places: Sequence[str]) -> None:
        """Some more cells of the column, and where each of them is; raises ValueError for a number too large."""
        fast = None if self.kinds or self.mark == "," or not PLAIN.issuperset("".join(cells)) else _floats(cells)
        if fast is not None:
            self.values.append(fast)
            self.codes.append(np.full(len(cells), -1, np.int32))
            return
        found = [self._read(cell, places, i) for i, cell in enumerate(cells)]
        self.values.append(np.array([value for value, _ in found]))
        self.codes.append(np.array([code for _, code in found], np.int32))

    def _read(self, cell: str, places: Sequence[str], i: int) -> tuple[float, int]:
        if self.settings.nothing(cell):
            self.missing = self.missing or (places[i], cell.strip())
            return np.nan, -1
        value = None if self.kinds else number(cell, self.mark)
        if value is not None and abs(value) < LARGEST:
            if abs(value) >= 2**53 and "e" not in cell.casefold() and exact(cell, self.mark) != value:
                raise ValueError(f"{places[i]}, {self.called}: {cell.strip()[:40]} has more digits than a number "
                                 "keeps, so that others would be equal to it; leave the column out: "
                                 f"{self.remedy('drop')}")
            if value == 0 and exact(cell, self.mark):
                raise ValueError(f"{places[i]}, {self.called}: {cell.strip()[:40]} is too small for a number other "
                                 "than 0; give the column in a smaller unit")
            return value, -1
        if not self.kinds and (exact(cell, self.mark) is not None or WORDS.fullmatch(cell.strip())):
            raise ValueError(f"{places[i]}, {self.called}: expected a finite number, got {cell.strip()[:40]!r}; "
                             f"correct it, say {self.remedy('na', cell.strip())} if it stands for a missing value, or "
                             "give the column in a larger unit")
        text = tidy(cell)
        if text not in self.texts and len(self.texts) < KEPT:
            self.texts[text] = len(self.texts)
            self.first[text] = places[i]
        return np.nan, self.texts.get(text, KEPT)

    def remedy(self, setting: str, what: str = "") -> str:
        place = self.called.split()[1]
        return f"data.{setting}=[{what[:40] or (self.name if 0 < len(self.name) <= 40 else place)}]"

    def features(self) -> list[Feature]:
        """One column of numbers, or one of each kind; raises ValueError with the line of what is neither."""
        values, codes = np.concatenate(self.values), np.concatenate(self.codes)
        name = self.name or self.called
        if not self.texts:
            return [Feature(name, values, "number")]
        other = "." if self.mark == "," else ","
        if not np.isnan(values).all() or (not self.kinds and all(number(t, other) is not None for t in self.texts)):
            self._refuse_mixture(other)
        if not self.kinds and truths(set(self.texts)):
            meant = np.array([text.casefold() in ("true", "yes", "t", "y") for text in self.texts] + [np.nan])
            return [Feature(name, meant[codes], "truth")]
        self._check_few(len(codes))
        names = grouped(self.first, what=f"{self.file}: the texts of {self.called}", mark=self.mark,
                        alike=self.settings.alike)
        kinds = sorted(set(names.values()))
        kind = np.array([kinds.index(names[text]) for text in self.texts] + [-1])[codes]
        found = [Feature(f"{name}={one}", (kind == k).astype(float), "kind") for k, one in enumerate(kinds)]
        if self.missing and self.settings.missing == "fill":
            found.append(Feature(f"{name}=(missing)", (codes < 0).astype(float), "kind"))
        elif self.missing:
            for feature in found:
                feature.values[codes < 0] = np.nan
        return found

    def _refuse_mixture(self, other: str) -> None:
        text, word = next(iter(self.texts)), "comma" if other == "," else "point"
        hint = "" if number(text, other) is None else f" (a decimal {word}? data.decimal={word})"
        raise ValueError(f"{self.first[text]}, {self.called}: expected a finite number, got {text[:40]!r}{hint}; "
                         f"correct it, say {self.remedy('na', text[:40])} if it stands for a missing value, "
                         f"{self.remedy('categories')} if the column names kinds, or {self.remedy('drop')}")

    def _check_few(self, rows: int) -> None:
        """Raises ValueError for texts that are hardly kinds: nearly as many as rows, or dates."""
        kinds = len(self.texts)
        dates = not self.kinds and all(map(DATE.fullmatch, self.texts))
        if kinds > (MANY if self.kinds else min(FEW, rows // 2)) or dates:
            told = f"at least {KEPT:,}" if kinds == KEPT else f"{kinds:,}"
            remedy = "" if self.kinds else f", or make a column of each: {self.remedy('categories')}"
            raise ValueError(f"{self.file}: {self.called} holds {told} different texts in {rows:,} rows, such as "
                             f"{next(iter(self.texts))[:40]!r}: neither numbers nor a few kinds; leave it out: "
                             f"{self.remedy('drop')}{remedy}")


def _floats(cells: Sequence[str]) -> np.ndarray | None:
    """float64 [N] of cells in Python's own spelling; None where one is no such, or may be too large or tiny for one."""
    try:
        values = np.array(list(map(float, cells)))
    except ValueError:
        return None
    vanished = any(cells[i].strip("+-0.eE") for i in np.flatnonzero(values == 0).tolist())  # 1e-400
    return None if vanished or not (np.abs(values) < 2.0**53).all() else values
