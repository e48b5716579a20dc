"""Figures: what is drawn is the data; texts are no markup; equal input, equal bytes; the user's matplotlib stays."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from convscope.reporting.bars import dots, stacks
from convscope.reporting.figures import Picture, change, curves, heat_table, image_sheet, save
from convscope.reporting.panels import Plane, Points, matrices, planes, scatter
from convscope.reporting.series import Trace, over_time, trace_sheet
from convscope.reporting.texts import TextPanel, text_sheet


def heat() -> Figure:
    values = pd.DataFrame([[0.5, np.nan], [1.0, 0.1]], ["resnet", "tree"], ["one_pixel", "noise"])
    text = pd.DataFrame([["50.0 ± 0.1", "not run"], ["100.0", "10.0"]], values.index, values.columns)
    return heat_table(values, text, title="t", unit="accuracy", bold=values == 1.0, limits=(0, 1))


def dose() -> pd.DataFrame:
    return pd.DataFrame([
        {"signal": signal, "amplitude": amplitude, "mean": 0.5 + 0.1 * i, "ci95": 0.02, "metric": metric}
        for signal in ("one_pixel", "noise") for i, amplitude in enumerate((0.0, 0.001, 0.01))
        for metric in ("accuracy", "reliance")])


def sheet() -> Figure:
    carrier = np.linspace(0, 1, 64).reshape(1, 8, 8)
    encoded = carrier.copy()
    encoded[0, 4, 4] = 0.003
    row = [Picture("carrier", carrier), ("encoded", encoded), change(carrier, encoded, circles=[(4, 4)])]
    return image_sheet([row], labels=["one_pixel"], title="t")


def band_of(figure: Figure) -> tuple[float, float]:
    outline = np.asarray(figure.axes[0].collections[0].get_paths()[0].vertices)
    return outline[:, 1].min(), outline[:, 1].max()


def ticks(figure: Figure, axis: str) -> list[str]:
    """The labels that stand at ticks within the last panel; of y, within the first."""
    figure.draw_without_rendering()
    axes = figure.axes[-1 if axis == "x" else 0]
    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    labels = axes.get_xticklabels() if axis == "x" else axes.get_yticklabels()
    return [t.get_text() for t in labels if low <= t.get_position()["xy".index(axis)] <= high]


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_heat_table_shows_every_number_and_hatches_what_was_not_run():
    figure = heat()
    found = {t.get_position(): t for t in figure.axes[0].texts}
    assert {place: t.get_text() for place, t in found.items()} == {
        (0.5, 0.37): "50.0", (0.5, 0.74): "± 0.1", (1.5, 0.5): "not run", (0.5, 1.5): "100.0", (1.5, 1.5): "10.0"}
    assert [t.get_text() for t in found.values() if t.get_fontweight() == "bold"] == ["100.0"]
    cells = np.ma.asarray(figure.axes[0].collections[0].get_array())
    assert np.ma.getmaskarray(cells).tolist() == [[False, True], [False, False]]
    assert figure.axes[0].patch.get_hatch() == "////"  # the ground, seen where there is no cell


def test_numbers_can_be_read_on_every_colour():
    values = pd.DataFrame([np.linspace(0, 1, 11)])
    drawn = heat_table(values, values.map(str)).axes[0].texts
    assert [t.get_color() for t in drawn] == ["#262626"] * 7 + ["white"] * 4


def test_a_table_of_many_columns_and_few_rows_is_turned():
    values = pd.DataFrame([np.arange(40.0)], ["net"], [f"noise {i}" for i in range(40)])
    figure = heat_table(values, values.map(str))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(values)
    assert figure.get_figwidth() < figure.get_figheight() and texts(figure) == [str(v) for v in values.iloc[0]]


def test_heat_table_refuses_other_shapes():
    with pytest.raises(ValueError, match="one shape"):
        heat_table(pd.DataFrame([[1.0]]), pd.DataFrame([["a", "b"]]))


def test_curves_draw_the_points_and_set_zero_apart():
    figure = curves(dose(), x="amplitude", y="mean", band="ci95", line="metric", panel="signal", hlines={"chance": 0.1})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one pixel", "noise"]
    (drawn,) = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(drawn, [[0, 0.5], [0.001, 0.6], [0.01, 0.7]])
    assert band_of(figure) == (pytest.approx(0.48), pytest.approx(0.72))
    shown = figure.axes[0].transData.transform(drawn)[:, 0]
    left, width = figure.axes[0].bbox.x0, figure.axes[0].bbox.width
    assert all(np.diff([left, *shown]) > 0.03 * width)  # each in its place, though 0 has no logarithm
    assert ticks(figure, "x") == ["0", "0.001", "0.002", "0.005", "0.01"] and ticks(figure, "y")[0].endswith(" %")
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["accuracy", "reliance", "chance"]


def test_bands_of_fractions_end_at_one():
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0.99, 0.99], "h": [0.1, 0.1]})
    for percent, top in ((True, 1.0), (False, 1.09)):
        figure = curves(frame, x="x", y="y", band="h", log_x=False, percent=percent)
        assert band_of(figure)[1] == pytest.approx(top)


def test_many_long_lines_stay_apart_and_their_legend_in_the_figure():
    names = [f"a rather long name {i}" for i in range(11)]
    frame = pd.DataFrame([{"x": x, "y": i / 10, "line": name, "panel": panel} for panel in "ab"
                          for i, name in enumerate(names) for x in range(33)])
    figure = curves(frame, x="x", y="y", line="line", panel="panel", log_x=False)
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), line.is_dashed(), line.get_markerfacecolor()) for line in lines}) == 11
    assert len({str(line.get_marker()) for line in lines}) == 11
    assert [line.get_markevery() for line in lines] == [4] * 11 and not legend_of(figure.axes[0])
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1 and legend.y1 < figure.axes[0].get_window_extent().y0


def legend_of(axes) -> list:
    """What seaborn leaves for a legend of its own: nothing, as the figure has one."""
    return axes.get_legend_handles_labels()[0]


@pytest.mark.parametrize(("xs", "labels"), [
    ((0.02, 0.05, 0.1), ["0.02", "0.05", "0.1"]), ((700, 8000), ["1,000", "2,000", "5,000"]),
    ((1, 10, 20000), ["1", "10", "100", "1,000", "10,000"]), ((0, 0.01, 0.1, 1), ["0", "0.01", "0.1", "1"]),
    ((0, 0.02, 0.1), ["0", "0.02", "0.05", "0.1"]), ((0, 0.5), ["0", "0.5"]),
    ((0.3, 0.4), ["0.3", "0.32", "0.34", "0.36", "0.38", "0.4"])])
def test_a_logarithmic_axis_has_plain_numbers(xs, labels):
    figure = curves(pd.DataFrame({"x": xs, "y": 0.5}), x="x", y="y")
    assert ticks(figure, "x") == labels


def test_levels_may_differ_by_panel():
    figure = curves(dose(), x="amplitude", y="mean", panel="signal", hlines={"noise": {"blind": 0.25}})
    dashed = [[line for line in axes.lines if np.all(np.equal(line.get_ydata(), 0.25))] for axes in figure.axes]
    assert [len(lines) for lines in dashed] == [0, 1]


def test_names_are_not_taken_for_numbers_or_comments():
    frame = pd.DataFrame({"x": [1, 2] * 4, "y": 0.5, "line": np.repeat([10, 2, "_a", ""], 2)})
    frame["line"] = [10, 10, 2, 2, "_a", "_a", "b", "b"]
    figure = curves(frame, x="x", y="y", line="line", log_x=False)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["10", "2", " a", "b"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 4


def test_a_dollar_is_a_dollar(tmp_path):
    """No text of a user is mathtext: one with two dollars would end a report, or be set in italics."""
    name = r"$\frac{$ 5$ _^"
    frame = dose().assign(signal=name)
    values = pd.DataFrame([[0.5, np.nan]], [name], [name, "b"])
    figures = [
        curves(frame, x="amplitude", y="mean", line="metric", panel="signal", title=name, x_label=name, y_label=name,
               hlines={name: 0.2}),
        heat_table(values, values.map(lambda v: name), title=name, unit=name),
        image_sheet([[(name, np.zeros((4, 4)))]], labels=[name], title=name),
        scatter({name: Points(np.eye(2), np.array([0, 1]), [name, "b"])}, classes=[name, "b"], title=name),
        matrices({name: (np.eye(2), [name, "b"])}, title=name, unit=name),
        planes({name: Plane(np.eye(2), np.array([[0, 0], [1, 1]]), np.eye(2), np.arange(2), np.eye(3))}, title=name),
        dots({name: 10.0, "b": 1000.0}, levels={name: 5.0}, x_label=name, title=name),
        stacks([name, "b"], {name: np.array([1.0, 2000.0])}, y_label=name, title=name),
        trace_sheet([[Trace(name, np.arange(3))]], labels=[name], title=name),
        over_time(np.arange(3), np.arange(3.0), {name: np.arange(3.0)}, y_label=name, title=name),
        text_sheet([[TextPanel(name, name, np.ones(len(name)), caption=name)]], columns=[name], title=name)]
    for figure in figures:
        save(figure, tmp_path, "f", dpi=40)
        found = [t for t in figure.findobj(Text) if "$" in t.get_text()]
        assert found and not any(t.get_parse_math() for t in figure.findobj(Text))


def test_curves_refuse_what_a_logarithm_cannot_show():
    frame = dose().assign(amplitude=-1.0)
    with pytest.raises(ValueError, match="at least 0; got 6 finite points of 12"):
        curves(frame.assign(mean=frame["mean"].where(frame["signal"] == "noise")), x="amplitude", y="mean")
    with pytest.raises(ValueError, match="got 0 finite points"):
        curves(dose().assign(mean=np.nan), x="amplitude", y="mean")


@pytest.mark.parametrize(("amount", "factor"), [
    (0.5, "2"), (-0.4, "2"), (0.001, "1,000"), (0.02, "50"), (0.3, "2"), (1, "1"), (2, "0.5")])
def test_change_is_magnified_by_the_factor_in_its_title(amount, factor):
    carrier = np.full((3, 4, 4), 0.5)
    encoded = carrier.copy()
    encoded[1, 2, 3] += amount
    picture = change(carrier, encoded)
    assert picture.title == f"change × {factor}" and picture.signed
    assert np.allclose(picture.image, (encoded - carrier) * float(factor.replace(",", "")))
    assert 0.4 <= np.abs(picture.image).max() <= 1 + 1e-6


def test_no_change_says_so():
    assert change(np.ones((1, 2, 2)), np.ones((1, 2, 2))).title == "no change"


def test_sheet_shows_images_unsmoothed_with_circles():
    figure = sheet()
    shown = [axes.images[0] for axes in figure.axes]
    assert [i.get_interpolation() for i in shown] == ["nearest"] * 3
    assert [i.get_clim() for i in shown] == [(0, 1), (0, 1), (-1, 1)]
    assert [len(axes.patches) for axes in figure.axes] == [0, 0, 2]
    assert [axes.get_title() for axes in figure.axes] == ["carrier", "encoded", "change × 1"]
    assert figure.axes[2].patches[0].center == (4, 4)  # pyright: ignore[reportAttributeAccessIssue]


def test_titles_that_a_column_shares_are_shown_once():
    image = np.zeros((2, 2))
    figure = image_sheet([[("a", image)], [("a", image), ("b", image)], [("a", image), ("b", image)]])
    assert [axes.get_title() for axes in figure.axes] == ["a", "", "b", "", "b"]  # the first row has no b


def test_signed_colour_shows_the_channel_of_the_largest_change():
    image = np.zeros((3, 2, 2))
    image[:, 0, 0] = (0.2, -0.9, 0.1)
    shown = image_sheet([[Picture("", image, signed=True)]]).axes[0].images[0].get_array()
    assert np.allclose(np.asarray(shown), [[-0.9, 0], [0, 0]])


def test_an_image_beyond_its_range_is_marked():
    image = np.linspace(-0.5, 0.5, 4).reshape(1, 2, 2)
    figure = image_sheet([[Picture("mean", image)]])
    assert texts(figure) == ["scaled to its range"]
    assert np.allclose(np.asarray(figure.axes[0].images[0].get_array()).ravel(), [0, 1 / 3, 2 / 3, 1])
    assert texts(image_sheet([[Picture("a", np.full((1, 2, 2), 1.009))]])) == []


@pytest.mark.parametrize("shape", [(2, 4, 4), (4,), (1, 3, 4, 4), (1, 0, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"a: an image is .*, got \("):
        image_sheet([[("a", np.zeros(shape))]])
    with pytest.raises(ValueError, match="at least one image"):
        image_sheet([[]])


def test_equal_figures_give_equal_bytes(tmp_path):
    def dose_response() -> Figure:
        return curves(dose(), x="amplitude", y="mean", band="ci95", line="signal")

    for name, draw in (("heat", heat), ("sheet", sheet), ("curves", dose_response)):
        first = [p.read_bytes() for p in save(draw(), tmp_path / "a", name)]
        second = [p.read_bytes() for p in save(draw(), tmp_path / "b", name)]
        assert first == second and first[0].startswith(b"\x89PNG") and first[1].startswith(b"%PDF")
        assert b"CreationDate" not in first[1] and b"atplotlib" not in first[0]


def test_a_fresh_process_gives_equal_bytes_without_a_figure_of_pyplot(tmp_path):
    code = ("import sys, pathlib, matplotlib, pandas as pd; backend = matplotlib.rcParams._get('backend')\n"
            "from convscope.reporting.figures import heat_table, save\n"
            "v = pd.DataFrame([[.5, 1.]], ['a'], ['b', 'c'])\n"
            "save(heat_table(v, v.map(str), title='déjà ± × −'), pathlib.Path(sys.argv[1]), 'f')\n"
            "assert not {'torch', 'wandb'} & set(sys.modules)\n"
            "import matplotlib.pyplot as plt; assert not plt.get_fignums()\n"  # seaborn imports it; nothing uses it
            "assert matplotlib.rcParams._get('backend') is backend and plt.rcParams['font.size'] == 10")
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / seed)],
                             env={**os.environ, "PYTHONHASHSEED": seed}) for seed in ("1", "2")]
    assert [run.wait() for run in runs] == [0, 0]
    for name in ("f.png", "f.pdf"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_the_users_settings_neither_matter_nor_change(tmp_path):
    expected = save(heat(), tmp_path, "a")[0].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 10}):
        before = dict(matplotlib.rcParams)
        assert save(heat(), tmp_path, "b")[0].read_bytes() == expected
        assert dict(matplotlib.rcParams) == before
