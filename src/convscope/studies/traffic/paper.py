"""What the authors of TSViz released, and our forecasts beside it: the paper prints no number of its forecaster."""

from collections.abc import Mapping, Sequence

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.printed import PaperTable, Printed
from convscope.reporting.tables import number
from convscope.rows import Row

PAPER = "Siddiqui et al. 2019 (TSViz)"
REAL = "internet_traffic"
# Computed from the authors' own released weights.
RELEASED = {"rmse": 76.74, "mae": 57.43, "smape": 0.01456, "scaled_mse": 0.001608}
TOLERANCE = 0.02  # of the value
OF_WEIGHTS = "lower is better; the paper prints no number, this one is of its authors' released weights"
NOTES = {"traffic_cnn": f"{OF_WEIGHTS}, trained 12 million steps of 5 windows, ours at most 40,000 of 64",
         "day_attention": f"{OF_WEIGHTS}; a network of ours, with 112 weights for their 8,385"}


TABLE = PaperTable(
    PAPER, "forecast of the test rows", "released", "", "traffic_internet",
    [Printed((metric, model), RELEASED[metric], {"data": REAL, "model": model, "split": "test", "metric": metric},
             note=note) for model, note in NOTES.items() for metric in ("rmse", "mae")],
    ("metric", "model"), number, lambda report, *_: f"uv run experiments/traffic.py --config-name {report}",
    lambda value: TOLERANCE * value, "")


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """The authors' released weights beside our training of their network, and beside ours."""
    return TABLE.ledger({name: (rows, over_seeds(rows)) for name, rows in reports.items()})
