"""Panels, dots and bars: what is drawn is what was given; and tables of sentences."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from convscope.reporting.bars import dots, stacks
from convscope.reporting.figures import as_png
from convscope.reporting.panels import Points, matrices, scatter
from convscope.reporting.tables import Table, render


def test_scatter_draws_every_point_of_every_class() -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.array([0, 1] * 5)
    figure = scatter({"a_b": Points(x, y), "c": Points(x[:2], y[:2], ["cat", "dog"])}, title="T")
    first, second = figure.axes
    (drawn,) = first.collections
    np.testing.assert_array_equal(np.asarray(drawn.get_offsets()), x)
    marks = np.array([[len(np.asarray(path.vertices))] for path in drawn.get_paths()])
    for look in (np.asarray(drawn.get_facecolor()), marks):  # one for each class
        assert all((look[y == k] == look[k]).all() for k in (0, 1)) and (look[0] != look[1]).any()
    assert first.get_title(loc="left") == "a b" and [t.get_text() for t in second.texts] == ["cat", "dog"]
    assert not figure.legends
    (legend,) = scatter({"a": Points(x, 2 * y)}, classes=["cat", "dog", "fox"]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["cat", "fox"]  # of dogs there are no points
    with pytest.raises(ValueError, match="at least one, got none"):
        scatter({})
    n = 100
    (shown,) = scatter({"none": Points(x[:0], y[:0]), "p": Points(np.eye(n)[:, :2], np.arange(n))}).axes[1].collections
    colours, paths = np.asarray(shown.get_facecolor()).tolist(), [str(path.vertices) for path in shown.get_paths()]
    assert len({(str(c), path) for c, path in zip(colours, paths, strict=True)}) == n


def test_matrices_are_shown_with_their_classes() -> None:
    w = np.array([[1, 0.25], [0.25, 1]])
    figure = matrices({"m": (w, ["x", "y"]), "many": (np.eye(20), [str(i) for i in range(20)])}, columns=2)
    np.testing.assert_array_equal(np.asarray(figure.axes[0].collections[0].get_array()).reshape(2, 2), w)
    assert figure.axes[0].yaxis_inverted()  # the first class above
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["x", "y"]
    assert "19" not in [t.get_text() for t in figure.axes[1].get_xticklabels()]  # too many names to read
    assert "\n" in matrices({"image folder seefood autoencoder": (w, ["x", "y"])}).axes[0].get_title(loc="left")


def test_dots_and_stacks() -> None:
    figure = dots({"a": 10.0, "b": 1000.0}, levels={"need": 100.0}, x_label="bits")
    axes = figure.axes[0]
    drawn = np.concatenate([np.asarray(one.get_offsets()) for one in axes.collections])
    assert axes.get_xscale() == "log" and drawn.tolist() == [[10.0, 0.0], [1000.0, 1.0]]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"] and not axes.yaxis_inverted()
    assert np.array_equal(axes.lines[0].get_xdata(), [100.0, 100.0])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["need"]
    assert dots({"a": 0.0, "b": 3.0}, log_x=False).axes[0].get_xlim()[0] == 0
    shown = stacks(["one", "one"], {"p": np.array([1.0, 2.0]), "_q": np.array([np.inf, 4.0])})
    (bars,) = shown.axes
    assert [t.get_text() for t in shown.legends[0].get_texts()] == ["p", " q"]
    heights = [bar.get_height() for bar in bars.patches if isinstance(bar, Rectangle)]
    assert heights == [1.0, 2.0, 4.0]  # what is not finite has no bar
    assert as_png(figure)[:4] == b"\x89PNG"


def test_sentences_are_wrapped() -> None:
    long = "This sentence is much longer than a number and would make a table as wide as a street. " * 2
    frame = pd.DataFrame({"measured": ["1 of 2", "3"], "meaning": [long.strip(), "short"]}, index=["data", "gap"])
    text = render(Table("findings", "Caption.", frame, index_name="finding"), width=80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80 and lines[2].split() == ["finding", "measured", "meaning"]
    assert lines[4].startswith("data       1 of 2  This sentence") and lines[-1] == "gap             3  short"
    assert " ".join(line[19:].strip() for line in lines[4:-1]) == long.strip()
