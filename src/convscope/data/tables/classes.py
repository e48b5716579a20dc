"""The class column of a table: which labels there are, and whether they can be classes at all."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from convscope.data.numbers import exact
from convscope.data.tables.meaning import grouped, tidy
from convscope.data.tables.settings import Settings

INFINITE = ("inf", "+inf", "-inf", "infinity", "-infinity")
LEVELS = 20    # different numbers that may be classes, however they are spread
REPEATED = 5   # rows for each, at least on average, where numbers are classes


class Labels:
    """The class column while it is read; of a missing label the number is -1."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.codes: list[int] = []
        self.texts: dict[str, int] = {}
        self.first: dict[str, str] = {}

    def add(self, cells: Sequence[str], places: Sequence[str]) -> None:
        """Raises ValueError, with the line, for a label that says nothing, unless such rows are dropped."""
        for i, cell in enumerate(cells):
            text = tidy(cell)
            if self.settings.nothing(cell) or (self.settings.na_words and text.casefold() in INFINITE):
                if self.settings.missing != "drop":
                    raise ValueError(_nothing(places[i], text))
                self.codes.append(-1)
                continue
            if text not in self.texts:
                self.texts[text] = len(self.texts)
                self.first[text] = places[i]
            self.codes.append(self.texts[text])

    def classes(self, called: str, mark: str, notes: list[str],
                others: Callable[[], str]) -> tuple[list[str], np.ndarray]:
        """(class names, in order of the numbers that all of them are or else as texts; int64 [N], -1 where missing).

        `others` says which column it could be instead. Raises ValueError for names that may mean the same, fewer than
        two, numbers that are amounts, and texts that hardly repeat.
        """
        names = grouped(self.first, what=f"{called}: the classes", mark=mark, alike=self.settings.alike)
        for name in sorted({name for text, name in names.items() if text != name}):
            notes.append(f"the classes {', '.join(sorted(t for t, n in names.items() if n == name))} are one: {name}")
        numbers = {name: exact(name, mark) for name in names.values()}
        numeric = self.numeric(mark)
        found = sorted(numbers, key=lambda name: (numbers[name], name)) if numeric else sorted(numbers)
        place = np.array([found.index(names[text]) for text in self.texts] + [-1])
        labels = place[np.array(self.codes, dtype=np.int64)]
        self._check(called, found, int((labels >= 0).sum()), mark, others)
        if numeric and any(number != int(number) for number in numbers.values() if number is not None):
            notes.append(f"the classes {', '.join(found)[:100]} are numbers with fractions, each a class of its own: a "
                         "regression is not done here")
        return found, labels

    def _check(self, called: str, classes: Sequence[str], rows: int, mark: str, others: Callable[[], str]) -> None:
        values = [float(number) for name in classes if (number := exact(name, mark)) is not None]
        if len(classes) < 2:
            raise ValueError(f"{called} is the class and must have at least two values, got only "
                             f"{classes[0] if classes else ''!r}; name the class: data.target=")
        if len(values) == len(classes) and amounts(values, rows):
            raise ValueError(f"{called} is the class and has {len(classes):,} different numbers in {rows:,} rows, such "
                             f"as {self._often()}: amounts, so this is a regression, which is not done here; name the "
                             f"class{others()}: data.target=, or put the amounts into classes")
        if len(classes) > max(50, rows // 2):
            raise ValueError(f"{called} is the class and has {len(classes):,} values in {rows:,} rows: it is no class; "
                             f"name the class{others()}: data.target=")

    def numeric(self, mark: str) -> bool:
        """Whether every label is a number."""
        return all(exact(text, mark) is not None for text in self.texts)

    def _often(self) -> str:
        texts = list(self.texts)
        return ", ".join(texts[code] for code, _ in Counter(self.codes).most_common(3) if code >= 0)


def amounts(values: Sequence[float], rows: int) -> bool:
    """Whether different values, of a column of so many rows, are amounts rather than the numbers of classes.

    They are where they have fractions and are more than ten, or hardly repeat, or are many and not simply 0 or 1 to K.
    """
    if len(values) > 10 and (any(not value.is_integer() for value in values) or rows < REPEATED * len(values)):
        return True
    first = min(values)
    counted = first in (0, 1) and sorted(values) == [first + k for k in range(len(values))]
    return len(values) > LEVELS and not counted


def _nothing(where: str, text: str) -> str:
    if not text:
        return f"{where}: the class is empty; fill it, or leave such rows out: data.missing=drop"
    return (f"{where}: the class is {text!r}, which says nothing; fill it, leave such rows out (data.missing=drop), or "
            "take it for a name of a class: data.na_words=false")
