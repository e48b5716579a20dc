"""One theme for every figure: colours, markers, sizes, and the layouts that no library has. Nothing goes to pyplot."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter

# Okabe & Ito's palette without yellow, and brown. Each of twice as many lines or classes has a marker of its own.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D46")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "d", "p", "*", "h", "8", "H", ".")
DASHES = ((4, 2.5), (1.2, 2), (6, 2, 1, 2))
INK, MUTED, FAINT, PAPER, ACCENT = "#262626", "#6b6b6b", "#e4e4e4", "#f2f2f2", "#D55E00"
SEQUENTIAL = LinearSegmentedColormap.from_list("depth", ["#f7fafd", "#c6dcec", "#7db3d5", "#2f7fb8", "#0b4a83"])
DIVERGING = LinearSegmentedColormap.from_list("signed", ["#0b4a83", "#6aa6d0", "#f7f7f7", "#e8955a", "#a83a00"])
OURS: dict[str, Any] = {
    "font.family": "DejaVu Sans", "text.parse_math": False,  # a "$" in somebody's class name is a dollar
    "figure.titlesize": 10, "figure.titleweight": "bold", "axes.titlesize": 9, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.linewidth": 0.7, "axes.edgecolor": "#9a9a9a", "grid.color": FAINT, "grid.linewidth": 0.6,
    "patch.force_edgecolor": False, "hatch.linewidth": 0.5, "pdf.fonttype": 42,
    "figure.constrained_layout.h_pad": 0.05, "figure.constrained_layout.w_pad": 0.05,
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in {
        "color": "#9a9a9a", "labelcolor": INK, "major.size": 2.5, "major.width": 0.7, "minor.size": 1.5,
        "minor.width": 0.5}.items()},
}


@contextmanager
def styled() -> Iterator[None]:
    """Our settings on top of the libraries' own, whatever the user's are; these and the backend are left alone."""
    import seaborn as sns  # a second to import, so only where something is drawn

    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if "backend" not in key}
    ours = {**defaults, **sns.axes_style("ticks"), **sns.plotting_context("paper", font_scale=0.9), **OURS}
    with matplotlib.rc_context(cast(Any, ours)):
        yield


def marks(n: int) -> dict[str, Any]:
    """seaborn's palette and markers of n classes: beyond 8 the colours come again, with other markers (up to 128)."""
    return {"palette": [PALETTE[k % len(PALETTE)] for k in range(n)],
            "markers": [MARKERS[(k + k // len(MARKERS)) % len(MARKERS)] for k in range(n)]}


def inks(colours: np.ndarray) -> list[str]:
    """The colours of N texts that can be read on `colours` [N, 4]."""
    return np.where(colours[:, :3] @ (0.299, 0.587, 0.114) < 0.55, "white", INK).tolist()


def panels(count: int, columns: int, size: tuple[float, float], **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, each `size` inches with its labels; raises ValueError for none."""
    if not count:
        raise ValueError("a figure of panels needs at least one, got none")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(size[0] * columns + 0.35, size[1] * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def entries(axes: Axes) -> list[Artist]:
    """seaborn's entries for a legend, taken off the axes: empty artists at the origin would disturb the layout."""
    handles, _ = axes.get_legend_handles_labels()
    for artist in filter(None, [axes.get_legend(), *handles]):
        artist.remove()
    return handles


def legend(figure: Figure, handles: Sequence[Artist], texts: Sequence[str], right: bool = False, **look: Any) -> None:
    """Outside of the axes, where the figure grows for it: at the right, or below in as few lines as fit."""
    where, width = "outside right center" if right else "outside lower center", figure.get_figwidth()
    for lines in range(len(texts) if right else 1, len(texts) + 1):
        shown = figure.legend(handles, [text.replace("_", " ") for text in texts], loc=where, columnspacing=1.2,
                              ncols=math.ceil(len(texts) / lines), **look)
        box = shown.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        if box.width <= width - 0.1 or lines == len(texts):
            figure.set_size_inches(width + box.width * right, figure.get_figheight() + box.height * (not right))
            return
        shown.remove()


def headline(figure: Figure, title: str) -> Figure:
    """The figure, grown by its title at the upper left in as many lines as it needs; to be called last."""
    if title:
        width, height = figure.get_size_inches()
        shown = figure.suptitle(title, x=0.06 / width, ha="left", wrap=True)
        figure.set_figheight(height + shown.get_window_extent().height / figure.dpi + 0.1)
    return figure


def log_ticks(axis: Axis, least: float, largest: float) -> None:
    """Ticks at powers of ten, within two decades at 2 and 5 times these too, in plain numbers: 0.01, 20,000."""
    locator = LogLocator(subs=[1.0, 2.0, 5.0] if largest < 100 * least else [1.0], numticks=6)
    rounded = {float(f"{v:.9g}") for v in locator.tick_values(least, largest)}
    found = {v for v in rounded if least <= v * (1 + 1e-8) and v <= largest * (1 + 1e-8)}
    found |= {0.0} if axis.get_scale() == "symlog" else {least, largest} if len(found) < 2 else set()
    axis.set_major_locator(FixedLocator(sorted(found)))
    axis.set_major_formatter(lambda v, _: f"{v:,.0f}" if v >= 1000 else f"{v:.4g}")
    axis.set_minor_formatter(NullFormatter())


def sheet(counts: Sequence[int], width: float, heights: Sequence[float], heads: Sequence[float], *,
          labels: Sequence[str] = (), title: str = "") -> tuple[Figure, list[list[Axes]]]:
    """Rows of so many framed axes without ticks, `width` and `heights` inches large, with room for their titles above.

    Laid out in inches, which keeps gaps equal whatever sticks out of an axes; `labels` stand at the left of the rows.
    """
    gap, left = 0.1, 0.95 if labels else 0.1
    across = left + max(counts) * (width + gap)
    figure, rows = Figure(figsize=(across, 1)), []
    heading = figure.text(0.1 / across, 0.5, title, ha="left", va="top", fontsize=10, fontweight="bold", wrap=True)
    y = heading.get_window_extent().height / figure.dpi + 0.14 if title else 0.06
    high = y + sum(heights) + sum(heads) + gap * len(heights)
    figure.set_figheight(high)
    heading.set_y(1 - 0.08 / high)
    for r, (count, height, head) in enumerate(zip(counts, heights, heads, strict=True)):
        y += head + height
        rows.append([figure.add_axes(((left + c * (width + gap)) / across, 1 - y / high, width / across, height / high),
                                     xticks=[], yticks=[]) for c in range(count)])
        for axes in rows[-1]:
            axes.spines[:].set(visible=True, color="#c4c4c4", linewidth=0.6)
        if r < len(labels):
            figure.text((left - 0.1) / across, 1 - (y - height / 2) / high, labels[r], ha="right", va="center")
        y += gap
    return figure, rows


def fold(label: str, width: int) -> str:
    """A label in lines of about `width` characters: underscores as spaces, long settings broken before their `=`."""
    words = [word if len(word) <= width else word.replace("=", " =") for word in label.replace("_", " ").split()]
    return textwrap.fill(" ".join(words), width, break_long_words=False, break_on_hyphens=False)
