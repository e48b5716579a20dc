"""Sheets of texts, every character on the colour of its heat: what a network reads, as a figure or as a web page."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any
from unicodedata import category

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform

from convscope.reporting.figures import ACCENT, DIVERGING, INK, MUTED, styled

SPACE, NEWLINE, UNKNOWN, CUT = "·", "⏎", "▯", "…"
HOT = 0.2  # the share of the largest |heat| from which on a space is drawn
LEGEND = {"for the predicted class": 0.7, "against it": -0.7, "written by the signal": 0.0}

# A cell is as wide as every character of DejaVu Sans Mono (1233 of 2048 units). Lengths in inches, POINTS in points.
POINTS = 7.5
CELL, LINE, SMALL = POINTS / 72 * 1233 / 2048, POINTS / 72 * 1.65, 0.145  # SMALL: a line of a title or a caption
MARGIN, BETWEEN, BELOW = 0.12, 0.34, 0.2
TITLE = 0.095  # width of a bold letter of the title
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
class _Cells:
    """The n characters of a panel that are shown, as they are shown, and a note on the others."""

    glyphs: str
    heat: np.ndarray    # [n] as given
    scaled: np.ndarray  # [n] in -1..1: by the largest |heat| of the whole text
    marked: np.ndarray  # bool [n]
    cut: bool
    note: str

    @property
    def colours(self) -> np.ndarray:
        """RGBA [n, 4]: blue below 0, white at 0, orange above."""
        return DIVERGING(0.5 + self.scaled / 2)

    @property
    def dark(self) -> np.ndarray:
        """bool [n]: where the background asks for a white character."""
        return self.colours[:, :3] @ (0.299, 0.587, 0.114) < 0.55

    @property
    def faint(self) -> np.ndarray:
        """bool [n]: signs that stand for a character rather than being it."""
        return np.isin(list(self.glyphs), [SPACE, NEWLINE, UNKNOWN])

    def folded(self, width: int) -> int:
        """How many lines of `width` cells they take."""
        return math.ceil(len(self.glyphs) / width)


@styled
def text_sheet(rows: Sequence[Sequence[TextPanel]], *, columns: Sequence[str] = (), title: str = "", width: int = 64,
               max_characters: int = 320) -> Figure:
    """Rows of texts (one row per signal) under `columns` (clean, encoded), folded at `width` characters per line.

    A character's background is its heat over the text's largest |heat|: orange for, blue against; marked positions are
    outlined. A newline is drawn as ⏎, a space as · where it is marked or hot, what the font lacks as ▯. Spaces after a
    text's end are left out, longer texts end in an ellipsis, and a note says how much of the heat is not shown.
    Raises ValueError without a text, or where columns are not as many as the longest row's texts.
    """
    cells = _all_cells(rows, columns, width, max_characters)
    most = max(map(len, rows))
    width = min(width, max(1, *(len(c.glyphs) for row in cells for c in row)))
    room = max(width, LEAST // most)
    # Lines above and below a text, by size: a bold letter is wider than a cell, one of a caption narrower.
    heads = [[[wrap(panel.title, round(0.8 * room)), wrap(panel.caption, room), wrap(shown.note, room)]
              for panel, shown in zip(*row, strict=True)] for row in zip(rows, cells, strict=True)]
    heights = [max((SMALL * sum(map(len, h)) + LINE * c.folded(width) for h, c in zip(*row, strict=True)), default=0)
               for row in zip(heads, cells, strict=True)]
    lefts = [MARGIN + c * (room * CELL + BETWEEN) for c in range(most)]
    across = lefts[-1] + room * CELL + MARGIN
    heading = wrap(title, round(across / TITLE))
    y = MARGIN + 0.18 * len(heading) + 0.08 * bool(title) + 0.24 * bool(columns)
    size = (across, y + sum(heights) + BELOW * len(rows) + 0.16)
    figure = Figure(figsize=size)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))  # in inches from the top left
    page.set_axis_off()
    for i, line in enumerate(heading):
        page.text(MARGIN, MARGIN + 0.18 * i, line, va="top", fontsize=10, fontweight="bold")
    for left, name in zip(lefts, columns, strict=False):
        page.text(left, y - 0.09, name, va="bottom", fontsize=9, color=MUTED)
    drawn: list[tuple[str, float, float, str]] = []
    for r, row in enumerate(cells):
        for left, head, shown in zip(lefts, heads[r], row, strict=False):
            drawn += _panel(page, head, shown, left, y, width)
        y += heights[r] + BELOW
    _write(page, drawn)
    _legend(page, y)
    return figure


def html_page(rows: Sequence[Sequence[TextPanel]], *, columns: Sequence[str] = (), title: str = "", width: int = 64,
              max_characters: int = 320) -> str:
    """The sheet of `text_sheet` as one html page without scripts or other files; it folds to narrow screens.

    Every character is a span whose tooltip says its position (from 1) and heat. Texts are escaped: none can add markup.
    """
    cells = _all_cells(rows, columns, width, max_characters)
    parts = []
    for row, shown in zip(rows, cells, strict=True):
        parts.append('<div class="row">')
        for c, (panel, own) in enumerate(zip(row, shown, strict=True)):
            column = f' <small>{escape(columns[c])}</small>' if columns else ""
            parts += [f"<section><h2>{escape(panel.title)}{column}</h2>", f"<p>{escape(panel.caption)}</p>",
                      f'<div class="text">{_spans(own)}</div>', f"<p>{escape(own.note)}</p></section>"]
        parts.append("</div>")
    legend = " ".join(f'<span style="background:{to_hex(DIVERGING(0.5 + shade / 2))}"{_class(m=not shade)}>'
                      f"&nbsp;&nbsp;</span> {text}&ensp;" for text, shade in LEGEND.items())
    return HTML.format(title=escape(title or "Texts"), heading=f"<h1>{escape(title)}</h1>" if title else "",
                       n=len(max(rows, key=len)), width=width, ink=INK, muted=MUTED, accent=ACCENT, legend=legend,
                       body="\n".join(part for part in parts if part != "<p></p>"))


HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{title}</title>
<style>
body {{ margin: 1.5rem; color: {ink}; background: #fff; font: 15px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 1.25rem; }}
h2 {{ font-size: 1rem; margin: 0; }}
p, small {{ color: {muted}; font-size: .87rem; font-weight: normal; margin: .1rem 0; }}
.row {{ display: grid; grid-template-columns: repeat({n}, minmax(0, {width}ch)); gap: 2rem; margin-bottom: 1.5rem;
       font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
h2, section > p {{ font-family: system-ui, sans-serif; }}
.text {{ line-height: 1.6; white-space: break-spaces; word-break: break-all; margin: .3rem 0; }}
.text span {{ padding: .12em 0; }}
.w {{ color: #fff; }}
.f {{ color: {muted}; }}
.m {{ box-shadow: inset 0 0 0 1.5px {accent}, inset 0 0 0 2.5px #fff; }}
@media (max-width: 60rem) {{ .row {{ grid-template-columns: minmax(0, {width}ch); gap: 1rem; }} }}
</style>
</head>
<body>
{heading}
{body}
<p>{legend}</p>
</body>
</html>
"""


def _all_cells(rows: Sequence[Sequence[TextPanel]], columns: Sequence[str], width: int,
               max_characters: int) -> list[list[_Cells]]:
    """The cells of every panel of a sheet that can be drawn."""
    most = max(map(len, rows), default=0)
    if not most:
        raise ValueError("a sheet of texts needs at least one text, got none")
    if columns and len(columns) != most:
        raise ValueError(f"columns must name the {most} texts of a row, got {len(columns)}: {', '.join(columns)}")
    if min(width, max_characters) < 1:
        raise ValueError(f"width and max_characters must be at least 1, got {width} and {max_characters}")
    return [[_cells(panel, max_characters) for panel in row] for row in rows]


def _cells(panel: TextPanel, max_characters: int) -> _Cells:
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
    return _Cells(glyphs, heat[:n], scaled, marked, end > n, note if end > n or not n or share >= 0.005 else "")


def _glyph(character: str) -> str:
    """The character where the font has it in one cell, else its sign."""
    if character == "\n":
        return NEWLINE
    # Controls, marks that combine with the character before, separators other than the space.
    if character != " " and (category(character)[0] in "CMZ" or ord(character) not in _font()[1]):
        return UNKNOWN
    return UNKNOWN if character == "\ufffd" else character


@cache
def _font() -> tuple[FontProperties, frozenset[int]]:
    """DejaVu Sans Mono, which comes with matplotlib, and the characters that it has."""
    file = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSansMono.ttf")
    return FontProperties(fname=file), frozenset(FT2Font(str(file)).get_charmap())


@cache
def _outline(glyph: str) -> TextPath:
    return TextPath((0, 0), glyph, size=POINTS, prop=_font()[0])


def _panel(page: Axes, head: list[list[str]], shown: _Cells, left: float, top: float,
           width: int) -> list[tuple[str, float, float, str]]:
    """Draws all of a panel but its characters; these come back as (glyph, x, y of the baseline, colour)."""
    title, caption, note = head
    top = _lines(page, title, left, top, fontweight="bold")
    top = _lines(page, caption, left, top, fontsize=7.5, color=MUTED) + 0.02
    n, lines = len(shown.glyphs), shown.folded(width)
    if lines:
        grid = np.zeros((lines * width, 4))
        grid[:n] = shown.colours
        page.imshow(grid.reshape(lines, width, 4), extent=(left, left + width * CELL, top + lines * LINE, top),
                    aspect="auto", interpolation="nearest")
    _outlines(page, shown.marked, left, top, width)
    _lines(page, note, left, top + lines * LINE, fontsize=7, color=MUTED, style="italic")
    inks = np.where(shown.dark, "white", np.where(shown.faint, MUTED, INK))
    places = [divmod(i, width) for i in range(n)]
    if shown.cut and places:  # right of the last character, in the margin where a line is full
        places.append((places[-1][0], places[-1][1] + 1))
    return [(glyph, left + column * CELL, top + (line + 0.7) * LINE, ink) for glyph, ink, (line, column) in
            zip(shown.glyphs + CUT, [*inks.tolist(), MUTED], places, strict=False)]


def _lines(page: Axes, lines: list[str], left: float, top: float, **style: Any) -> float:
    """Writes lines below `top`; where they end."""
    for i, line in enumerate(lines):
        page.text(left, top + SMALL * (i + 0.75), line, va="baseline", **style)
    return top + SMALL * len(lines)


def _outlines(page: Axes, marked: np.ndarray, left: float, top: float, width: int) -> None:
    """Frames around runs of marked cells, each within its line."""
    boxes = []
    for line in range(math.ceil(len(marked) / width)):
        edges = np.diff(np.concatenate([[0], marked[line * width:(line + 1) * width], [0]]).astype(int))
        for start, end in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
            # Just outside of the cells: the frame hides no character.
            boxes.append(Rectangle((left + start * CELL - 0.008, top + line * LINE - 0.004),
                                   (end - start) * CELL + 0.016, LINE + 0.008))
    for colour, thickness in (("white", 2.4), (ACCENT, 1.2)):
        page.add_collection(PatchCollection(boxes, facecolor="none", edgecolor=colour, linewidth=thickness),
                            autolim=False)


def _write(page: Axes, drawn: list[tuple[str, float, float, str]]) -> None:
    """Characters as outlines: text objects would round their advances to pixels and leave their cells."""
    for glyph in sorted({glyph for glyph, *_ in drawn} - {" "}):
        own = [(x, y, ink) for other, x, y, ink in drawn if other == glyph]
        page.add_collection(PathCollection(
            [_outline(glyph)], sizes=(1,), offsets=[(x, y) for x, y, _ in own], offset_transform=page.transData,
            facecolor=[ink for *_, ink in own], linewidth=0, snap=False, transform=IdentityTransform()), autolim=False)


def _legend(page: Axes, top: float) -> None:
    """One line of swatches with their meaning, at the left."""
    x = MARGIN
    for text, shade in LEGEND.items():
        colour = DIVERGING(0.5 + shade / 2)
        page.add_patch(Rectangle((x, top - 0.02), 1.6 * CELL, LINE * 0.8, facecolor=colour,
                                 edgecolor="none" if shade else ACCENT, linewidth=1.2))
        page.text(x + 2.3 * CELL, top + LINE * 0.4, text, va="center_baseline", fontsize=7.5)
        x += 2.3 * CELL + TextPath((0, 0), text, size=7.5).get_extents().x1 / 72 + 0.2


def _spans(shown: _Cells) -> str:
    """One span per character: its place, heat and looks."""
    faint = shown.faint & ~shown.dark
    looks = zip(shown.glyphs, shown.heat, shown.colours, shown.marked, shown.dark, faint, strict=True)
    return "".join(f'<span style="background:{to_hex(colour)}"{_class(m=marked, w=white, f=grey)} '
                   f'title="character {i}: {heat:+.3g}">{escape(glyph)}</span>'
                   for i, (glyph, heat, colour, marked, white, grey) in enumerate(looks, start=1)) + CUT * shown.cut


def _class(**wanted: bool) -> str:
    names = [name for name, on in wanted.items() if on]
    return f' class="{" ".join(names)}"' if names else ""
