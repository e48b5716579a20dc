"""Figures: what is drawn is the data; equal input, equal bytes; the user's matplotlib stays as it was."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from convscope.reporting.figures import Picture, change, curves, heat_table, image_sheet, save


def heat() -> Figure:
    values = pd.DataFrame([[0.5, np.nan], [1.0, 0.1]], ["resnet", "tree"], ["one_pixel", "noise"])
    text = pd.DataFrame([["50.0 ± 0.1", "not run"], ["100.0", "10.0"]], values.index, values.columns)
    return heat_table(values, text, title="t", unit="accuracy", bold=values == 1.0, limits=(0, 1), rules=(1,))


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


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_heat_table_shows_every_number_and_hatches_what_was_not_run():
    figure = heat()
    assert texts(figure) == ["50.0", "± 0.1", "not run", "100.0", "10.0"]
    assert [p.get_hatch() for p in figure.axes[0].patches] == [None, "////", None, None]
    assert [t.get_fontweight() for t in figure.axes[0].texts] == ["normal", "normal", "normal", "bold", "normal"]


def test_heat_table_refuses_other_shapes():
    with pytest.raises(ValueError, match="one shape"):
        heat_table(pd.DataFrame([[1.0]]), pd.DataFrame([["a", "b"]]))


def test_curves_draw_the_points_and_set_zero_apart():
    figure = curves(dose(), x="amplitude", y="mean", band="ci95", line="metric", panel="signal", hlines={"chance": 0.1})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one pixel", "noise"]
    drawn, zero = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(drawn, [[0.001, 0.6], [0.01, 0.7]])
    assert zero.shape == (1, 2) and 0 < zero[0, 0] < 0.001 and zero[0, 1] == 0.5
    assert band_of(figure) == (pytest.approx(0.58), pytest.approx(0.72))
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
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1 and legend.y1 < figure.axes[0].get_window_extent().y0


def test_levels_may_differ_by_panel():
    figure = curves(dose(), x="amplitude", y="mean", panel="signal", hlines={"noise": {"blind": 0.25}})
    dashed = [[line for line in axes.lines if np.all(np.equal(line.get_ydata(), 0.25))] for axes in figure.axes]
    assert [len(lines) for lines in dashed] == [0, 1]


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


def test_a_fresh_process_gives_equal_bytes_without_pyplot(tmp_path):
    code = ("import sys, pathlib, pandas as pd; from convscope.reporting.figures import heat_table, save\n"
            "v = pd.DataFrame([[.5, 1.]], ['a'], ['b', 'c'])\n"
            "save(heat_table(v, v.map(str), title='déjà ± × −'), pathlib.Path(sys.argv[1]), 'f')\n"
            "assert not {'matplotlib.pyplot', 'torch', 'wandb'} & set(sys.modules)")
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
