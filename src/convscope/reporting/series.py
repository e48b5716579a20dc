"""Figures of time series: forecasts over time, and sheets of small line plots, one per filter."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from convscope.reporting.figures import INK, MUTED, PALETTE, SEQUENTIAL, styled

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


@styled
def trace_sheet(rows: Sequence[Sequence[Trace]], *, labels: Sequence[str] = (), title: str = "",
                size: tuple[float, float] = (1.15, 0.75)) -> Figure:
    """Rows of traces, `labels` at the left; each has a y axis of its own. Raises ValueError where there is none."""
    if not any(rows):
        raise ValueError("a sheet of traces needs at least one, got none")
    columns = max(map(len, rows))
    left, gap, head = 0.95 if labels else 0.12, 0.1, 0.22
    width = left + columns * (size[0] + gap)
    title = textwrap.fill(title, max(20, int(11 * width)))  # 11 of its letters are an inch
    top = 0.17 * (title.count("\n") + 2) if title else 0.08
    height = top + len(rows) * (size[1] + head + gap)
    figure = Figure(figsize=(width, height))
    y = height - top
    for r, row in enumerate(rows):
        y -= size[1] + head
        for c, trace in enumerate(row):
            box = ((left + c * (size[0] + gap)) / width, y / height, size[0] / width, size[1] / height)
            _trace(figure.add_axes(box), trace)
        if r < len(labels):
            label = "\n".join(textwrap.fill(line, 13) for line in labels[r].splitlines())
            figure.text((left - 0.12) / width, (y + size[1] / 2) / height, label, ha="right", va="center")
        y -= gap
    if title:
        figure.text(0.1 / width, 1 - 0.08 / height, title, ha="left", va="top", fontsize=10, fontweight="bold")
    return figure


@styled
def over_time(times: np.ndarray, actual: np.ndarray, forecasts: Mapping[str, np.ndarray], *, title: str = "",
              y_label: str = "") -> Figure:
    """The series and its forecasts above, their errors below, against time (`times` in seconds since 1970)."""
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    when = times.astype("datetime64[s]")
    above.plot(when, actual, color=INK, linewidth=1.4, label="actual")
    for k, (name, forecast) in enumerate(forecasts.items()):
        above.plot(when, forecast, color=PALETTE[k % len(PALETTE)], linewidth=0.8, label=name)
        below.plot(when, forecast - actual, color=PALETTE[k % len(PALETTE)], linewidth=0.8)
    below.axhline(0, color=MUTED, linewidth=0.6)
    above.set_ylabel(y_label)
    below.set_ylabel("error")
    locator = AutoDateLocator()
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    figure.legend(loc="outside right center")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _trace(axes: Axes, trace: Trace) -> None:
    low, high = float(np.min(trace.y)), float(np.max(trace.y))
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    span, steps = high - low, np.arange(len(trace.y))
    if trace.shade is not None:
        axes.imshow(np.asarray(trace.shade)[None], aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=1,
                    extent=(-0.5, len(trace.y) - 0.5, low - 0.1 * span, high + 0.1 * span))
    colour = INK if trace.group is None else MUTED if trace.group < 0 else PALETTE[trace.group % len(PALETTE)]
    axes.plot(steps, trace.y, color=colour, linewidth=0.9)
    if len(trace.marks):
        weights = np.asarray(trace.weights) if len(trace.weights) else np.ones(len(trace.marks))
        axes.scatter(steps[list(trace.marks)], np.asarray(trace.y)[list(trace.marks)], s=2 + 16 * weights, color=BAR,
                     zorder=3, linewidths=0)
    axes.set(xlim=(-0.5, len(trace.y) - 0.5), ylim=(low - 0.1 * span, high + 0.1 * span), xticks=[], yticks=[])
    if trace.bar is not None:
        axes.add_patch(Rectangle((0, 1.02), trace.bar, 0.06, transform=axes.transAxes, clip_on=False, color=BAR,
                                 alpha=0.25 + 0.75 * trace.bar, linewidth=0))
    if trace.group is not None:
        axes.axvline(-0.5, color=colour, linewidth=5)
    axes.spines[:].set_visible(True)
    axes.spines[:].set(color="#c4c4c4", linewidth=0.6)
    axes.set_title(trace.title, loc="center", fontsize=6.5, pad=6 if trace.bar is not None else 2)
