"""Amounts of named things: dots on one logarithmic axis, and groups of bars."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from convscope.reporting.figures import DASHES, FAINT, MUTED, PALETTE, styled


@styled
def dots(values: Mapping[str, float], *, levels: Mapping[str, float] | None = None, x_label: str = "",
         title: str = "", log_x: bool = True) -> Figure:
    """One line with a dot per name, on a logarithmic axis or one from 0; `levels` are dashed vertical lines."""
    figure = Figure(figsize=(6.2, 1.1 + 0.22 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    names = list(values)
    axes.hlines(range(len(names)), 0, list(values.values()), color=FAINT, linewidth=1.2)
    axes.plot(list(values.values()), range(len(names)), "o", color=PALETTE[0], markersize=5)
    for i, (name, value) in enumerate((levels or {}).items()):
        axes.axvline(value, color=PALETTE[1], linewidth=1.1, dashes=DASHES[i % len(DASHES)], label=name)
    if log_x:
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, 1.05 * max(values.values()))
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.tick_params(length=2.5)
    axes.set_xlabel(x_label)
    if levels:
        figure.legend(loc="outside lower center", ncols=2)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


@styled
def stacks(names: Sequence[str], groups: Mapping[str, np.ndarray], *, y_label: str = "", title: str = "") -> Figure:
    """Bars side by side for each name, one colour per group, on a logarithmic axis; what is not finite has no bar."""
    figure = Figure(figsize=(max(4.5, 0.62 * len(names) + 1.4), 3.2), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(groups)
    for i, (name, values) in enumerate(groups.items()):
        finite = np.isfinite(values)
        places = np.arange(len(names)) + (i - (len(groups) - 1) / 2) * width
        axes.bar(places[finite], np.asarray(values, dtype=float)[finite], width, color=PALETTE[i], label=name)
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), [name.replace(".", "\n") for name in names], fontsize=7)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=2.5)
    axes.set_ylabel(y_label)
    axes.spines["left"].set_color(MUTED)
    figure.legend(loc="outside lower center", ncols=len(groups))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
