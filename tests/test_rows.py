"""Rows: numbers only, every digit kept, merged by cell."""

import math
from dataclasses import replace

import pytest

from convscope.rows import Row, merge, read_csv, to_csv

ROW = Row(study="blindspots", run_id="0123456789ab", data="digits", split="test", model="lda", method="noise",
          condition="none", axes={"amplitude": 0.01, "decoy": True}, seed=0, metric="accuracy", value=1 / 3,
          unit="fraction", n=10)


def test_csv_keeps_every_digit(tmp_path):
    rows = [ROW, replace(ROW, value=math.pi, seed=1, axes={})]
    (tmp_path / "rows.csv").write_text(to_csv(rows))
    assert read_csv(tmp_path / "rows.csv") == rows


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.5", True, None])
def test_a_value_is_a_finite_number(value):
    with pytest.raises(ValueError, match="finite number"):
        replace(ROW, value=value)


def test_axes_are_flat():
    with pytest.raises(ValueError, match="flat"):
        replace(ROW, axes={"a": [1]})  # pyright: ignore[reportArgumentType]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "rows.csv").write_text(to_csv([ROW, ROW]).replace("0.3333333333333333", "a third", 1))
    with pytest.raises(ValueError, match=r"rows.csv, line 2"):
        read_csv(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="expected the columns"):
        read_csv(tmp_path / "rows.csv")


def test_merge_replaces_whole_cells_and_forgets_order():
    old = [ROW, replace(ROW, metric="reliance"), replace(ROW, seed=1)]
    new = [replace(ROW, value=0.5, run_id="ffffffffffff")]
    merged = merge(old, new)
    assert merged == merge(old[::-1], new)
    assert [(r.seed, r.metric, r.value) for r in merged] == [(0, "accuracy", 0.5), (1, "accuracy", 1 / 3)]
