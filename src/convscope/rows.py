"""One measurement is one row; a table of rows is all that reports need."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from convscope import printable

TEXTS = ("study", "run_id", "data", "split", "model", "method", "condition", "metric", "unit")


@dataclass(frozen=True)
class Row:
    """`value` is a finite number in `unit`; `n` is how many samples it was measured on.

    `axes` is what a sweep may vary inside a method, e.g. `{"amplitude": 0.01}`: flat, numbers, texts and booleans.
    """

    study: str
    run_id: str
    data: str
    split: str
    model: str
    method: str
    condition: str
    axes: Mapping[str, float | int | str | bool] = field(hash=False)
    seed: int
    metric: str
    value: float
    unit: str
    n: int

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not math.isfinite(self.value):
            raise ValueError(f"{self.metric} of {self.method} with {self.model} must be a finite number, "
                             f"got {self.value!r}")
        if not isinstance(self.axes, Mapping):
            raise ValueError(f"axes must be a flat mapping, got {self.axes!r:.80}")
        nested = [k for k, v in self.axes.items() if not isinstance(v, (int, float, str, bool))
                  or (not isinstance(v, str) and not abs(v) < math.inf)]
        if nested:
            raise ValueError(f"axes must be flat and finite, got {nested[0]}={self.axes[nested[0]]!r:.80}")
        texts = {name: getattr(self, name) for name in TEXTS}
        steering = [name for name, text in texts.items() if not text.isprintable() or printable.formula(text)]
        if steering:  # a terminal or a spreadsheet would do what it says
            raise ValueError(f"{steering[0]} must be a plain text, got {texts[steering[0]]!r:.80}")

    @property
    def cell(self) -> tuple[Any, ...]:
        """What this row measures, without which run measured it: two rows of one cell are two tries at it."""
        return (self.study, self.data, self.model, self.method, self.condition, _flat(self.axes), self.seed)


COLUMNS = tuple(f.name for f in fields(Row))


def to_csv(rows: Iterable[Row]) -> str:
    """Rows as csv text with a header; floats keep every digit."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        axes = json.dumps(dict(row.axes), sort_keys=True)
        writer.writerow({**asdict(row), "axes": axes, "value": repr(float(row.value))})
    return out.getvalue()


def read_csv(path: Path) -> list[Row]:
    """The rows of a file that `to_csv` wrote; raises ValueError with the line number of a damaged one."""
    with path.open(newline="", encoding="utf-8") as file:
        reader, rows = csv.reader(file), []
        try:
            head = next(reader, None)
            if head is None or tuple(head) != COLUMNS:
                found = "an empty file" if head is None else ",".join(head)[:200]
                raise ValueError(f"{path}: expected the columns {','.join(COLUMNS)}, got {found}")
            for cells in reader:
                try:
                    rows.append(_row(cells))
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"{path}, line {reader.line_num}: not a row: {error}") from None
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num + 1}: no csv: {error}") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: no csv in UTF-8: {error}") from None
    return rows


def merge(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """Old and new rows; where both measured a cell, the new ones stand. Sorted, so that order says nothing."""
    new = list(new)
    replaced = {row.cell for row in new}
    kept = [row for row in old if row.cell not in replaced]
    return sorted(kept + new, key=lambda row: (*map(str, row.cell[:-1]), row.seed, row.split, row.metric))


def _row(cells: list[str]) -> Row:
    """A row of the cells of one line; raises ValueError."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} cells, got {len(cells)}")
    line = dict(zip(COLUMNS, cells, strict=True))
    return Row(**{**line, "axes": json.loads(line["axes"]), "seed": int(line["seed"]), "value": float(line["value"]),
                  "n": int(line["n"])})  # pyright: ignore[reportArgumentType]


def _flat(axes: Mapping[str, Any]) -> str:
    """Canonical text of axes: 0 and 0.0 are one value."""
    return json.dumps({k: float(v) if type(v) is int else v for k, v in axes.items()}, sort_keys=True)
