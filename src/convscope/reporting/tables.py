"""Tables: raw numbers beside their display text; csv, markdown and LaTeX by pandas, in a terminal by rich."""

import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope import printable
from convscope.runs import write_text

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable

NOT_RUN = "not run"
SENTENCE = 30  # characters beyond which a cell is a sentence, not a number: it may be wrapped, and is flush left
WIDE = 7  # columns beyond which a LaTeX table is scaled to the line
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\|*<`[]"} | {"\n": " "})
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_{}"}, **{c: f"{{{c}}}" for c in "[]*"},  # \\ takes a star or bracket that follows
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
        if not self.name or set(self.name) & set("/\\ #%{}()[]") or not self.name.isprintable():
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

    @property
    def sides(self) -> list[str]:
        """To which side each column is flush: the index and sentences "left", numbers "right"."""
        widest = [max((len(line[i]) for line in self.cells()), default=0) for i in range(len(self.headings))]
        return ["left" if i < len(self.levels) or width > SENTENCE else "right" for i, width in enumerate(widest)]

    def cells(self) -> list[list[str]]:
        """The shown lines as texts, index first."""
        lines = zip(self.shown.index, self.shown.itertuples(index=False, name=None), strict=True)
        return [[*map(str, label if isinstance(label, tuple) else (label,)), *map(_show, line)]
                for label, line in lines]

    def emphasis(self) -> list[list[bool]]:
        """Which of `cells` are bold."""
        bold = self.shown.map(lambda _: False) if self.bold is None else self.bold
        return [[False] * len(self.levels) + [*map(bool, line)] for line in bold.itertuples(index=False, name=None)]


def percent(mean: float | None, sem: float | None = None, n: int | None = None, *, digits: int = 1) -> str:
    """A fraction as a percentage: "83.4 ± 0.4" (standard error), "83.4" for one seed, "not run" for None or NaN.

    `n` is the number of seeds: 0 is not run, 1 has no error; None shows an error wherever there is one.
    """
    return number(None if mean is None else mean * 100, None if sem is None else sem * 100, n, digits=digits)


def number(mean: float | None, sem: float | None = None, n: int | None = None, *, digits: int = 3) -> str:
    """As `percent`, for a number in its own unit."""
    if mean is None or math.isnan(mean) or n == 0:
        return NOT_RUN
    text = f"{mean:z.{digits}f}"
    return text if sem is None or math.isnan(sem) or n == 1 else f"{text} ± {sem:z.{digits}f}"


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
    cells = pd.DataFrame([[found.get((r, c), (math.nan, math.nan, 0)) for c in heads] for r in index], index, heads,
                         dtype=object)
    values, text = cells.map(lambda cell: cell[0]).astype(float), cells.map(lambda cell: show(*cell)).astype(object)
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
    csv = _unsteering(table.values).to_csv(index_label=[*map(_cell, table.levels)], lineterminator="\n")
    contents = {"csv": csv, "md": markdown(table), "tex": latex(table)}
    paths = [folder / f"{table.name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_text(path, content)
    return paths


def markdown(table: Table) -> str:
    """GitHub markdown: the table, then its caption."""
    caption = printable.line(table.caption).translate(_MARKDOWN)
    return f"{pipes(_escaped(table, _MARKDOWN, '**{}**'), table.sides)}\n\n{caption}\n"


def escaped(text: str) -> str:
    """A text as markdown shows it, on one line, whatever it holds."""
    return " ".join(printable.line(text).split()).translate(_MARKDOWN | {ord(c): f"\\{c}" for c in "[]#>_"})


def pipes(frame: "pd.DataFrame", sides: Sequence[str]) -> str:
    """A frame of escaped texts as GitHub markdown, each column flush "left" or "right"."""
    return frame.to_markdown(index=False, tablefmt="pipe", disable_numparse=True, colalign=sides)


def latex(table: Table) -> str:
    """A floating booktabs table with caption and the label tab:<name>, scaled to the line where it has many columns."""
    frame = _escaped(table, _LATEX, r"\textbf{{{}}}")
    text = frame.style.hide(axis="index").to_latex(
        hrules=True, position="t", position_float="centering", caption=printable.line(table.caption).translate(_LATEX),
        label=f"tab:{table.name}", column_format="".join(side[0] for side in table.sides))
    if wide := len(frame.columns) > WIDE:
        text = text.replace(r"\begin{tabular}", r"\resizebox{\linewidth}{!}{\begin{tabular}")
        text = text.replace(r"\end{tabular}", r"\end{tabular}}")
    return r"% needs \usepackage{booktabs" + (",graphicx}\n" if wide else "}\n") + text


def _escaped(table: Table, escapes: dict[int, str], strong: str) -> "pd.DataFrame":
    """What a reader sees, index first, its special characters escaped and bold cells put into the template `strong`."""
    import pandas as pd

    def escaped(text: str) -> str:
        return printable.line(text).translate(escapes)

    lines = [[strong.format(escaped(cell)) if bold else escaped(cell)
              for cell, bold in zip(cells, flags, strict=True)]
             for cells, flags in zip(table.cells(), table.emphasis(), strict=True)]
    return pd.DataFrame(lines, columns=[escaped(head) for head in table.headings], dtype=object)


def render(table: Table, *, width: int = 120, ansi: bool = False) -> str:
    """Aligned text for a terminal of `width` columns: headings and sentences wrapped, bold by ANSI codes where `ansi`.

    A table that is too wide first loses spaces, then shows its columns in several blocks.
    """
    from rich.console import Console
    from rich.measure import Measurement
    from rich.text import Text

    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=ansi, color_system="standard" if ansi else None)

    def fits(chosen: list[int]) -> bool:
        options = console.options.update(width=10_000)  # within `width` every table would fit
        return Measurement.get(console, options, _drawn(table, chosen, tight)).minimum <= width

    levels, rest, tight = list(range(len(table.levels))), list(range(len(table.headings))), False
    tight = not fits(rest)
    console.print(Text(printable.line(table.caption)))
    while rest:
        n = len(levels) + 1
        while n < len(rest) and fits(rest[:n + 1]):
            n += 1
        console.print("", _drawn(table, rest[:n], tight), sep="\n")
        rest = levels + rest[n:] if rest[n:] else []
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def _drawn(table: Table, chosen: list[int], tight: bool) -> "RichTable":
    """The chosen columns, as wide as their cells, those of sentences at least SENTENCE."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, int(not tight), 0, 0),
                      header_style="")
    between = "±" if tight else " ± "
    lines = [[Text.assemble((re.sub(r"(?<=\d) ± ", between, printable.line(line[i])), "bold" * flags[i]))
              for i in chosen] for line, flags in zip(table.cells(), table.emphasis(), strict=True)]
    sides, swap = table.sides, str.maketrans("_-", "-_")  # a heading is broken after underscores, textwrap at hyphens
    for i, *cells in zip(chosen, *lines, strict=True):
        width = max((cell.cell_len for cell in cells), default=0)
        head = textwrap.fill(printable.line(table.headings[i]).translate(swap), max(width, 1), break_long_words=False)
        drawn.add_column(Text(head.translate(swap)), min_width=min(width, SENTENCE), overflow="fold",
                         justify="left" if sides[i] == "left" else "right")
    for line in lines:
        drawn.add_row(*line)
    return drawn


def _unsteering(values: "pd.DataFrame") -> "pd.DataFrame":
    """The values, their texts and names as a spreadsheet shows them rather than computes them."""
    found = values.map(_cell)
    found.columns = found.columns.map(_cell)
    found.index = found.index.map(lambda label: tuple(map(_cell, label)) if isinstance(label, tuple) else _cell(label))
    found.index.names = values.index.names
    return found


def _cell(value: Any) -> Any:
    return printable.cell(value) if isinstance(value, str) else value


def _show(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOT_RUN
    return f"{value:g}" if isinstance(value, float) else str(value)


def _leading(text: str) -> float:
    return math.nan if text == NOT_RUN else float(text.split()[0])


def _signed(text: str) -> str:
    return "−" + text[1:] if text.startswith("-") else text if float(text) == 0 else "+" + text


def _seeds(text: str, n: int) -> str:
    return text if text == NOT_RUN else f"{text} ({n} seed{'s' if n > 1 else ''})"
