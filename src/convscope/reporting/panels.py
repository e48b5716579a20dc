"""Small panels side by side: points of classes, matrices between classes, networks on the plane."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convscope.reporting import theme

NAMED = 12  # classes whose names fit at the side of a matrix


@dataclass(frozen=True)
class Points:
    """`x` [N, 2], `y` [N] the class of each; or with `names` [N], one labelled point per class."""

    x: np.ndarray
    y: np.ndarray
    names: Sequence[str] = ()


@theme.styled()
def scatter(panels: Mapping[str, Points], *, title: str = "", columns: int = 5, size: float = 1.7,
            ticks: bool = True, classes: Sequence[str] = ()) -> Figure:
    """One panel of points per name, equal scales in x and y, a colour and a marker per class.

    `classes` are the names of the classes 0, 1, ... for a legend below the panels; classes without points are left out.
    """
    figure, axes = theme.panels(len(panels), columns, (size, size + 0.3))
    present = sorted({int(k) for points in panels.values() for k in points.y})
    codes = [str(k) for k in range(max(present, default=0) + 1)]  # a class looks the same whichever others there are
    for one, (name, points) in zip(axes, panels.items(), strict=True):
        of = [str(int(k)) for k in points.y]
        if of:
            sns.scatterplot(x=points.x[:, 0], y=points.x[:, 1], hue=of, style=of, hue_order=codes, style_order=codes,
                            **theme.marks(len(codes)), s=16 if len(points.names) else 9, alpha=0.85, linewidth=0,
                            legend="full", ax=one)
        for label, (x, y) in zip(points.names, points.x.tolist(), strict=False):
            one.annotate(str(label), (x, y), xytext=(3, 2), textcoords="offset points", fontsize=6)
        one.set_box_aspect(1)
        one.set_aspect("equal", adjustable="datalim")
        one.margins(0.12)
        one.tick_params(labelsize=6.5)
        for axis in (one.xaxis, one.yaxis):
            axis.set_major_locator(MaxNLocator(3 if ticks else 1))
            axis.set_visible(ticks)
        one.spines[:].set_visible(True)
        one.set_title(theme.fold(name, round(12 * size)))
    keys = max((theme.entries(one) for one in axes), key=len)
    if named := [k for k in present if k < len(classes)]:
        theme.legend(figure, [keys[k] for k in named], [str(classes[k]) for k in named], markerscale=1.6,
                     handletextpad=0)
    return theme.headline(figure, title)


@theme.styled()
def matrices(panels: Mapping[str, tuple[np.ndarray, Sequence[str]]], *, title: str = "", unit: str = "",
             columns: int = 3, size: float = 2.3) -> Figure:
    """One square matrix [K, K] of values in [0, 1] per name, with the K class names where they fit."""
    figure, axes = theme.panels(len(panels), columns, (size, size + 0.3))
    for one, (name, (matrix, classes)) in zip(axes, panels.items(), strict=True):
        names = [str(c) for c in classes] if len(classes) <= NAMED else False
        sns.heatmap(matrix, vmin=0, vmax=1, cmap=theme.SEQUENTIAL, square=True, cbar=False, xticklabels=names,
                    yticklabels=names, ax=one)
        one.tick_params(length=0, pad=2, labelsize=6)
        one.tick_params(axis="x", rotation=90)
        one.tick_params(axis="y", rotation=0)
        one.set_title(theme.fold(name, round(9 * size)))
    scale = ScalarMappable(cmap=theme.SEQUENTIAL)
    bar = figure.colorbar(scale, ax=axes, fraction=0.03, pad=0.01, aspect=30, label=unit)
    bar.ax.spines[:].set_visible(False)
    return theme.headline(figure, title)


@dataclass(frozen=True)
class Plane:
    """A network on the plane: `map` [S, S] of class 1's probability between `limits` [2, 2] (low, high), rows from low
    to high; points `x` [N, 2] of classes `y` [N]; `lines` [H, 3], each (w1, w2, b) of w1 x1 + w2 x2 + b = 0."""

    map: np.ndarray
    limits: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lines: np.ndarray


@theme.styled()
def planes(panels: Mapping[str, Plane], *, title: str = "", columns: int = 4, size: float = 2.0) -> Figure:
    """One panel per name: the decisions as colours, hidden units as lines, and the points."""
    figure, axes = theme.panels(len(panels), columns, (size, size + 0.3))
    for one, (name, plane) in zip(axes, panels.items(), strict=True):
        (left, low), (right, high) = plane.limits
        one.imshow(plane.map, extent=(left, right, low, high), origin="lower", cmap=theme.DIVERGING, vmin=0, vmax=1,
                   alpha=0.6, aspect="auto")
        for w1, w2, b in plane.lines:
            if w1 or w2:  # through the point nearest to the origin, along the line
                near, along = -b * np.array([w1, w2]) / (w1**2 + w2**2), np.array([-w2, w1]) / math.hypot(w1, w2)
                one.axline(tuple(near), tuple(near + along), color=theme.INK, linewidth=0.5, alpha=0.7)
        sns.scatterplot(x=plane.x[:, 0], y=plane.x[:, 1], hue=plane.y.astype(int), s=3, linewidth=0, legend=False,
                        palette=dict(enumerate(theme.PALETTE)), ax=one)
        one.set(xlim=(left, right), ylim=(low, high), xticks=[], yticks=[], title=name)
        one.set_box_aspect(1)
        one.spines[:].set_visible(True)
    return theme.headline(figure, title)
