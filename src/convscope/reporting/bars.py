"""Amounts of named things: dots on one axis, and groups of bars."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from convscope.reporting import theme


@theme.styled()
def dots(values: Mapping[str, float], *, levels: Mapping[str, float] | None = None, x_label: str = "",
         title: str = "", log_x: bool = True) -> Figure:
    """One line with a dot per name, on a logarithmic axis or one from 0; `levels` are dashed vertical lines."""
    figure = Figure(figsize=(6.2, 0.7 + 0.22 * len(values)), layout="constrained")
    axes = figure.add_subplot(xlabel=x_label)
    amounts, rows, levels = list(values.values()), [str(i) for i in range(len(values))], levels or {}
    sns.stripplot(x=amounts, y=rows, jitter=False, color=theme.PALETTE[0], size=6, ax=axes)
    axes.set_yticks(range(len(amounts)), [name.replace("_", " ") for name in values])
    axes.invert_yaxis()  # the first one at the bottom
    axes.grid(axis="y")
    drawn = [axes.axvline(level, color=theme.PALETTE[1], linewidth=1.1, dashes=dashes)
             for level, dashes in zip(levels.values(), 9 * theme.DASHES, strict=False)]
    if log_x:
        axes.set_xscale("log")
        theme.log_ticks(axes.xaxis, *axes.get_xlim())
    else:
        axes.set_xlim(0, 1.05 * max(amounts))
    if levels:
        theme.legend(figure, drawn, list(levels))
    return theme.headline(figure, title)


@theme.styled()
def stacks(names: Sequence[str], groups: Mapping[str, np.ndarray], *, y_label: str = "", title: str = "") -> Figure:
    """Bars side by side for each name, one colour per group, on a logarithmic axis; what is not finite has no bar."""
    figure = Figure(figsize=(max(4.5, 0.62 * len(names) + 1.4), 2.7), layout="constrained")
    axes = figure.add_subplot()
    table = pd.DataFrame({str(i): np.asarray(values, dtype=float) for i, values in enumerate(groups.values())})
    sns.barplot(table.where(np.isfinite(table)).melt(ignore_index=False).reset_index(), x="index", y="value",
                hue="variable", hue_order=list(table), palette=theme.marks(len(groups))["palette"], saturation=1,
                ax=axes)
    axes.set(yscale="log", xlabel="", ylabel=y_label)
    theme.log_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xticks(range(len(names)), [name.replace(".", "\n") for name in names], fontsize=7)
    axes.grid(axis="y")
    theme.legend(figure, theme.entries(axes), list(groups))
    return theme.headline(figure, title)
