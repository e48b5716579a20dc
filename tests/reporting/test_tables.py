"""Tables as csv, markdown, LaTeX and in a terminal: small golden texts, escapes, refusals."""

import csv
import io
import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from convscope.reporting.tables import Table, grid, latex, markdown, number, paper_table, percent, render, write


@pytest.fixture
def table() -> Table:
    frame = pd.DataFrame([
        {"model": "resnet", "method": "one_pixel", "mean": 0.834, "sem": 0.0041, "n_seeds": 3},
        {"model": "tree", "method": "one_pixel", "mean": 1.0, "sem": math.nan, "n_seeds": 1},
        {"model": "resnet", "method": "noise", "mean": 0.9, "sem": math.nan, "n_seeds": 1},
    ])
    return grid(frame, name="small", caption="Accuracy & error, 10 % of data_x", row_order=["resnet", "tree"])


def test_percent_and_number():
    assert percent(0.834, 0.0041, 3) == "83.4 ± 0.4"
    assert percent(0.834, math.nan, 1) == percent(0.834) == percent(0.834, 0.1, 1) == "83.4"
    assert percent(None) == percent(math.nan) == percent(0.5, 0.1, 0) == "not run"
    assert percent(-0.0001) == "0.0"
    assert number(1.23456, 0.01, 2, digits=2) == "1.23 ± 0.01"


def test_golden_csv(table, tmp_path):
    paths = write(table, tmp_path)
    assert [p.name for p in paths] == ["small.csv", "small.md", "small.tex"]
    assert paths[0].read_text() == "model,one_pixel,noise\nresnet,0.834,0.9\ntree,1.0,\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.csv", "small.md", "small.tex"]


def test_golden_markdown(table):
    assert markdown(table) == (
        "| model   |   one_pixel |    noise |\n"
        "|:--------|------------:|---------:|\n"
        "| resnet  |  83.4 ± 0.4 | **90.0** |\n"
        "| tree    |   **100.0** |  not run |\n\nAccuracy & error, 10 % of data_x\n")


def test_golden_latex(table):
    assert latex(table) == r"""% needs \usepackage{booktabs}
\begin{table}[t]
\centering
\caption{Accuracy \& error, 10 \% of data\_x}
\label{tab:small}
\begin{tabular}{lrr}
\toprule
model & one\_pixel & noise \\
\midrule
resnet & 83.4 $\pm$ 0.4 & \textbf{90.0} \\
tree & \textbf{100.0} & not run \\
\bottomrule
\end{tabular}
\end{table}
"""


def test_every_special_character_is_escaped():
    table = Table("t", r"a\b {c} $d ~ ^ # <e>", pd.DataFrame({"x|y*z": ["a&b_c%"]}, ["p`q<r"]))
    assert r"\caption{a\textbackslash{}b \{c\} \$d \textasciitilde{} \textasciicircum{} \# $<$e$>$}" in latex(table)
    assert r"p`q$<$r & a\&b\_c\% \\" in latex(table)
    assert markdown(table).splitlines()[0] == r"|         |   x\|y\*z |"
    assert markdown(table).splitlines()[2] == r"| p\`q\<r |    a&b_c% |"
    lines = markdown(Table("t", "a\nb", pd.DataFrame({"x\ny": ["1\n2"]}, ["p\nq"]))).splitlines()
    assert lines == ["|     |   x y |", "|:----|------:|", "| p q |   1 2 |", "", "a b"]


def test_nothing_that_a_reader_opens_is_active(tmp_path):
    """A class name is anybody's: no formula in a spreadsheet, no link, picture or control character."""
    bad = ["=1+1", "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "![x](http://a/b.png)", "<script>", "\x1b[2J"]
    fine = ["-0.5", "+3", "-", "a=1"]
    frame = pd.DataFrame({"=head": [*bad, *fine]}, [*bad, *fine])
    for path in write(Table("t", "[link](http://a)", frame, index_name="@name"), tmp_path):
        text = path.read_text()
        if path.suffix == ".csv":
            cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
            active = [cell for cell in cells if cell.lstrip()[:1] in set("=+-@")]
            assert active == [one for one in fine[:3] for _ in "ab"]
            assert cells[:2] == ["'@name", "'=head"]
        else:
            assert all(line.isprintable() for line in text.splitlines())
        if path.suffix == ".md":
            assert re.search(r"(?<!\\)[\[<]", text) is None
    for name in ("a#b", "a(b)", "a%b", "a\x1b"):
        with pytest.raises(ValueError, match="a table's name is a file's name"):
            Table(name, "c", pd.DataFrame({"x": [1]}))


def test_a_bracket_or_star_that_begins_a_line_is_no_argument_of_the_line_before():
    text = latex(Table("t", "c", pd.DataFrame({"x": ["1", "2"]}, ["[2cm]", "*"])))
    assert "{[}2cm{]} & 1 " in text and "{*} & 2 " in text


def test_sentences_are_flush_left_and_numbers_right():
    table = Table("t", "c", pd.DataFrame({"n": [1], "says": ["a sentence that is longer than numbers are"]}, ["a"]))
    assert table.sides == ["left", "right", "left"]
    assert markdown(table).splitlines()[1].split("|")[1:-1] == [":---", "----:", ":" + 43 * "-"]
    assert r"\begin{tabular}{lrl}" in latex(table)


@pytest.mark.parametrize("frame", [
    pd.DataFrame({"a": []}, dtype=object), pd.DataFrame(index=["r"]),
    pd.DataFrame({"model": [1.0]}, pd.Index(["r"], name="model"))])
def test_tables_without_rows_or_columns_and_with_headings_that_come_twice(frame):
    table = Table("t", "c", frame)
    assert markdown(table).startswith("|") and r"\toprule" in latex(table) and render(table).startswith("c\n\n")


def test_wide_latex_is_scaled_to_the_line():
    text = latex(Table("t", "c", pd.DataFrame(np.ones((1, 9)))))
    assert r"\resizebox{\linewidth}{!}{\begin{tabular}{lrrrrrrrrr}" in text and r"\end{tabular}}" in text


def test_best_of_a_column_as_it_reads():
    frame = pd.DataFrame({"model": list("abc"), "method": "m", "mean": [0.99999, 1.0, 0.5], "sem": 0.0, "n_seeds": 1})
    bold = grid(frame, name="t", caption="").bold
    assert bold is not None and list(bold["m"]) == [True, True, False]


def test_grid_keeps_cells_that_were_not_run():
    frame = pd.DataFrame({"model": ["a"], "method": ["m"], "mean": [0.5], "sem": [0.1], "n_seeds": [2]})
    table = grid(frame, name="t", caption="", row_order=["a", "b"], column_order=["m", "k"])
    assert table.cells() == [["a", "50.0 ± 10.0", "not run"], ["b", "not run", "not run"]]
    assert table.emphasis() == [[False, True, False], [False, False, False]]
    with pytest.raises(ValueError, match="one line per model and method, got several for a and m"):
        grid(pd.concat([frame, frame]), name="t", caption="")


def test_paper_table():
    cells = [("one", "net"), ("one", "tree"), ("two", "qda"), ("two", "net")]
    index = pd.MultiIndex.from_tuples(cells, names=["signal", "model"])
    frame = pd.DataFrame({"paper": [0.849, 1.0, 0.984, math.nan], "mean": [0.852, 0.998, math.nan, 0.5],
                          "sem": [0.002, math.nan, math.nan, 0.01], "n_seeds": [3, 1, math.nan, 2]}, index=index)
    table = paper_table("table1", "Table 1", frame)
    assert table.headings == ["signal", "model", "paper", "ours", "difference"]
    assert table.cells() == [
        ["one", "net", "84.9", "85.2 ± 0.2 (3 seeds)", "+0.3"], ["one", "tree", "100.0", "99.8 (1 seed)", "−0.2"],
        ["two", "qda", "98.4", "not run", "–"], ["two", "net", "–", "50.0 ± 1.0 (2 seeds)", "–"]]
    assert list(table.values.columns) == ["paper", "ours", "difference", "sem", "n_seeds"]
    assert table.values["difference"].iloc[0] == 0.003


def test_golden_terminal(table):
    assert render(table) == (
        "Accuracy & error, 10 % of data_x\n\n"
        "model    one_pixel    noise\n"
        "───────────────────────────\n"
        "resnet  83.4 ± 0.4     90.0\n"
        "tree         100.0  not run\n")
    assert "\x1b" not in render(table)
    assert "\x1b[1m100.0\x1b[0m" in render(table, ansi=True)


def test_a_terminal_is_not_steered_by_texts():
    bad = "[red]x[/red] :smile: \x1b[2J\x07\u202e\r end"
    frame = pd.DataFrame({bad: [bad, "b" + bad]}, [bad, "row"])
    for ansi in (False, True):
        text = render(Table("t", bad, frame, bold=frame.map(lambda _: False)), width=200, ansi=ansi)
        assert text.count("[red]x[/red] :smile: \ufffd[2J\ufffd\ufffd  end") == 5
        assert not set("\x1b\x07\u202e\r") & set(text)


def test_a_cell_without_a_break_is_folded_rather_than_cut():
    text = render(Table("t", "c", pd.DataFrame({"a": ["x" * 100, "1"]}, ["r", "s"])), width=40)
    assert max(map(len, text.splitlines())) <= 40 and text.count("x") == 100


def test_nine_models_by_nine_signals_fit_120_columns():
    names = ["clean", "one_pixel", "pattern_pixels", "random_pixel", "paired_pixels", "paired_pixels decoy=false",
             "noise", "noise amplitude=0.05", "mean"]
    models = ["resnet depth=8 width=0.5", "vit", "convnext", "linear_softmax", "shallow_max", "gaussian_nb",
              "logistic_regression", "lda", "qda"]
    frame = pd.DataFrame([{"model": m, "method": n, "mean": 0.834, "sem": 0.004, "n_seeds": 3}
                          for m in models for n in names])
    table = grid(frame, name="t", caption="word " * 60)
    lines = render(table).splitlines()
    assert max(map(len, lines)) <= 120 and sum("qda" in line for line in lines) == 1
    narrow = render(table, width=60).splitlines()
    assert max(map(len, narrow)) <= 60 and sum("qda" in line for line in narrow) > 1
    assert sum(line.count("83.4±0.4") for line in narrow) == 81


def test_bad_tables_are_refused():
    values = pd.DataFrame({"a": [1.0]}, ["r"])
    with pytest.raises(ValueError, match="name is a file's name"):
        Table("a/b", "", values)
    with pytest.raises(ValueError, match="text must have the rows of values"):
        Table("t", "", values, pd.DataFrame({"a": ["1"]}, ["other"]))
    with pytest.raises(ValueError, match="bold must have"):
        Table("t", "", values, None, pd.DataFrame({"b": [True]}, ["r"]))
    with pytest.raises(ValueError, match="names of their own"):
        Table("t", "", pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_importing_tables_is_cheap():
    code = ("import sys, convscope.reporting.tables\n"
            "print([m for m in ('torch', 'pandas', 'matplotlib', 'seaborn', 'rich', 'wandb') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
