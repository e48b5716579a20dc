"""Figures of time series: forecasts over time, and sheets of small line plots, one per filter."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from convscope.reporting import theme

BAR = "#C0392B"  # importance, red as in the paper


@dataclass(frozen=True)
class Trace:
    """One small line plot: `y` [T]; `bar` an importance in [0, 1] drawn as a red bar above it, None for none.

    `group` colours a bar at the left (a cluster, -1 for grey), `shade` [T] in [0, 1] the ground (saliency), and `marks`
    are positions to mark with points, sized by `weights` in [0, 1].
    """

    title: str
    y: np.ndarray
    bar: float | None = None
    group: int | None = None
    shade: np.ndarray | None = None
    marks: Sequence[int] = ()
    weights: Sequence[float] = ()


@theme.styled()
def trace_sheet(rows: Sequence[Sequence[Trace]], *, labels: Sequence[str] = (), title: str = "",
                size: tuple[float, float] = (1.15, 0.75)) -> Figure:
    """Rows of traces, `labels` at the left; each has a y axis of its own. Raises ValueError where there is none."""
    if not any(rows):
        raise ValueError("a sheet of traces needs at least one, got none")
    folded = ["\n".join(textwrap.fill(line, 13) for line in label.splitlines()) for label in labels]
    figure, grid = theme.sheet([*map(len, rows)], size[0], [size[1]] * len(rows), [0.22] * len(rows), labels=folded,
                               title=title)
    for row, found in zip(rows, grid, strict=True):
        for trace, axes in zip(row, found, strict=True):
            _trace(axes, trace)
    return figure


@theme.styled()
def over_time(times: np.ndarray, actual: np.ndarray, forecasts: Mapping[str, np.ndarray], *, title: str = "",
              y_label: str = "") -> Figure:
    """The series and its forecasts above, their errors below, against time (`times` in seconds since 1970)."""
    figure = Figure(figsize=(5.8, 3.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    table = pd.DataFrame({"actual": actual, **forecasts}, index=times.astype("datetime64[s]"))
    colours = [theme.INK, *theme.marks(len(forecasts))["palette"]]
    for axes, shown, label in ((above, table, y_label), (below, table.sub(actual, axis=0), "error")):
        sns.lineplot(shown, palette=colours, dashes=False, legend=False, linewidth=0.9, ax=axes)
        axes.set_ylabel(label)
    above.get_lines()[0].set_linewidth(1.4)
    locator = AutoDateLocator()
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    theme.legend(figure, above.get_lines(), list(table), right=True)
    return theme.headline(figure, title)


def _trace(axes: Axes, trace: Trace) -> None:
    y = np.asarray(trace.y, dtype=np.float64)
    low, high = (y.min(), y.max()) if y.max() > y.min() else (y.min() - 0.5, y.max() + 0.5)
    left, right, bottom, top = -0.5, len(y) - 0.5, low - 0.1 * (high - low), high + 0.1 * (high - low)
    if trace.shade is not None:
        axes.imshow(np.asarray(trace.shade)[None], aspect="auto", cmap=theme.SEQUENTIAL, vmin=0, vmax=1,
                    extent=(left, right, bottom, top))
    group = trace.group
    colour = theme.INK if group is None else theme.MUTED if group < 0 else theme.PALETTE[group % len(theme.PALETTE)]
    axes.plot(y, color=colour, linewidth=0.9)
    if marked := list(trace.marks):
        weights = np.asarray(trace.weights) if len(trace.weights) else np.ones(len(marked))
        axes.scatter(marked, y[marked], s=2 + 16 * weights, color=BAR, zorder=3, linewidths=0)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    if trace.bar is not None:
        axes.add_patch(Rectangle((0, 1.02), trace.bar, 0.06, transform=axes.transAxes, clip_on=False, color=BAR,
                                 alpha=0.25 + 0.75 * trace.bar, linewidth=0))
    if group is not None:
        axes.axvline(left, color=colour, linewidth=5)
    axes.set_title(trace.title, loc="center", fontsize=6.5, fontweight="normal", pad=6 if trace.bar is not None else 2)
