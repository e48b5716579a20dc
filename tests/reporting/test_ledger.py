"""The ledger: verdicts at their borders, golden markdown, order."""

import re

import pytest

from convscope.reporting.ledger import LedgerRow, judge, markdown, write


def line(cell: str, ours: float | None, **changes) -> LedgerRow:
    given = {"paper": "Blindspots 2019", "table": "Table 1", "paper_value": 0.849, "sem": 0.002, "n": 3,
             "unit": "fraction", "command": "uv run experiments/blindspots.py | tee",
             "verdict": judge(0.849, ours, tolerance=0.01)}
    return LedgerRow(**{**given, "cell": cell, "ours": ours, **changes})


@pytest.mark.parametrize(("ours", "verdict"), [
    (0.85, "reached"), (0.86, "reached"), (0.84, "reached"), (0.8601, "above"), (0.8399, "below"), (None, "not run")])
def test_verdicts(ours, verdict):
    assert judge(0.85, ours, tolerance=0.01) == verdict


def test_tolerance_must_not_be_negative():
    with pytest.raises(ValueError, match="at least 0"):
        judge(1, 1, tolerance=-0.1)


def test_golden_lines():
    text = markdown([line("one_pixel", 0.852), line("mean", None, n=0, sem=None),
                     line("noise", 0.5, sem=None, n=1, note="a|b")])
    assert text.startswith("# Ledger\n") and "## Blindspots 2019: Table 1\n" in text
    assert "\n|:----" in text and "----:|" in text
    rows = [re.sub(" +", " ", r) for r in text.splitlines() if r.startswith("| ")][1:]
    assert rows == [
        r"| mean | 84.9 % | not run | 0 | | not run | `uv run experiments/blindspots.py \| tee` | |",
        r"| noise | 84.9 % | 50.0 % | 1 | -34.9 % | below | `uv run experiments/blindspots.py \| tee` | a\|b |",
        r"| one_pixel | 84.9 % | 85.2 ± 0.2 % | 3 | +0.3 % | reached | `uv run experiments/blindspots.py \| tee` | |"]


def test_order_says_nothing_and_doubles_are_refused(tmp_path):
    rows = [line("b", 0.9), line("a", 0.8), line("a", 0.8, table="Table 2"), line("a", 3.0, paper="Other", unit="bits")]
    assert markdown(rows) == markdown(rows[::-1])
    assert write(rows, tmp_path / "ledger.md").read_text() == markdown(rows)
    with pytest.raises(ValueError, match="got two for a of Table 1"):
        markdown([*rows, line("a", 0.7)])
