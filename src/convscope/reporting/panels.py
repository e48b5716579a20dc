"""Small panels side by side: points of classes, matrices between classes."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convscope.reporting.figures import DIVERGING, INK, MARKERS, PALETTE, SEQUENTIAL, styled

NAMED = 12  # classes whose names fit at the side of a matrix


@dataclass(frozen=True)
class Points:
    """`x` [N, 2], `y` [N] the class of each; or with `names` [N], one labelled point per class."""

    x: np.ndarray
    y: np.ndarray
    names: Sequence[str] = ()


@styled
def scatter(panels: Mapping[str, Points], *, title: str = "", columns: int = 5, size: float = 1.7,
            ticks: bool = True) -> Figure:
    """One panel of points per name, equal scales in x and y, a colour and a marker per class."""
    figure, axes = _panels(len(panels), columns, size, title)
    for one, (name, points) in zip(axes, panels.items(), strict=False):
        for k in np.unique(points.y):
            of_class = points.x[points.y == k]
            again, colour = divmod(int(k), len(PALETTE))  # more classes than colours: another marker
            one.scatter(of_class[:, 0], of_class[:, 1], s=9 if not len(points.names) else 16, alpha=0.85, linewidths=0,
                        color=PALETTE[colour], marker=MARKERS[(int(k) + again) % len(MARKERS)])
        for label, place in zip(points.names, points.x, strict=False):
            one.annotate(str(label), (float(place[0]), float(place[1])), xytext=(3, 2), textcoords="offset points",
                         fontsize=6, color=INK)
        one.set_box_aspect(1)
        one.set_aspect("equal", adjustable="datalim")
        one.margins(0.12)
        one.xaxis.set_major_locator(MaxNLocator(3))
        one.yaxis.set_major_locator(MaxNLocator(3))
        one.tick_params(length=2, labelsize=6.5)
        if not ticks:
            one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(True)
        one.set_title(textwrap.fill(name.replace("_", " "), round(12 * size)), fontweight="bold")
    return figure


@styled
def matrices(panels: Mapping[str, tuple[np.ndarray, Sequence[str]]], *, title: str = "", unit: str = "",
             columns: int = 3, size: float = 2.3) -> Figure:
    """One square matrix [K, K] of values in [0, 1] per name, with the K class names where they fit."""
    figure, axes = _panels(len(panels), columns, size, title)
    norm = Normalize(0, 1)
    for one, (name, (matrix, classes)) in zip(axes, panels.items(), strict=False):
        one.imshow(matrix, cmap=SEQUENTIAL, norm=norm, interpolation="nearest")
        if len(classes) <= NAMED:
            places = range(len(classes))
            one.set_xticks(places, [str(c) for c in classes], rotation=90, fontsize=6)
            one.set_yticks(places, [str(c) for c in classes], fontsize=6)
        one.tick_params(length=0, pad=2)
        one.spines[:].set_visible(False)
        one.set_title(textwrap.fill(name.replace("_", " "), round(9 * size)), fontweight="bold")
    bar = figure.colorbar(ScalarMappable(norm, SEQUENTIAL), ax=list(axes), fraction=0.03, pad=0.01, aspect=30)
    bar.set_label(unit)
    bar.ax.tick_params(length=2)
    return figure


@dataclass(frozen=True)
class Plane:
    """A network on the plane: `map` [S, S] of class 1's probability between `limits` [2, 2] (low, high), rows from low
    to high; points `x` [N, 2] of classes `y` [N]; `lines` [H, 3], each (w1, w2, b) of w1 x1 + w2 x2 + b = 0."""

    map: np.ndarray
    limits: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lines: np.ndarray


@styled
def planes(panels: Mapping[str, Plane], *, title: str = "", columns: int = 4, size: float = 2.0) -> Figure:
    """One panel per name: the decisions as colours, hidden units as lines, and the points."""
    figure, axes = _panels(len(panels), columns, size, title)
    for one, (name, plane) in zip(axes, panels.items(), strict=False):
        (left, low), (right, high) = plane.limits
        one.imshow(plane.map, extent=(left, right, low, high), origin="lower", cmap=DIVERGING, norm=Normalize(0, 1),
                   alpha=0.6, aspect="auto")
        for w1, w2, b in plane.lines:
            if w1 or w2:  # through the point nearest to the origin, along the line
                near, along = -b * np.array([w1, w2]) / (w1**2 + w2**2), np.array([-w2, w1]) / math.hypot(w1, w2)
                one.axline(tuple(near), tuple(near + along), color=INK, linewidth=0.5, alpha=0.7)
        for k in np.unique(plane.y):
            of_class = plane.x[plane.y == k]
            one.scatter(of_class[:, 0], of_class[:, 1], s=3, linewidths=0, color=PALETTE[int(k) % len(PALETTE)])
        one.set(xlim=(left, right), ylim=(low, high), xticks=[], yticks=[])
        one.set_box_aspect(1)
        one.spines[:].set_visible(True)
        one.set_title(name, fontweight="bold")
    return figure


def _panels(count: int, columns: int, size: float, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with `count` visible square panels; raises ValueError for none."""
    if not count:
        raise ValueError("a figure of panels needs at least one, got none")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(size * columns + 0.3, (size + 0.3) * rows + 0.4 * bool(title)), layout="constrained")
    grid: Iterator[Axes] = iter(figure.subplots(rows, columns, squeeze=False).ravel())
    axes = [next(grid) for _ in range(count)]
    for spare in grid:
        spare.set_visible(False)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure, axes
