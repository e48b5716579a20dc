"""Figures for papers and READMEs: heat tables, dose-response curves, sheets of images. No pyplot, no global state."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, cast

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, PercentFormatter

from convscope.reporting.tables import NOT_RUN
from convscope.runs import write_bytes

# Okabe & Ito's palette without yellow, and brown; every line also has a marker of its own, for print in grey.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D46")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DASHES = ((4, 2.5), (1.2, 2), (6, 2, 1, 2))
INK, MUTED, FAINT, PAPER, ACCENT = "#222222", "#6b6b6b", "#e4e4e4", "#f2f2f2", "#D55E00"
SEQUENTIAL = LinearSegmentedColormap.from_list("depth", ["#f7fafd", "#c6dcec", "#7db3d5", "#2f7fb8", "#0b4a83"])
DIVERGING = LinearSegmentedColormap.from_list("signed", ["#0b4a83", "#6aa6d0", "#f7f7f7", "#e8955a", "#a83a00"])
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "axes.titlesize": 9, "axes.labelsize": 8.5, "legend.fontsize": 8,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": "#9a9a9a",
    "xtick.color": "#9a9a9a", "ytick.color": "#9a9a9a", "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.linewidth": 0.7, "xtick.major.width": 0.7, "ytick.major.width": 0.7, "xtick.minor.width": 0.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "hatch.linewidth": 0.5,
    "legend.frameon": False, "pdf.fonttype": 42, "figure.dpi": 100,
    "figure.constrained_layout.h_pad": 0.05, "figure.constrained_layout.w_pad": 0.05,
}
P = ParamSpec("P")


@dataclass(frozen=True)
class Picture:
    """One image of a sheet: [H, W], [1, H, W] or [3, H, W] in [0, 1], or in [-1, 1] around 0 where `signed`.

    `circles` are (row, column) places to mark. Raises ValueError for another shape.
    """

    title: str
    image: np.ndarray
    signed: bool = False
    circles: Sequence[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        shape = np.shape(self.image)
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)) or 0 in shape:
            raise ValueError(f"{self.title or 'a picture'}: an image is [H, W], [1, H, W] or [3, H, W], got {shape}")


def _style() -> AbstractContextManager[None]:
    """Our style on top of matplotlib's defaults, whatever the user's own settings are; the backend is left alone."""
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if "backend" not in key}
    return matplotlib.rc_context(cast(Any, {**defaults, **STYLE}))


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)
    return styled


@styled
def heat_table(values: pd.DataFrame, text: pd.DataFrame, *, title: str = "", unit: str = "",
               bold: pd.DataFrame | None = None, limits: tuple[float, float] | None = None,
               rules: Sequence[int] = (), percent: bool = True) -> Figure:
    """A matrix of coloured cells with their numbers (models x signals); NaN cells are hatched grey: "not run".

    A text such as "83.4 ± 0.4" is set in two lines. `limits` are the values of the lightest and the darkest colour
    (default: from 0, or the least value below it, to the largest), with `percent` labelled times 100. `rules` are
    numbers of rows after which a gap separates groups. Raises ValueError where values and text differ in shape.
    """
    if values.shape != text.shape or (bold is not None and bold.shape != values.shape):
        raise ValueError(f"values, text and bold must have one shape, got {values.shape} and {text.shape}")
    rows, columns = values.shape
    numbers, texts = values.to_numpy(dtype=float), text.to_numpy(dtype=str)
    strong = np.zeros(values.shape, dtype=bool) if bold is None else bold.to_numpy(dtype=bool)
    norm = Normalize(*(limits or _range(numbers)))
    tops = [r + 0.18 * sum(after <= r for after in rules) for r in range(rows)]
    height = tops[-1] + 1
    cell_height = 0.44 if any("±" in t for t in texts.ravel()) else 0.34
    head = max([22, *(len(str(r)) // 2 + 5 for r in values.index)])  # characters: two lines hold the longest name
    size = (2.1 + 0.06 * (head - 22) + 0.72 * columns, 0.8 + cell_height * height + 0.3 * bool(title))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    for r, c in np.ndindex(rows, columns):
        _cell(axes, c, tops[r], float(numbers[r, c]), str(texts[r, c]), norm, bool(strong[r, c]))
    axes.set(xlim=(0, columns), ylim=(height, 0))
    axes.set_xticks(np.arange(columns) + 0.5, [_fold(str(c), 11) for c in values.columns])
    axes.set_yticks([top + 0.5 for top in tops], [_fold(str(r), head) for r in values.index])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=4)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(ScalarMappable(norm, SEQUENTIAL), ax=axes, fraction=0.025, pad=0.015, aspect=30,
                          format=PercentFormatter(1.0, symbol=" %") if percent else None)
    cast(Any, bar.outline).set_visible(False)
    bar.ax.tick_params(length=2)
    bar.set_label(unit)
    return _titled(figure, title)


@styled
def curves(frame: pd.DataFrame, *, x: str, y: str, band: str | None = None, line: str | None = None,
           panel: str | None = None, log_x: bool = True, hlines: Mapping[str, Any] | None = None, title: str = "",
           x_label: str = "", y_label: str = "", y_limits: tuple[float, float] | None = None, percent: bool = True,
           columns: int = 3) -> Figure:
    """Lines of `y` against `x`, one per value of `line`, one panel per value of `panel`, in the order of the frame.

    `band` is the column of the half-width around a line (NaN: none). `hlines` are dashed levels: {name: level} for
    every panel, or {panel: {name: level}}. On a logarithmic x, 0 stands apart at the left, behind a break of the axis.
    With `percent`, y is a fraction: its ticks read in percent and bands end at 0 and 1. Raises ValueError where no
    point is finite or x is negative on a logarithmic axis.
    """
    data = _points(frame, x, y, band, line, panel)
    xs = data["x"].to_numpy(dtype=float)
    if not len(xs) or (log_x and xs.min() < 0):
        raise ValueError(f"curves need finite {y} and, on a logarithmic axis, {x} of at least 0; got {len(xs)} finite "
                         f"points of {len(frame)}, {x} from {xs.min(initial=np.inf):g}: select others or log_x=False")
    panels, names = list(dict.fromkeys(data["panel"])), list(dict.fromkeys(data["line"]))
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (5.2, 3.2) if len(panels) == 1 else (2.45 * columns + 0.35, 2.05 * rows + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    place = _Broken.of(xs) if log_x else None
    handles: dict[str, Line2D] = {}
    for i, axes in enumerate(grid):
        axes.set_visible(i < len(panels))
        _dress(axes, place, percent, y_limits, crowded=columns > 1)
        if i >= len(panels):
            continue
        for k, name in enumerate(names):
            own = data.loc[(data["panel"] == panels[i]) & (data["line"] == name)]
            if len(own):
                handles.setdefault(str(name), _line(axes, own, k, len(names), place, percent))
        _levels(axes, _of_panel(hlines, panels[i]), handles)
        axes.set_title(str(panels[i]).replace("_", " "), fontweight="bold", pad=6)
        if i % columns == 0:
            axes.set_ylabel(y_label or y)
        if i + columns >= len(panels):  # the lowest visible one of its column
            axes.set_xlabel(x_label or x)
            axes.tick_params(labelbottom=True)
    handles.pop("", None)
    if handles:
        texts = [name.replace("_", " ") for name in handles]
        place_of_legend, ncols = "outside right center", 1
        if len(panels) > 1:
            place_of_legend, ncols = "outside lower center", _legend_columns(texts, size[0])
            figure.set_size_inches(size[0], size[1] + 0.17 * max(0, math.ceil(len(texts) / ncols) - 2))
        figure.legend(list(handles.values()), texts, loc=place_of_legend, ncols=ncols)
    return _titled(figure, title)


@styled
def image_sheet(images: Sequence[Sequence[Picture | tuple[str, np.ndarray]]], *, labels: Sequence[str] = (),
                title: str = "", size: float = 1.05) -> Figure:
    """Rows of images, `labels` at the left of the rows, each image `size` inches wide and never smoothed.

    A column whose titles are all equal shows its title once, on top. One channel is grey. A signed image is blue below
    0, white at 0, orange above (in colour: the channel of the largest change). An image that leaves [0, 1] by more
    than .05 is scaled to its own range and marked so. Raises ValueError where there is no image.
    """
    pictures = [[p if isinstance(p, Picture) else Picture(*p) for p in row] for row in images]
    if not any(pictures):
        raise ValueError("an image sheet needs at least one image, got none")
    columns = max(map(len, pictures))
    shared = [len({row[c].title for row in pictures if c < len(row)}) == 1 for c in range(columns)]
    heads = [[_fold(p.title, round(15 * size)) if r == 0 or not shared[c] else "" for c, p in enumerate(row)]
             for r, row in enumerate(pictures)]
    # Laid out in inches: equal gaps, whatever sticks out of an image.
    gap, left, top = 0.1, 0.95 if labels else 0.1, 0.32 if title else 0.06
    lines = [max((head.count("\n") + 1 if head else 0 for head in row), default=0) for row in heads]
    heights = [size * max((np.shape(p.image)[-2] / np.shape(p.image)[-1] for p in row), default=1) for row in pictures]
    width = left + columns * (size + gap)
    height = top + sum(heights) + sum(0.06 + 0.125 * n for n in lines) + gap * len(pictures)
    figure = Figure(figsize=(width, height))
    y = height - top
    for r, row in enumerate(pictures):
        y -= heights[r] + 0.06 + 0.125 * lines[r]
        for c, picture in enumerate(row):
            box = ((left + c * (size + gap)) / width, y / height, size / width, heights[r] / height)
            _picture(figure.add_axes(box), picture, heads[r][c])
        if r < len(labels):
            middle = (y + heights[r] / 2) / height
            figure.text((left - 0.1) / width, middle, _fold(labels[r], 12), ha="right", va="center")
        y -= gap
    if title:
        figure.text(0.1 / width, 1 - 0.08 / height, title, ha="left", va="top", fontsize=10, fontweight="bold")
    return figure


def change(carrier: np.ndarray, encoded: np.ndarray, *, circles: Sequence[tuple[int, int]] = ()) -> Picture:
    """The signed difference of two images [C, H, W], magnified to fill [-1, 1], with the factor in its title.

    The factor is the largest of 1, 2, 5 x 10^k that leaves every value within [-1, 1]; equal images: "no change".
    """
    if np.shape(carrier) != np.shape(encoded):
        raise ValueError(f"carrier and encoded must have one shape, got {np.shape(carrier)} and {np.shape(encoded)}")
    difference = np.asarray(encoded, dtype=np.float64) - np.asarray(carrier, dtype=np.float64)
    largest = float(np.abs(difference).max())
    if largest == 0:
        return Picture("no change", difference, True, circles)
    power = math.floor(-math.log10(largest) + 1e-9)
    factor = max(m * 10.0**power for m in (1, 2, 5) if m == 1 or m * 10.0**power * largest <= 1 + 1e-6)
    return Picture(f"change × {factor:,.12g}", difference * factor, True, circles)


def save(figure: Figure, folder: Path, name: str, *, dpi: int = 200) -> list[Path]:
    """Writes name.png and name.pdf; one figure gives the same bytes on one machine (no dates, no versions)."""
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}
    paths = [folder / f"{name}.{suffix}" for suffix in metadata]
    for path, (suffix, entries) in zip(paths, metadata.items(), strict=True):
        write_bytes(path, _drawn(figure, suffix, dpi, entries))
    return paths


def as_png(figure: Figure, *, dpi: int = 110) -> bytes:
    """The figure as png, to stand inside a page."""
    return _drawn(figure, "png", dpi, {"Software": None})


def _drawn(figure: Figure, suffix: str, dpi: int, metadata: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with _style():
        figure.savefig(out, format=suffix, dpi=dpi, metadata=metadata)
    return out.getvalue()


def _points(frame: pd.DataFrame, x: str, y: str, band: str | None, line: str | None, panel: str | None) -> pd.DataFrame:
    """The finite points with the columns x, y, half, line and panel; a missing column is "" or NaN."""
    data = pd.DataFrame({
        "x": frame[x].to_numpy(dtype=float), "y": frame[y].to_numpy(dtype=float),
        "half": np.nan if band is None else frame[band].to_numpy(dtype=float),
        "line": "" if line is None else frame[line].to_numpy(),
        "panel": "" if panel is None else frame[panel].to_numpy()})
    return data.loc[np.isfinite(data["x"]) & np.isfinite(data["y"])]


@dataclass(frozen=True)
class _Broken:
    """A logarithmic axis on which 0 has a place of its own: `zero`, left of the least positive value, or None."""

    least: float
    largest: float
    zero: float | None

    @classmethod
    def of(cls, x: np.ndarray) -> "_Broken":
        positive = x[x > 0]
        if not len(positive):
            return cls(0.1, 1.0, 0.05)
        least, largest = float(positive.min()), float(positive.max())
        decades = max(math.log10(largest / least), 0.6)
        return cls(least, largest, least / 10 ** (0.22 * decades) if (x == 0).any() else None)

    @property
    def ticks(self) -> list[float]:
        """Powers of ten within the data; its ends too where there are fewer than two."""
        first, last = math.ceil(math.log10(self.least) - 1e-9), math.floor(math.log10(self.largest) + 1e-9)
        powers = [10.0**k for k in range(first, last + 1)]
        return powers if len(powers) > 1 else sorted({self.least, *powers, self.largest})

    @property
    def edges(self) -> tuple[float, float]:
        low = self.least if self.zero is None else self.zero
        margin = (self.largest / low) ** 0.06 if self.largest > low else 2.0
        return low / margin, self.largest * margin

    def apart(self, line: int, n_lines: int) -> float:
        """Where a line's point at 0 is drawn: side by side, so that equal ones do not hide each other."""
        low, high = self.edges
        return cast(float, self.zero) * (high / low) ** (0.014 * (line - (n_lines - 1) / 2))


def _cell(axes: Axes, c: int, top: float, value: float, text: str, norm: Normalize, strong: bool) -> None:
    """One cell of a heat table: colour or hatch, its number, the error smaller below it."""
    box: dict[str, Any] = {"xy": (c + 0.02, top + 0.03), "width": 0.96, "height": 0.94, "linewidth": 0}
    centre: dict[str, Any] = {"ha": "center", "va": "center"}
    if not math.isfinite(value):
        axes.add_patch(Rectangle(**box, facecolor=PAPER, edgecolor="#d5d5d5", hatch="////"))
        axes.text(c + 0.5, top + 0.5, NOT_RUN, **centre, fontsize=7, color=MUTED,
                  bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1})
        return
    colour = SEQUENTIAL(float(norm(value)))
    axes.add_patch(Rectangle(**box, facecolor=colour))
    ink = "white" if float(np.dot(colour[:3], (0.299, 0.587, 0.114))) < 0.55 else INK
    number, _, error = text.partition(" ± ")
    weight = "bold" if strong else "normal"
    axes.text(c + 0.5, top + (0.37 if error else 0.5), number, **centre, fontsize=9, color=ink, fontweight=weight)
    if error:
        axes.text(c + 0.5, top + 0.74, f"± {error}", **centre, fontsize=6.5, color=ink, alpha=0.9)


def _line(axes: Axes, part: pd.DataFrame, i: int, n_lines: int, place: _Broken | None, percent: bool) -> Line2D:
    """Draws one line with band and markers, what stands at a broken axis' 0 with an error bar; its legend entry."""
    part = part.sort_values(by="x")
    xs, ys, half = (part[name].to_numpy(dtype=float) for name in ("x", "y", "half"))
    low, high = (np.clip(ys + s * half, 0, 1) if percent else ys + s * half for s in (-1, 1))
    colour = PALETTE[i % len(PALETTE)]
    style: dict[str, Any] = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "markersize": 4,
                             "markeredgecolor": "white", "markeredgewidth": 0.5, "linewidth": 1.5}
    if i >= len(PALETTE):  # colours come again, dashed and with hollow markers
        style |= {"linestyle": (0, (2.5, 1.2)), "markerfacecolor": "white", "markeredgecolor": colour,
                  "markeredgewidth": 0.8}
    every = len(xs) // 8 if n_lines > 1 and len(xs) > 24 else 1  # all markers of long lines would hide the others
    zero = (xs == 0) & (place is not None)
    rest = ~zero
    axes.fill_between(xs[rest], low[rest], high[rest], color=colour, alpha=0.18, linewidth=0)
    axes.plot(xs[rest], ys[rest], **style, markevery=(i % every, every), clip_on=False, zorder=3)
    if place is not None and zero.any():
        at = np.full(zero.sum(), place.apart(i, n_lines))
        axes.vlines(at, low[zero], high[zero], color=colour, linewidth=1, alpha=0.6)
        axes.plot(at, ys[zero], **{**style, "linestyle": "none"}, clip_on=False, zorder=3)
    return Line2D([], [], **style)


def _legend_columns(texts: list[str], width: float) -> int:
    """The most columns, 5 at most, in which the entries of a legend fit into `width` inches."""
    def needs(n: int) -> float:  # inches: a line with its gaps, then about .06 a character
        return sum(0.44 + 0.061 * max(map(len, column)) for column in np.array_split(texts, n) if len(column)) - 0.2
    return next((n for n in (5, 4, 3, 2) if needs(n) <= width), 1)


def _levels(axes: Axes, levels: Mapping[str, float], handles: dict[str, Line2D]) -> None:
    """Dashed horizontal levels, each with a dash pattern of its own; their names go to the legend."""
    for i, (name, value) in enumerate(levels.items()):
        style: dict[str, Any] = {"color": MUTED, "linewidth": 0.9, "dashes": DASHES[i % len(DASHES)]}
        axes.axhline(value, **style, zorder=1)
        handles.setdefault(name, Line2D([], [], **style))


def _of_panel(hlines: Mapping[str, Any] | None, key: Any) -> Mapping[str, float]:
    """The levels of one panel, whether given once for all or by panel."""
    if hlines and all(isinstance(level, Mapping) for level in hlines.values()):
        return hlines.get(key, {})
    return hlines or {}


def _dress(axes: Axes, place: _Broken | None, percent: bool, y_limits: tuple[float, float] | None, *,
           crowded: bool) -> None:
    """Faint horizontal grid, ticks, and the broken logarithmic axis."""
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=2.5)
    if y_limits:
        axes.set_ylim(*y_limits)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if place is None:
        return
    axes.set_xscale("log")
    axes.set_xlim(*place.edges)
    ticks, zero = place.ticks, place.zero
    axes.xaxis.set_major_locator(FixedLocator([*([] if zero is None else [zero]), *ticks]))
    minor = [m * 10.0**k for k in range(math.floor(math.log10(place.least)), math.ceil(math.log10(place.largest)))
             for m in range(2, 10)]
    axes.xaxis.set_minor_locator(FixedLocator([m for m in minor if place.least <= m <= place.largest]))
    labelled = set(ticks[::-2] if crowded and len(ticks) > 3 else ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(
        lambda v, _: "0" if v == zero else f"{v:g}" if v in labelled else ""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if zero is not None:
        _break(axes, math.sqrt(zero * place.least))


def _break(axes: Axes, x: float) -> None:
    """Two slanted strokes through the x axis: left of them the scale does not hold."""
    transform = axes.get_xaxis_transform()
    axes.plot([x], [0], transform=transform, marker="s", markersize=4, color="white", clip_on=False, zorder=4)
    for shift in (-2.2, 2.2):
        axes.annotate("/", (x, 0), xycoords=transform, xytext=(shift, 0), textcoords="offset points", ha="center",
                      va="center", fontsize=7, color=MUTED, annotation_clip=False, zorder=5)


def _picture(axes: Axes, picture: Picture, title: str) -> None:
    """One image, its title above and its circles, in pixels, on top."""
    image = np.asarray(picture.image, dtype=np.float64)
    image = image[None] if image.ndim == 2 else image
    if picture.signed:
        signed = np.take_along_axis(image, np.abs(image).argmax(axis=0)[None], axis=0)[0]
        axes.imshow(signed, cmap=DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
    else:
        low, high = float(image.min()), float(image.max())
        if low < -0.05 or high > 1.05:
            image = (image - low) / (high - low)
            axes.text(0.5, 0.03, "scaled to its range", transform=axes.transAxes, ha="center", va="bottom",
                      fontsize=5.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
        shown = image[0] if len(image) == 1 else np.clip(image.transpose(1, 2, 0), 0, 1)
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    radius = max(1.4, 0.055 * max(image.shape[1:]))
    for r, c in picture.circles:
        for colour, thickness in (("white", 2.2), (ACCENT, 1.1)):
            axes.add_patch(Circle((c, r), radius, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set(color="#c4c4c4", linewidth=0.6)
    axes.set_title(title, loc="center", fontsize=7.5, pad=3)


def _titled(figure: Figure, title: str) -> Figure:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _range(numbers: np.ndarray) -> tuple[float, float]:
    finite = numbers[np.isfinite(numbers)]
    low, high = float(np.min(finite, initial=0.0)), float(np.max(finite, initial=-np.inf))
    return low, high if high > low else low + 1


def _fold(label: str, width: int) -> str:
    """A label in lines of about `width` characters: underscores as spaces, long settings broken before their `=`."""
    words = [piece for word in label.replace("_", " ").split()
             for piece in ([word] if len(word) <= width else word.replace("=", " =").split())]
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return "\n".join(lines)
