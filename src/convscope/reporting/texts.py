"""Sheets of texts, every character on the colour of its heat: what a network reads, as a figure or as a web page."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from textwrap import fill
from unicodedata import category

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Patch, Rectangle

from convscope.reporting import theme

SPACE, NEWLINE, UNKNOWN, CUT = "·", "⏎", "▯", "…"
HOT = 0.2  # the share of the largest |heat| from which on a space is drawn
LEGEND = {"for the predicted class": 0.7, "against it": -0.7, "written by the signal": 0.0}
POINTS, CELL, LINE = 7.5, 0.064, 0.172  # size of a character; inches from one to the next, and to the next line
CLASSES = {"white": "w", theme.MUTED: "f", theme.INK: ""}  # of a character's colour, in the web page
LEAST = 58  # cells: room for the legend


@dataclass(frozen=True, eq=False)
class TextPanel:
    """One text of a sheet: `heat` [len(text)] is signed, `marked` are the positions (from 0) that a signal wrote.

    Raises ValueError where the heat is not one finite number per character, or a marked position is not in the text.
    """

    title: str
    text: str
    heat: np.ndarray
    marked: Collection[int] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        name, heat = self.title or "a text", np.asarray(self.heat)
        if heat.shape != (len(self.text),):
            raise ValueError(f"{name}: heat must be one number for each of the {len(self.text)} characters, "
                             f"got shape {list(heat.shape)}")
        if not np.isfinite(heat).all():
            raise ValueError(f"{name}: heat must be finite, got {heat[~np.isfinite(heat)][0]} at position "
                             f"{int(np.argmin(np.isfinite(heat)))}")
        outside = [p for p in self.marked if not 0 <= p < len(self.text)]
        if outside:
            raise ValueError(f"{name}: marked positions must be in 0..{len(self.text) - 1}, got {outside[0]}")


@dataclass(frozen=True)
class _Shown:
    """The n characters of a panel that are shown, as they are shown, and a note on the others."""

    title: str
    caption: str
    glyphs: str
    heat: np.ndarray    # [n] as given
    scaled: np.ndarray  # [n] in -1..1: by the largest |heat| of the whole text
    marked: np.ndarray  # bool [n]
    cut: str
    note: str

    @property
    def inks(self) -> list[str]:
        """Colours [n]: fainter where a sign stands for a character rather than being it."""
        inks = theme.inks(theme.DIVERGING(0.5 + self.scaled / 2))
        return [theme.MUTED if ink == theme.INK and glyph in SPACE + NEWLINE + UNKNOWN else ink
                for ink, glyph in zip(inks, self.glyphs, strict=True)]

    @property
    def cells(self) -> Iterator[tuple[str, float, str, str]]:
        """Of each character: what is shown, its heat, the colour of its ground, and its classes in the web page."""
        grounds = map(to_hex, theme.DIVERGING(0.5 + self.scaled / 2))
        looks = [("m " * bool(mark) + CLASSES[ink]).strip() for ink, mark in zip(self.inks, self.marked, strict=True)]
        return zip(self.glyphs, self.heat.tolist(), grounds, looks, strict=True)


@theme.styled()
def text_sheet(rows: Sequence[Sequence[TextPanel]], *, columns: Sequence[str] = (), title: str = "", width: int = 64,
               max_characters: int = 320) -> Figure:
    """Rows of texts (one row per signal) in `columns` (clean, encoded), folded at `width` characters per line.

    A character's background is its heat over the text's largest |heat|: orange for, blue against; marked positions are
    outlined. A newline is drawn as ⏎, a space as · where it is marked or hot, what the font lacks as ▯. Spaces after a
    text's end are left out, longer texts end in an ellipsis, and a note says how much of the heat is not shown.
    Raises ValueError without a text, or where columns are not as many as the longest row's texts.
    """
    shown = _all_shown(rows, columns, width, max_characters)
    most = max(map(len, shown))
    width = min(width, max(1, *(len(one.glyphs) for row in shown for one in row)))
    room = max(width, LEAST // most)
    lines = [max((math.ceil(len(one.glyphs) / width) for one in row), default=0) or 1 for row in shown]
    figure = Figure(layout="constrained")
    grid = figure.subplots(len(rows), most, squeeze=False, height_ratios=lines)
    words = 0.0
    for axes_of_row, row, n in zip(grid, shown, lines, strict=True):
        for axes in axes_of_row[len(row):]:
            axes.remove()
        for axes, one, column in zip(axes_of_row, row, columns or most * [""], strict=False):
            _draw(axes, one, width)
            axes.set(xlim=(0, room), ylim=(n, 0))
            axes.set_title(fill(one.title + f" ({column})" * bool(column), int(0.8 * room)))
            notes = [fill(text, int(1.1 * room)) for text in (one.caption, one.note) if text]
            axes.set_xlabel("\n".join(notes), loc="left", fontsize=7.5, color=theme.MUTED)
        words += max(0.3 + 0.13 * (axes.get_title() + axes.get_xlabel()).count("\n") for axes in axes_of_row)
    figure.set_size_inches(most * (room * CELL + 0.15) + 0.1, LINE * sum(lines) + words + 0.2 * len(rows))
    patches = [Patch(facecolor=theme.DIVERGING(0.5 + shade / 2), edgecolor="none" if shade else theme.ACCENT)
               for shade in LEGEND.values()]
    theme.legend(figure, patches, list(LEGEND))
    return theme.headline(figure, title)


def html_page(rows: Sequence[Sequence[TextPanel]], *, columns: Sequence[str] = (), title: str = "", width: int = 64,
              max_characters: int = 320) -> str:
    """The sheet of `text_sheet` as one html page without scripts or other files; it folds to narrow screens.

    Every character is a span whose tooltip says its position (from 1) and heat. Texts are escaped: none can add markup.
    """
    from jinja2 import Environment

    shown = _all_shown(rows, columns, width, max_characters)
    page = Environment(autoescape=True, trim_blocks=True).from_string(
        Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    legend = [(text, to_hex(theme.DIVERGING(0.5 + shade / 2)), not shade) for text, shade in LEGEND.items()]
    return page.render(rows=shown, columns=columns, title=title, width=width, most=max(map(len, shown)), theme=theme,
                       legend=legend) + "\n"


def _all_shown(rows: Sequence[Sequence[TextPanel]], columns: Sequence[str], width: int,
               max_characters: int) -> list[list[_Shown]]:
    """What is shown of every panel of a sheet that can be drawn."""
    most = max(map(len, rows), default=0)
    if not most:
        raise ValueError("a sheet of texts needs at least one text, got none")
    if columns and len(columns) != most:
        raise ValueError(f"columns must name the {most} texts of a row, got {len(columns)}: {', '.join(columns)}")
    if min(width, max_characters) < 1:
        raise ValueError(f"width and max_characters must be at least 1, got {width} and {max_characters}")
    return [[_shown(panel, max_characters) for panel in row] for row in rows]


def _shown(panel: TextPanel, max_characters: int) -> _Shown:
    """What is shown of a text: up to its last character or mark, and at most so many."""
    end = max(len(panel.text.rstrip(" ")), max(panel.marked, default=-1) + 1)
    n = min(end, max_characters)
    heat = np.asarray(panel.heat, dtype=np.float64)
    size = np.abs(heat)
    scaled = heat[:n] / (size.max(initial=0) or 1)
    marked = np.isin(np.arange(n), list(panel.marked))
    glyphs = "".join(SPACE if c == " " and (m or abs(s) >= HOT) else _glyph(c)
                     for c, s, m in zip(panel.text, scaled, marked, strict=False))
    share = size[n:].sum() / (size.sum() or 1)
    hidden = sum(p >= n for p in panel.marked)
    kind = "character" if end > n else "space"
    note = f"not shown: {len(heat) - n} {kind}{'s' * (len(heat) - n != 1)}{' after the end' * (end <= n)} " \
           f"with {100 * share:.0f} % of the heat"
    note += f", {hidden} of them written by the signal" * bool(hidden)
    return _Shown(panel.title, panel.caption, glyphs, heat[:n], scaled, marked, CUT * (end > n),
                  note if end > n or not n or share >= 0.005 else "")


def _glyph(character: str) -> str:
    """The character where the font has it in one cell, else its sign."""
    if character == "\n":
        return NEWLINE
    # Controls, marks that combine with the character before, separators other than the space.
    if character != " " and (category(character)[0] in "CMZ" or ord(character) not in _known()):
        return UNKNOWN
    return UNKNOWN if character == "\ufffd" else character


@cache
def _known() -> frozenset[int]:
    """The characters of DejaVu Sans Mono, which comes with matplotlib."""
    return frozenset(FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSansMono.ttf").get_charmap())


def _draw(axes: Axes, one: _Shown, width: int) -> None:
    """The characters in cells of 1 x 1, and frames around runs of marked ones, each within its line."""
    import seaborn as sns  # a second to import, and panels are made where nothing is drawn

    n = len(one.glyphs)
    empty = (0, -n % width)
    heat, glyphs = np.pad(one.scaled, empty, constant_values=np.nan), np.pad(np.array(list(one.glyphs), str), empty)
    if n:
        sns.heatmap(heat.reshape(-1, width), vmin=-1, vmax=1, cmap=theme.DIVERGING, cbar=False, xticklabels=False,
                    yticklabels=False, annot=glyphs.reshape(-1, width), fmt="", ax=axes,
                    annot_kws={"fontfamily": "DejaVu Sans Mono", "fontsize": POINTS, "va": "center_baseline"})
    for text, ink in zip(axes.texts, one.inks, strict=True):
        text.set(color=ink, in_layout=False)
    axes.text((n - 1) % width + 1, (n - 1) // width + 0.5, one.cut, ha="left", va="center", color=theme.MUTED)
    for (line, marked), run in groupby(range(n), lambda i: (i // width, one.marked[i])):
        if marked:
            first, *rest = run
            for colour, thickness in (("white", 2.4), (theme.ACCENT, 1.2)):
                axes.add_patch(Rectangle((first % width, line), 1 + len(rest), 1, fill=False, edgecolor=colour,
                                         linewidth=thickness, clip_on=False))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
