"""Figures for papers and READMEs: heat tables and curves drawn by seaborn, and sheets of images."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import PercentFormatter

from convscope.reporting import theme
from convscope.reporting.tables import NOT_RUN
from convscope.runs import write_bytes

LONG = 15  # columns from which on a table of fewer rows is turned
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}


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


@theme.styled()
def heat_table(values: pd.DataFrame, text: pd.DataFrame, *, title: str = "", unit: str = "",
               bold: pd.DataFrame | None = None, limits: tuple[float, float] | None = None) -> Figure:
    """A matrix of coloured fractions with their numbers (models x signals); NaN cells are hatched grey: "not run".

    A text such as "83.4 ± 0.4" is set in two lines. `limits` are the values of the lightest and the darkest colour
    (default: from 0, or the least value below it, to the largest). A table of many columns and few rows is shown
    turned. Raises ValueError where values and text differ in shape.
    """
    bold = values.ne(values) if bold is None else bold
    if not values.shape == text.shape == bold.shape:
        raise ValueError(f"values, text and bold must have one shape, got {values.shape} and {text.shape}")
    if len(values.columns) >= LONG > len(values):
        values, text, bold = values.T, text.T, bold.T
    rows, columns = values.shape
    numbers, texts = values.to_numpy(dtype=float), text.to_numpy(dtype=str)
    given = np.isfinite(numbers)
    low, high = limits or (numbers[given].min(initial=0), numbers[given].max(initial=-math.inf))
    high = high if high > low else low + 1
    line = 0.44 if any("±" in cell for cell in texts.ravel()) else 0.34
    head = max([22, *(len(str(name)) // 2 + 5 for name in values.index)])  # two lines hold the longest name
    figure = Figure((2.0 + 0.06 * (head - 22) + 0.72 * columns, 0.7 + line * rows), layout="constrained")
    axes = figure.add_subplot(facecolor=theme.PAPER)
    axes.patch.set(hatch="////", edgecolor="#d5d5d5")
    sns.heatmap(numbers, vmin=low, vmax=high, cmap=theme.SEQUENTIAL, annot=texts, fmt="", linewidths=1.2,
                annot_kws={"fontsize": 9}, ax=axes, xticklabels=False, yticklabels=False, cbar_kws={
                    "label": unit, "fraction": 0.025, "pad": 0.015, "aspect": 30,
                    "format": PercentFormatter(1.0, symbol=" %")})
    inks = theme.inks(theme.SEQUENTIAL((numbers[given] - low) / (high - low)))
    for cell, ink, strong in zip(list(axes.texts), inks, bold.to_numpy(dtype=bool)[given], strict=True):
        (x, y), (number, _, error) = cell.get_position(), cell.get_text().partition(" ± ")
        cell.set(text=number, color=ink, y=y - 0.13 * bool(error), fontweight="bold" if strong else "normal")
        if error:
            axes.text(x, y + 0.24, f"± {error}", ha="center", va="center", fontsize=6.5, color=ink)
    for r, c in np.argwhere(~given):
        axes.text(c + 0.5, r + 0.5, NOT_RUN, ha="center", va="center", fontsize=7, color=theme.MUTED,
                  bbox={"facecolor": theme.PAPER, "edgecolor": "none", "pad": 1})
    axes.set_xticks(np.arange(columns) + 0.5, [theme.fold(str(name), 11) for name in values.columns])
    axes.set_yticks(np.arange(rows) + 0.5, [theme.fold(str(name), head) for name in values.index])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=4)
    return theme.headline(figure, title)


@theme.styled()
def curves(frame: pd.DataFrame, *, x: str, y: str, band: str | None = None, line: str | None = None,
           panel: str | None = None, log_x: bool = True, hlines: Mapping[str, Any] | None = None, title: str = "",
           x_label: str = "", y_label: str = "", y_limits: tuple[float, float] | None = None, percent: bool = True,
           columns: int = 3) -> Figure:
    """Lines of `y` against `x`, one per value of `line`, one panel per value of `panel`, in the order of the frame.

    `band` is the column of the half-width around a line (NaN: none). `hlines` are dashed levels: {name: level} for
    every panel, or {panel: {name: level}}. A logarithmic x is linear between 0 and its least positive value, so that 0
    has a place. With `percent`, y is a fraction: its ticks read in percent and bands end at 0 and 1. Raises ValueError
    where no point is finite or x is negative on a logarithmic axis.
    """
    data = _points(frame, x, y, band, line, panel, percent)
    xs = data["x"].to_numpy(dtype=float)
    if not len(xs) or (log_x and xs.min() < 0):
        raise ValueError(f"curves need finite {y} and, on a logarithmic axis, {x} of at least 0; got {len(xs)} finite "
                         f"points of {len(frame)}, {x} from {xs.min(initial=np.inf):g}: select others or log_x=False")
    shown, names = list(dict.fromkeys(data["panel"])), list(dict.fromkeys(data["line"]))
    alone, hlines = len(shown) == 1, hlines or {}
    size = (2.45, 2.05) if not alone else (3.4, 2.9) if len(names) > 1 or hlines else (4.9, 2.9)
    figure, grid = theme.panels(len(shown), columns, size, sharex=True, sharey=True)
    keys: dict[str, Line2D] = {}
    for i, (axes, name) in enumerate(zip(grid, shown, strict=True)):
        own = data.loc[data["panel"] == name]
        for key, drawn in zip(names, _lines(axes, own, names, bands=band is not None), strict=True):
            keys.setdefault(str(key), drawn)
        levels = hlines.get(name, {}) if all(isinstance(one, Mapping) for one in hlines.values()) else hlines
        for (key, level), dashes in zip(levels.items(), 9 * theme.DASHES, strict=False):
            keys.setdefault(key, axes.axhline(level, color=theme.MUTED, linewidth=0.9, dashes=dashes, zorder=1))
        axes.set(title=str(name).replace("_", " "), xlabel="", ylabel="" if i % columns else y_label or y)
        axes.grid(axis="y")
        if i + columns >= len(shown):  # the lowest visible one of its column
            axes.set_xlabel(x_label or x, visible=True)
            axes.tick_params(labelbottom=True)
    if y_limits:
        grid[0].set_ylim(*y_limits)
    if percent:
        grid[0].yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if log_x and xs.max() > 0:
        _logarithmic(grid[0], xs)
    keys.pop("", None)
    if keys:
        theme.legend(figure, list(keys.values()), list(keys), right=alone)
    return theme.headline(figure, title)


@theme.styled()
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
    shared = {c for c in range(len(pictures[0])) if len({row[c].title for row in pictures if c < len(row)}) == 1}
    titles = [["" if r and c in shared else theme.fold(p.title, round(15 * size)) for c, p in enumerate(row)]
              for r, row in enumerate(pictures)]
    heads = [0.06 + 0.125 * max((t.count("\n") + 1 for t in row if t), default=0) for row in titles]
    heights = [size * max((np.shape(p.image)[-2] / np.shape(p.image)[-1] for p in row), default=1) for row in pictures]
    figure, grid = theme.sheet([*map(len, pictures)], size, heights, heads, title=title,
                               labels=[theme.fold(label, 12) for label in labels])
    for axes, picture, head in zip(sum(grid, []), sum(pictures, []), sum(titles, []), strict=True):
        _picture(axes, picture)
        axes.set_title(head, loc="center", fontsize=7.5, fontweight="normal", pad=3)
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
    paths = [folder / f"{name}.{suffix}" for suffix in METADATA]
    for path, suffix in zip(paths, METADATA, strict=True):
        write_bytes(path, _drawn(figure, suffix, dpi))
    return paths


def as_png(figure: Figure, *, dpi: int = 110) -> bytes:
    """The figure as png, to stand inside a page."""
    return _drawn(figure, "png", dpi)


@theme.styled()
def _drawn(figure: Figure, suffix: str, dpi: int) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=suffix, dpi=dpi, metadata=METADATA[suffix])
    return out.getvalue()


def _points(frame: pd.DataFrame, x: str, y: str, band: str | None, line: str | None, panel: str | None,
            percent: bool) -> pd.DataFrame:
    """The finite points: x, y, line and panel; with a band three rows for each, of its middle and its two ends."""
    data = frame.assign(line="" if line is None else frame[line], panel="" if panel is None else frame[panel])
    data = pd.DataFrame({"x": frame[x].astype(float), "y": frame[y].astype(float), **data[["line", "panel"]]})
    if band is not None:
        half = frame[band].to_numpy(dtype=float)
        ends = [data["y"] - half, data["y"] + half]
        data = pd.concat([data, *(data.assign(y=end.clip(0, 1) if percent else end) for end in ends)])
    return data.loc[np.isfinite(data["x"]) & np.isfinite(data["y"])]


def _lines(axes: Axes, data: pd.DataFrame, names: Sequence[Any], *, bands: bool) -> list[Line2D]:
    """Draws the lines of one panel: their median and whole range are the middle and the ends. A key for each name."""
    longest = max(data.groupby("line")["x"].nunique())
    every = longest // 8 if longest > 24 else 1  # all markers of long lines would hide the others
    codes = {name: str(k) for k, name in enumerate(names)}  # seaborn would take numbers for a scale
    of, order = [codes[name] for name in data["line"]], list(codes.values())
    dashes: Any = [(2.5, 1.2) if k >= len(theme.PALETTE) else "" for k in range(len(names))]
    sns.lineplot(x=data["x"], y=data["y"], hue=of, style=of, hue_order=order, style_order=order, legend="full",
                 **theme.marks(len(names)), dashes=dashes, estimator="median" if bands else None,
                 errorbar=("pi", 100), err_kws={"alpha": 0.18, "linewidth": 0}, linewidth=1.5, markersize=4.5,
                 markevery=every, clip_on=False, zorder=3, ax=axes)
    keys = cast(list[Line2D], theme.entries(axes))
    for drawn in filter(Line2D.is_dashed, [*axes.get_lines(), *keys]):
        drawn.set(markerfacecolor="white", markeredgecolor=drawn.get_color(), markersize=5)
    return keys


def _logarithmic(axes: Axes, xs: np.ndarray) -> None:
    """A logarithmic axis of x; where 0 occurs it has a place of its own, .7 decades left of the least other value."""
    least, largest = float(xs[xs > 0].min()), float(xs.max())
    margin = (largest / least) ** 0.05 if largest > least else 2
    if xs.min() == 0:
        axes.set_xscale("symlog", linthresh=least, linscale=0.7)
        axes.set_xlim(-least / 4, largest * margin)
    else:
        axes.set_xscale("log")
        axes.set_xlim(least / margin, largest * margin)
    theme.log_ticks(axes.xaxis, least, largest)


def _picture(axes: Axes, picture: Picture) -> None:
    """One image, with its circles, in pixels, on top."""
    image = np.asarray(picture.image, dtype=np.float64)
    image = image[None] if image.ndim == 2 else image
    if picture.signed:
        signed = np.take_along_axis(image, np.abs(image).argmax(axis=0)[None], axis=0)[0]
        axes.imshow(signed, cmap=theme.DIVERGING, vmin=-1, vmax=1, interpolation="nearest")
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
        for colour, thickness in (("white", 2.2), (theme.ACCENT, 1.1)):
            axes.add_patch(Circle((c, r), radius, fill=False, edgecolor=colour, linewidth=thickness, clip_on=False))
