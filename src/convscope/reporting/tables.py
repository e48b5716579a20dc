"""Tables: raw numbers beside their display text; written as csv, markdown and LaTeX, rendered for a terminal."""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.runs import write_text

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "not run"
SENTENCE = 60  # characters from which on a cell is a sentence, not a number
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\|*<`"} | {"\n": " "})
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "±": r"$\pm$", "−": "$-$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "·": r"$\cdot$",
    "<": "$<$", ">": "$>$", "|": r"\textbar{}", "\n": " ",
})


@dataclass(frozen=True)
class Table:
    """`values` are the raw numbers (the csv), `text` what a reader sees of them, `bold` which cells stand out.

    `text` has the index of `values` and the same columns, or fewer: a column that only `values` has goes into the csv
    alone. `bold` has the shape of `text`. Without `text` the values are shown as they are; NaN reads "not run".
    """

    name: str
    caption: str
    values: "pd.DataFrame"
    text: "pd.DataFrame | None" = None
    bold: "pd.DataFrame | None" = None
    index_name: str = ""

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("/\\ "):
            raise ValueError(f"a table's name is a file's name without spaces or slashes, got {self.name!r}")
        if not self.values.columns.is_unique or not self.values.index.is_unique:
            raise ValueError(f"{self.name}: rows and columns need names of their own, merge or rename the doubled ones")
        rows, shown, bold = self.values.index, self.shown, self.bold
        if not (shown.index.equals(rows) and set(shown) <= set(self.values)):
            raise ValueError(f"{self.name}: text must have the rows of values and columns of values, got {list(shown)}")
        if bold is not None and not (bold.index.equals(rows) and bold.columns.equals(shown.columns)):
            raise ValueError(f"{self.name}: bold must have the rows and columns that are shown, got {list(bold)}")

    @property
    def shown(self) -> "pd.DataFrame":
        """The frame that a reader sees."""
        return self.values if self.text is None else self.text

    @property
    def levels(self) -> list[str]:
        """Headings of the index, one per level."""
        given = [str(name or "") for name in self.values.index.names]
        return [self.index_name] if len(given) == 1 and self.index_name else given

    @property
    def headings(self) -> list[str]:
        """Headings of the index (one per level) and of the shown columns."""
        return [*self.levels, *map(str, self.shown)]

    def cells(self) -> list[list[str]]:
        """The shown lines as texts, index first."""
        shown = self.shown
        return [[*map(str, _labels(label)), *(_show(value) for value in line)]
                for label, line in zip(shown.index, shown.itertuples(index=False, name=None), strict=True)]

    def emphasis(self) -> list[list[bool]]:
        """Which of `cells` are bold."""
        plain = [False] * len(self.levels)
        if self.bold is None:
            return [[False] * len(self.headings) for _ in self.values.index]
        return [[*plain, *map(bool, line)] for line in self.bold.itertuples(index=False, name=None)]


def percent(mean: float | None, sem: float | None = None, n: int | None = None, *, digits: int = 1) -> str:
    """A fraction as a percentage: "83.4 ± 0.4" (standard error), "83.4" for one seed, "not run" for None or NaN.

    `n` is the number of seeds: 0 is not run, 1 has no error; None shows an error wherever there is one.
    """
    return number(_times(mean, 100), _times(sem, 100), n, digits=digits)


def number(mean: float | None, sem: float | None = None, n: int | None = None, *, digits: int = 3) -> str:
    """As `percent`, for a number in its own unit."""
    if mean is None or math.isnan(mean) or n == 0:
        return NOT_RUN
    text = _fixed(mean, digits)
    return text if sem is None or math.isnan(sem) or n == 1 else f"{text} ± {_fixed(sem, digits)}"


def grid(frame: "pd.DataFrame", *, name: str, caption: str, rows: str = "model", columns: str = "method",
         row_order: Sequence[Any] | None = None, column_order: Sequence[Any] | None = None, index_name: str = "",
         show: Callable[[float | None, float | None, int | None], str] = percent, best: bool = True) -> Table:
    """Table of means from lines of `aggregate.over_seeds`, one per cell; the best (largest) of each column is bold.

    The orders say which rows and columns there are and may name some that were not run; without them, the order of
    `frame`. Cells are compared as shown: those that read the same are all best. Raises ValueError where two
    lines fall into one cell.
    """
    import pandas as pd

    doubled = frame.duplicated([rows, columns])
    if doubled.any():
        line = frame[doubled].iloc[0]
        raise ValueError(f"{name}: expected one line per {rows} and {columns}, got several for {line[rows]} and "
                         f"{line[columns]}: select a split, metric and axis first")
    index = list(dict.fromkeys(frame[rows]) if row_order is None else row_order)
    heads = list(dict.fromkeys(frame[columns]) if column_order is None else column_order)
    keys = zip(frame[rows], frame[columns], strict=True)
    found = dict(zip(keys, zip(frame["mean"], frame["sem"], frame["n_seeds"], strict=True), strict=True))
    missing = (math.nan, math.nan, 0)
    values = pd.DataFrame([[found.get((r, c), missing)[0] for c in heads] for r in index], index, heads, dtype=float)
    text = pd.DataFrame([[show(*found.get((r, c), missing)) for c in heads] for r in index], index, heads, dtype=object)
    shown = values.map(lambda v: _leading(show(v, None, None)))
    return Table(name, caption, values, text, shown.eq(shown.max()) if best else None, index_name or rows)


def paper_table(name: str, caption: str, frame: "pd.DataFrame", *, index_name: str = "",
                show: Callable[..., str] = percent) -> Table:
    """Table paper / ours (mean ± sem, n seeds) / difference from a frame with the columns paper, mean, sem, n_seeds.

    A cell without a paper's value, or not run, is NaN in `frame`. The difference is ours - paper. The csv also has sem
    and n_seeds.
    """
    import pandas as pd

    values = pd.DataFrame({
        "paper": frame["paper"], "ours": frame["mean"], "difference": (frame["mean"] - frame["paper"]).round(12),
        "sem": frame["sem"], "n_seeds": frame["n_seeds"].fillna(0).astype(int)}, index=frame.index)
    lines = zip(values["ours"], values["sem"], values["n_seeds"], strict=True)
    text = pd.DataFrame({
        "paper": ["–" if math.isnan(p) else show(p) for p in values["paper"]],
        "ours": [_seeds(show(*line), line[2]) for line in lines],
        "difference": ["–" if math.isnan(d) else _signed(show(d)) for d in values["difference"]]}, index=frame.index)
    return Table(name, caption, values, text, None, index_name)


def write(table: Table, folder: Path) -> list[Path]:
    """The files <name>.csv (raw values), .md and .tex (display text) in `folder`."""
    csv = table.values.to_csv(index_label=table.levels, lineterminator="\n")
    contents = {"csv": csv, "md": markdown(table), "tex": latex(table)}
    paths = [folder / f"{table.name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_text(path, content)
    return paths


def markdown(table: Table) -> str:
    """GitHub markdown: the table, then its caption."""
    levels = len(table.levels)
    heads = [head.translate(_MARKDOWN) for head in table.headings]
    lines = [heads, [":---"] * levels + ["---:"] * (len(heads) - levels), *_marked(table, _MARKDOWN, "**{}**")]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{body}\n\n{table.caption.translate(_MARKDOWN)}\n"


def latex(table: Table) -> str:
    """A floating booktabs table with caption and the label tab:<name>, scaled to the line where it has many columns."""
    levels, columns = len(table.levels), len(table.headings)
    wide, alignment = columns > 7, "l" * levels + "r" * (columns - levels)
    lines = [[head.translate(_LATEX) for head in table.headings], *_marked(table, _LATEX, r"\textbf{{{}}}")]
    heads, *body = ["    " + " & ".join(line) + r" \\" for line in lines]
    return "\n".join([
        r"% needs \usepackage{booktabs" + (",graphicx}" if wide else "}"),
        r"\begin{table}[t]",
        r"  \centering",
        rf"  \caption{{{table.caption.translate(_LATEX)}}}",
        rf"  \label{{tab:{table.name}}}",
        (r"  \resizebox{\linewidth}{!}{" if wide else "  ") + rf"\begin{{tabular}}{{{alignment}}}",
        r"    \toprule", heads, r"    \midrule", *body, r"    \bottomrule",
        r"  \end{tabular}" + ("}" if wide else ""),
        r"\end{table}", ""])


def _marked(table: Table, escapes: dict[int, str], strong: str) -> list[list[str]]:
    """Cells with their special characters escaped and the bold ones put into the template `strong`."""
    return [[strong.format(cell.translate(escapes)) if bold else cell.translate(escapes)
             for cell, bold in zip(cells, flags, strict=True)]
            for cells, flags in zip(table.cells(), table.emphasis(), strict=True)]


def render(table: Table, *, width: int = 120, ansi: bool = False) -> str:
    """Aligned text for a terminal of `width` columns: headings wrapped, bold by ANSI codes where `ansi`.

    A table that is too wide first loses the spaces around ±, then shows its columns in several blocks. One of
    sentences shows its rows one below the other.
    """
    levels, cells, heads = len(table.levels), table.cells(), table.headings
    if any(len(cell) > SENTENCE for line in cells for cell in line[levels:]):
        return _stacked(table, width)
    if _total(_widths(heads, cells), 2) > width:
        cells = [[c.replace(" ± ", "±") for c in line] for line in cells]
    gap = 2 if _total(_widths(heads, cells), 2) <= width else 1
    widths = _widths(heads, cells)
    blocks, block = [], list(range(levels))
    for column in range(levels, len(heads)):
        if len(block) > levels and _total([widths[i] for i in [*block, column]], gap) > width:
            blocks.append(block)
            block = list(range(levels))
        block.append(column)
    blocks.append(block)
    bold = table.emphasis() if ansi else [[False] * len(heads) for _ in cells]
    parts = ["\n".join(_block(heads, cells, bold, widths, chosen, levels, gap)) for chosen in blocks]
    return textwrap.fill(table.caption, width) + "\n\n" + "\n\n".join(parts) + "\n"


def _stacked(table: Table, width: int) -> str:
    """Each row as a paragraph: its name, then every column's heading and text."""
    levels, heads = len(table.levels), table.headings
    left = 2 + max(map(len, heads[levels:]))
    parts = []
    for line in table.cells():
        fields = [textwrap.fill(cell, width, initial_indent=f"  {head}".ljust(left + 2),
                                subsequent_indent=" " * (left + 2))
                  for head, cell in zip(heads[levels:], line[levels:], strict=True)]
        parts.append("\n".join([", ".join(line[:levels]), *fields]))
    return "\n\n".join([textwrap.fill(table.caption, width), *parts]) + "\n"


def _block(heads: list[str], cells: list[list[str]], bold: list[list[bool]], widths: list[int], chosen: list[int],
           levels: int, gap: int) -> list[str]:
    """Lines of one block of columns: wrapped headings (aligned at the bottom), a rule, the cells."""
    wrapped = {i: _wrap(heads[i], widths[i]) for i in chosen}
    height = max(map(len, wrapped.values()))
    plain = [False] * len(heads)
    tops = [[([""] * (height - len(wrapped[i])) + wrapped[i])[r] if i in wrapped else "" for i in range(len(heads))]
            for r in range(height)]
    lines = [(top, plain) for top in tops] + [(["─" * width for width in widths], plain)]
    return [(" " * gap).join(_pad(line[i], widths[i], i < levels, flags[i]) for i in chosen).rstrip()
            for line, flags in [*lines, *zip(cells, bold, strict=True)]]


def _pad(text: str, width: int, left: bool, strong: bool) -> str:
    padded = text.ljust(width) if left else text.rjust(width)
    return padded.replace(text, f"\x1b[1m{text}\x1b[0m") if strong and text else padded


def _widths(heads: list[str], cells: list[list[str]]) -> list[int]:
    """Each column as wide as its longest cell or the longest word of its heading."""
    return [max([1, *map(len, _pieces(head)), *(len(line[i]) for line in cells)]) for i, head in enumerate(heads)]


def _total(widths: list[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _pieces(head: str) -> list[str]:
    """Pieces of a heading that stay together: it may break at a space or after an underscore."""
    return head.replace("_", "_ ").split()


def _wrap(head: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in head.split():
        glue = " "
        for piece in _pieces(word):
            if lines and len(lines[-1] + glue + piece) <= width:
                lines[-1] += glue + piece
            else:
                lines.append(piece)
            glue = ""
    return lines or [""]


def _labels(label: Any) -> tuple[Any, ...]:
    return label if isinstance(label, tuple) else (label,)


def _show(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOT_RUN
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fixed(value: float, digits: int) -> str:
    """Fixed decimals, without the minus sign of a value that rounds to zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _leading(text: str) -> float:
    return math.nan if text == NOT_RUN else float(text.split()[0])


def _signed(text: str) -> str:
    return "−" + text[1:] if text.startswith("-") else text if float(text) == 0 else "+" + text


def _seeds(text: str, n: int) -> str:
    return text if text == NOT_RUN else f"{text} ({n} seed{'s' if n > 1 else ''})"
