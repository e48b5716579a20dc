"""Texts of files steer no terminal and no spreadsheet."""

import pytest

from convscope import printable


@pytest.mark.parametrize(("text", "shown"), [
    ("plain ä 模型", "plain ä 模型"), ("\x1b[31mred", "\ufffd[31mred"),
    ("a\tb\r\nc", "a b  c"), ("\u202eabc", "\ufffdabc"),
    ("\x9b2J\x00", "\ufffd2J\ufffd"), ("", "")])
def test_one_line(text, shown):
    assert printable.line(text) == shown and printable.line(text).isprintable()


def test_lines_stay_lines():
    assert printable.lines("a\r\n\x1bb\nc") == "a\n\ufffdb\nc"


@pytest.mark.parametrize(("text", "shown"), [
    ("=1+1", "'=1+1"), ("  @x", "'  @x"), ("-1+2", "'-1+2"), ("+a", "'+a"), ("\t=x", "'\t=x"), ("-1.5e3", "-1.5e3"),
    ("+2", "+2"), ("-", "-"), ("a=b", "a=b"), ("", ""), ("−5", "−5")])
def test_a_cell_is_no_formula(text, shown):
    assert printable.cell(text) == shown
