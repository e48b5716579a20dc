"""What a user may say of a table, and the words that usually stand for nothing."""

from typing import Any, NamedTuple

from convscope.data.numbers import MARKS, number

NOTHING = frozenset(("", "?", ".", "na", "n/a", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "+nan", "nat", "null",
                     "nil", "none", "n.a.", "--", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "#div/0!", "#value!",
                     "#ref!", "#name?", "#num!", "#null!"))


class Settings(NamedTuple):
    """The parameters of `data.table.load`, which says what each is."""

    test_fraction: float = 0.2
    split_seed: int = 0
    target: str | int = -1
    drop: tuple[str | int, ...] | None = None
    categories: tuple[str | int, ...] = ()
    missing: str = "refuse"
    na: tuple[str | int | float, ...] = ()
    na_words: bool = True
    alike: str = "refuse"
    decimal: str = "auto"
    delimiter: str = "auto"
    encoding: str = "utf-8"
    heading: bool | None = None
    skip: int = 0

    @property
    def mark(self) -> str:
        """The decimal mark, or empty where the cells have to tell."""
        return MARKS[self.decimal]

    @property
    def reading(self) -> dict[str, Any]:
        """What `csv_rows.read` is told."""
        return {"delimiter": self.delimiter, "decimal": self.decimal, "encoding": self.encoding, "skip": self.skip}

    def nothing(self, text: str) -> bool:
        """Whether a cell stands for a missing value: empty, one of the usual words, or one of `na`."""
        text = text.strip()
        if not text or (self.na_words and text.casefold() in NOTHING) or text in self.na:
            return True
        return bool(self.na) and (value := number(text, self.mark)) is not None and value in self.na
