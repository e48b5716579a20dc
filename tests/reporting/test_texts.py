"""Sheets of texts: what is drawn and written, escaped, folded and marked, and the same bytes for the same texts."""

import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection, PathCollection
from matplotlib.ft2font import FT2Font, LoadFlags

from convscope.reporting.figures import save
from convscope.reporting.texts import POINTS, TextPanel, html_page, text_sheet


def panel(text: str = "some text", heat=None, **more) -> TextPanel:
    return TextPanel(**{"title": "mnemonic", "text": text, "caption": "label a, predicted b",
                        "heat": np.linspace(-1, 1, len(text)) if heat is None else np.asarray(heat), **more})


def spans(page: str) -> list[tuple[str, str, str]]:
    """(background, tooltip, character) of every span that is a character."""
    return re.findall(r'<span style="background:(#\w+)"[^>]*? title="([^"]*)">([^<]*)</span>', page)


def test_a_page_has_a_span_for_each_character_with_its_place_and_heat():
    found = spans(html_page([[panel("abc", [0.5, -0.25, 0.0])]]))
    assert [(tip, text) for _, tip, text in found] == [
        ("character 1: +0.5", "a"), ("character 2: -0.25", "b"), ("character 3: +0", "c")]


def test_no_text_can_add_markup():
    hostile = '<script>alert("&")</script>\'"'
    page = html_page([[panel(hostile, title=hostile, caption=hostile)]], columns=[hostile], title=hostile)
    assert "<script" not in page and "alert(&quot;" in page
    assert "".join(text for *_, text in spans(page)).replace("&lt;", "<").replace("&gt;", ">").replace(
        "&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&") == hostile


def test_colours_follow_the_heat():
    """From blue over white to orange: red rises, blue falls; the scale is the text's own."""
    heat = np.linspace(-3, 3, 21)
    found = [tuple(int(colour[i:i + 2], 16) for i in (1, 3, 5)) for colour, *_ in spans(html_page([[panel("x" * 21,
                                                                                                    heat)]]))]
    difference = [red - blue for red, _, blue in found]
    assert difference == sorted(difference) and len(set(difference)) == 21
    assert abs(difference[10]) < 4 and min(found[10]) > 240
    again = html_page([[panel("x" * 21, heat * 100)]])
    assert [colour for colour, *_ in spans(again)] == [colour for colour, *_ in spans(html_page([[panel("x" * 21,
                                                                                                   heat)]]))]


def test_marked_characters_are_outlined_and_spaces_shown_where_they_matter():
    page = html_page([[panel("a b c  ", [0, 1, 0, 0, 0, 0, 0], marked=[3])]])
    looks = re.findall(r'class="([^"]*)" title="character (\d+)', page)
    assert looks == [("w", "2"), ("m f", "4")]  # a white dot on the darkest colour; an outlined, faint one
    assert [text for *_, text in spans(page)] == ["a", "·", "b", "·", "c"]  # hot, marked; the end's are left out
    figure = text_sheet([[panel("a b c  ", marked=[0, 1, 3])]])
    frames = [c for c in figure.axes[0].collections if isinstance(c, PatchCollection)]
    assert [len(c.get_paths()) for c in frames] == [2, 2]  # two runs, each white below its colour


def test_what_is_not_shown_is_said():
    page = html_page([[panel("abcdef", [1, 0, 0, 0, 0, 3], marked=[5])]], max_characters=4)
    assert len(spans(page)) == 4 and "…" in page
    assert "not shown: 2 characters with 75 % of the heat, 1 of them written by the signal" in page
    assert "not shown" not in html_page([[panel("abc   ", [1, 1, 1, 0, 0, 0])]])
    assert "not shown: 3 spaces after the end with 50 % of the heat" in html_page([[panel("abc   ", [1] * 6)]])
    assert "not shown: 3 spaces after the end" in html_page([[panel("   ", [0] * 3)]])


def test_characters_that_the_font_lacks_have_a_sign():
    page = html_page([[panel("a\n\u0301\x00\U0001f600\ufffdé", np.ones(7))]])
    assert [text for *_, text in spans(page)] == ["a", "⏎", "▯", "▯", "▯", "▯", "é"]


def offsets(figure) -> list[np.ndarray]:
    """Where each of a figure's different characters stands, [n, 2]."""
    return [np.asarray(c.get_offsets()) for c in figure.axes[0].collections if isinstance(c, PathCollection)]


def test_a_figure_draws_every_character_once_and_folds_them():
    text = "abcabc" * 10
    wide, narrow = text_sheet([[panel(text)]], width=60), text_sheet([[panel(text)]], width=20)
    for figure in (wide, narrow):
        assert sorted(map(len, offsets(figure))) == [20, 20, 20]
    rows = {round(float(y), 6) for each in offsets(narrow) for _, y in each}
    assert len(rows) == 3 and narrow.get_figheight() > wide.get_figheight()
    (image,) = narrow.axes[0].images
    assert np.asarray(image.get_array()).shape == (3, 20, 4)


def test_characters_stand_on_their_cells_and_in_their_frames():
    """Every line begins at the left edge of its cells and has as many as its width in advances of the font."""
    figure = text_sheet([[panel("ab" * 30, marked=[20])]], width=20)  # "a" stands at 0, 2, 4, ...
    axes = figure.axes[0]
    (image,), frame = axes.images, next(c for c in axes.collections if isinstance(c, PatchCollection))
    left, right, bottom, top = image.get_extent()
    cell, line = (right - left) / 20, (bottom - top) / 3
    font = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSansMono.ttf")
    advance = font.load_char(ord("a"), LoadFlags.NO_SCALE).horiAdvance / font.units_per_EM
    assert cell == pytest.approx(POINTS * advance / 72)
    for each, first in zip(offsets(figure), (0, 1), strict=True):
        assert np.allclose(np.sort((each[:, 0] - left) / cell), np.repeat(np.arange(first, 20, 2), 3))
        assert set(np.floor((each[:, 1] - top) / line)) == {0, 1, 2}
    (x0, y0), (x1, y1) = frame.get_paths()[0].get_extents().get_points()
    assert np.allclose([x0, x1, y0, y1], [left, left + cell, top + line, top + 2 * line], atol=0.2 * cell)


def test_titles_captions_and_columns_are_written():
    figure = text_sheet([[panel(), panel(title="length")]], columns=["clean", "encoded"], title="Which characters?")
    said = {text.get_text() for text in figure.axes[0].texts}
    assert {"Which characters?", "clean", "encoded", "mnemonic", "length", "label a, predicted b"} <= said
    assert {"for the predicted class", "against it", "written by the signal"} <= said


def test_a_long_title_is_folded_within_the_sheet():
    figure = text_sheet([[panel()]], title="Which characters speak for the predicted class? " * 4)
    renderer = FigureCanvasAgg(figure).get_renderer()
    lines = [t for t in figure.axes[0].texts if t.get_fontsize() == 10]
    assert len(lines) > 3 and all(t.get_window_extent(renderer).x1 < figure.bbox.x1 for t in lines)
    bottoms = [t.get_window_extent(renderer).y0 for t in lines]
    tops = [t.get_window_extent(renderer).y1 for t in lines]
    assert all(top < bottom for bottom, top in zip(bottoms, tops[1:], strict=False))


def test_equal_texts_give_equal_bytes(tmp_path):
    rows = [[panel(marked=[2]), panel("other\ntext")], [panel()]]
    assert html_page(rows, title="t") == html_page(rows, title="t")
    for name in ("a", "b"):
        save(text_sheet(rows, title="t"), tmp_path / name, "sheet", dpi=60)
    for suffix in ("png", "pdf"):
        assert (tmp_path / "a" / f"sheet.{suffix}").read_bytes() == (tmp_path / "b" / f"sheet.{suffix}").read_bytes()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: panel("abc", [1, 2]), r"heat must be one number for each of the 3 characters, got shape \[2\]"),
    (lambda: panel("abc", [1, np.nan, 2]), "heat must be finite, got nan at position 1"),
    (lambda: panel("abc", marked=[3]), r"marked positions must be in 0\.\.2, got 3"),
    (lambda: text_sheet([]), "needs at least one text, got none"),
    (lambda: html_page([[]]), "needs at least one text, got none"),
    (lambda: text_sheet([[panel()]], columns=["a", "b"]), "columns must name the 1 texts of a row, got 2: a, b"),
    (lambda: html_page([[panel()]], width=0), "must be at least 1, got 0 and 320")])
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_it_needs_no_torch():
    code = "import sys, convscope.reporting.texts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
