"""What the authors of TSViz released, and our forecasts beside it: the paper prints no number of its forecaster."""

from collections.abc import Iterator, Mapping, Sequence

from convscope.reporting.aggregate import spread
from convscope.reporting.ledger import LedgerRow, judge
from convscope.rows import Row

PAPER = "Siddiqui et al. 2019 (TSViz)"
REAL = "internet_traffic"
# Computed from the authors' own released weights.
RELEASED = {"rmse": 76.74, "mae": 57.43, "smape": 0.01456, "scaled_mse": 0.001608}
TOLERANCE = 0.02  # of the value
OF_WEIGHTS = "lower is better; the paper prints no number, this one is of its authors' released weights"
NOTES = {"traffic_cnn": f"{OF_WEIGHTS}, trained 12 million steps of 5 windows, ours at most 40,000 of 64",
         "day_attention": f"{OF_WEIGHTS}; a network of ours, with 112 weights for their 8,385"}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """The authors' released weights beside our training of their network, and beside ours, from the most seeds."""
    return [line for model in NOTES for line in _released(model, reports)]


def _released(model: str, reports: Mapping[str, Sequence[Row]]) -> Iterator[LedgerRow]:
    chosen = {preset: own for preset, rows in reports.items() if (own := [
        row for row in rows if (row.data, row.model, row.split) == (REAL, model, "test")])}
    preset = max(chosen, key=lambda preset: len({row.seed for row in chosen[preset]}), default="traffic_internet")
    for metric in ("rmse", "mae"):
        values = [row.value for row in chosen.get(preset, ()) if row.metric == metric]
        mean, sem, _ = spread(values) if values else (None, None, None)
        value = RELEASED[metric]
        yield LedgerRow(PAPER, "forecast of the test rows", f"{metric}, {model}", value, mean, sem, len(values), "",
                        judge(value, mean, tolerance=TOLERANCE * value),
                        f"uv run experiments/traffic.py --config-name {preset}", NOTES[model])
