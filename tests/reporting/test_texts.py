"""Sheets of texts: what is drawn and written, escaped, folded and marked, and the same bytes for the same texts."""

import re
import subprocess
import sys
from html import unescape

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from convscope.reporting.figures import save
from convscope.reporting.texts import TextPanel, html_page, text_sheet


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
    assert "<script" not in page and "alert(&#34;" in page and page.count("&lt;script&gt;") == 5
    assert unescape("".join(text for *_, text in spans(page))) == hostile


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
    (axes,) = text_sheet([[panel("a b c  ", marked=[0, 1, 3])]]).axes
    frames = [one.get_bbox().bounds for one in axes.patches if isinstance(one, Rectangle)]
    assert frames == 2 * [(0, 0, 2, 1)] + 2 * [(3, 0, 1, 1)]  # two runs, each white below its colour
    assert [one.get_edgecolor()[:3] == (1, 1, 1) for one in axes.patches] == 2 * [True, False]
    (axes,) = text_sheet([[panel("abcd", marked=[1, 2])]], width=2).axes
    assert [one.get_bbox().bounds for one in axes.patches if isinstance(one, Rectangle)] == [
        *2 * [(1, 0, 1, 1)], *2 * [(0, 1, 1, 1)]]  # each within its line


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


def places(axes) -> list[tuple[str, tuple[float, float]]]:
    """The characters of a panel and the middles of their cells."""
    return [(text.get_text(), text.get_position()) for text in axes.texts if text.get_text()]


def test_a_figure_draws_every_character_once_and_folds_them():
    text = "abcabc" * 10
    wide, narrow = text_sheet([[panel(text)]], width=60), text_sheet([[panel(text)]], width=20)
    for figure in (wide, narrow):
        assert "".join(glyph for glyph, _ in places(figure.axes[0])) == text
    assert len({y for _, (_, y) in places(narrow.axes[0])}) == 3 and narrow.get_figheight() > wide.get_figheight()
    (mesh,) = narrow.axes[0].collections
    assert np.asarray(mesh.get_array()).size == 60
    assert np.allclose(np.asarray(mesh.get_array()).ravel(), np.linspace(-1, 1, 60))


def test_characters_stand_in_their_cells_and_these_in_their_frames(tmp_path):
    """Every character is drawn within its cell, every line begins at the left edge and has as many as its width."""
    figure = text_sheet([[panel("ab" * 30, marked=[20])], [panel("xyz")]], width=20)
    axes = figure.axes[0]
    assert places(axes) == [("ab"[i % 2], (i % 20 + 0.5, i // 20 + 0.5)) for i in range(60)]
    save(figure, tmp_path, "sheet", dpi=60)  # lays it out
    cell = axes.transData.transform([(1, 0), (0, 1)]) - axes.transData.transform([(0, 0), (0, 0)])
    assert axes.get_xlim()[0] == 0 and axes.get_ylim() == (3, 0)
    for text in axes.texts[:60]:
        drawn, (x, y) = text.get_window_extent().size, np.abs(cell).max(axis=0)
        assert drawn[0] <= 1.1 * x and drawn[1] <= 1.1 * y
    other = figure.axes[1].transData.transform([(1, 0), (0, 1)]) - figure.axes[1].transData.transform([(0, 0), (0, 0)])
    assert np.allclose(cell, other, rtol=0.1)  # cells are of one size in the whole sheet
    frame = axes.patches[0]
    assert isinstance(frame, Rectangle) and frame.get_bbox().bounds == (0, 1, 1, 1)


def test_titles_captions_and_columns_are_written():
    figure = text_sheet([[panel(), panel(title="length")]], columns=["clean", "encoded"], title="Which characters?")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mnemonic (clean)", "length (encoded)"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["label a, predicted b"] * 2
    assert figure.get_suptitle() == "Which characters?"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "for the predicted class", "against it", "written by the signal"]


def test_a_text_of_several_lines_is_cut_with_an_ellipsis_after_its_last_character():
    (axes,) = text_sheet([[panel("abcdef")]], width=2, max_characters=4).axes
    assert places(axes) == [
        ("a", (0.5, 0.5)), ("b", (1.5, 0.5)), ("c", (0.5, 1.5)), ("d", (1.5, 1.5)), ("…", (2, 1.5))]
    assert axes.get_xlabel() == "label a, predicted b\nnot shown: 2 characters with 44 % of the heat"


def test_a_long_title_is_folded_within_the_sheet(tmp_path):
    figure = text_sheet([[panel()]], title="Which characters speak for the predicted class? " * 4)
    save(figure, tmp_path, "sheet", dpi=60)  # lays it out
    (title,) = [text for text in figure.texts if text.get_text() == figure.get_suptitle()]
    box, below = title.get_window_extent(), figure.axes[0].get_tightbbox()
    assert below is not None and box.height > 3 * 10 * figure.dpi / 72
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 and below.y1 <= box.y0


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


def test_panels_need_no_torch_and_no_seaborn():
    """Studies make them before anything is drawn."""
    code = "import sys, convscope.reporting.texts; sys.exit(bool({'torch', 'seaborn', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
