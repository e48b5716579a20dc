"""Tables and figures of the study traffic, from its rows and arrays alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds, spread
from convscope.reporting.ledger import LedgerRow, judge
from convscope.reporting.tables import Table
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Any  # a pandas DataFrame

PAPER = "Siddiqui et al. 2019 (TSViz)"
REAL = "internet_traffic"
# Computed from the authors' own released weights: the paper prints no number of its forecaster.
RELEASED = {"rmse": 76.74, "mae": 57.43, "smape": 0.01456, "scaled_mse": 0.001608}
TOLERANCE = 0.02  # of the value
OF_WEIGHTS = "lower is better; the paper prints no number, this one is of its authors' released weights"
NOTES = {"traffic_cnn": f"{OF_WEIGHTS}, trained 12 million steps of 5 windows, ours at most 40,000 of 64",
         "day_attention": f"{OF_WEIGHTS}; a network of ours, with 112 weights for their 8,385"}
WINDOWED = ("traffic_cnn", "autoregression", "persistence")  # these see a window of the last rows alone
SHOWN = ("day_attention", "traffic_cnn", "persistence")  # in the figure, in this order, where they were run
COLUMNS = {"rmse": ("RMSE", 1, 2), "rmse_low": ("2.5 %", 1, 2), "rmse_high": ("97.5 %", 1, 2), "mae": ("MAE", 1, 2),
           "smape": ("SMAPE (%)", 100, 3), "scaled_mse": ("scaled MSE", 1, 6),
           "rmse_gain": ("RMSE minus the reference's", 1, 2), "rmse_gain_low": ("its 2.5 %", 1, 2),
           "rmse_gain_high": ("its 97.5 %", 1, 2), "parameters": ("weights", 1, 0)}  # title, factor, decimals


def tables(rows: Sequence[Row]) -> list[Table]:
    """Errors on the test rows, one line per forecaster; errors by rolling origin, where they were measured."""
    found = []
    for data in sorted({row.data for row in rows}):
        own = [row for row in rows if row.data == data]
        suffix = "" if len({row.data for row in rows}) == 1 else f"_{data.replace(' ', '_')}"
        if any(row.split == "test" for row in own):
            found.append(_errors(own, f"errors{suffix}", data))
        if any(row.split == "rolling" for row in own):
            found.append(_rolling(own, f"rolling_origin{suffix}", data))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """The first day of the test rows, forecast; per series."""
    from convscope.reporting.series import over_time

    found: dict[str, Figure] = {}
    series = sorted({key.partition("/")[0] for key in arrays})
    for data in series:
        times = arrays[f"{data}/times"]
        named = {key.partition("/")[2]: values for key, values in arrays.items()
                 if key.startswith(f"{data}/") and key.partition("/")[2] not in ("times", "actual")}
        chosen = [name for first in SHOWN for name in sorted(named) if name.split()[0] == first]
        chosen = chosen or sorted(named)[:3]
        day = times < times[0] + 86400
        day = day if day.sum() > 10 else times >= times[0]
        found["forecasts" if len(series) == 1 else f"forecasts_{data.replace(' ', '_')}"] = over_time(
            times[day], arrays[f"{data}/actual"][day], {name.replace("_", " "): named[name][day] for name in chosen},
            title=f"The first day of the test rows, {data.replace('_', ' ')}")
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """No html."""
    return {}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """The authors' released weights beside our training of their network, and beside ours, from the most seeds."""
    return [line for model in NOTES for line in _released(model, reports)]


def _released(model: str, reports: Mapping[str, Sequence[Row]]) -> Iterator[LedgerRow]:
    chosen = {preset: [row for row in rows if (row.data, row.model, row.split) == (REAL, model, "test")]
              for preset, rows in reports.items()}
    preset = max(chosen, key=lambda preset: len({row.seed for row in chosen[preset]}), default="traffic_internet")
    preset = preset if chosen.get(preset) else "traffic_internet"
    for metric in ("rmse", "mae"):
        values = [row.value for row in chosen.get(preset, ()) if row.metric == metric]
        mean, sem, _ = spread(values) if values else (None, None, None)
        value = RELEASED[metric]
        yield LedgerRow(PAPER, "forecast of the test rows", f"{metric}, {model}", value, mean, sem, len(values), "",
                        judge(value, mean, tolerance=TOLERANCE * value),
                        f"uv run experiments/traffic.py --config-name {preset}", NOTES[model])


def _errors(rows: Sequence[Row], name: str, data: str) -> Table:
    import pandas as pd

    lines: Frame = over_seeds([row for row in rows if row.split == "test"])
    values: dict[str, dict[str, float]] = {}
    texts: dict[str, dict[str, str]] = {}
    for model, own in lines.groupby("model", sort=False):
        mean, sem = own.set_index("metric")["mean"], own.set_index("metric")["sem"]
        given = [metric for metric in COLUMNS if metric in mean]
        values[str(model)] = {COLUMNS[metric][0]: COLUMNS[metric][1] * mean[metric] for metric in given}
        texts[str(model)] = {COLUMNS[metric][0]: _number(mean[metric], sem[metric], *COLUMNS[metric][1:])
                             for metric in given}
        seeds = int(own["n_seeds"].max())
        values[str(model)]["seeds"], texts[str(model)]["seeds"] = seeds, str(seeds)
    if data == REAL:
        title = "the authors' released weights (from the specification)"
        values[title] = {COLUMNS[metric][0]: COLUMNS[metric][1] * value for metric, value in RELEASED.items()}
        texts[title] = {COLUMNS[metric][0]: _number(value, None, *COLUMNS[metric][1:])
                        for metric, value in RELEASED.items()}
    names = sorted(values, key=lambda model: values[model]["RMSE"])
    columns = [*(title for title, *_ in COLUMNS.values() if any(title in line for line in values.values())), "seeds"]
    reference = next(row.axes["reference"] for row in rows if row.metric == "rmse_gain")
    n = next(row.n for row in rows if row.metric == "rmse" and row.split == "test")
    windowed = ", ".join(one for one in names if one in WINDOWED)
    tracks = f" {windowed} see a window of the last rows alone, the others all of the past." if windowed else ""
    return Table(name, f"Forecasts of {n:,} test rows of {data}, best first; mean ± standard error over seeds. Between "
                 f"2.5 % and 97.5 % lie 95 % of resampled days (mean of the seeds' own); the reference is {reference}, "
                 f"on the same days: below 0 is better. Scaled: standardised by the training rows.{tracks}",
                 pd.DataFrame([values[n] for n in names], index=names, columns=columns),
                 pd.DataFrame([texts[n] for n in names], index=names, columns=columns).fillna("–"),
                 index_name="forecaster")


def _rolling(rows: Sequence[Row], name: str, data: str) -> Table:
    import pandas as pd

    lines: Frame = over_seeds([row for row in rows if row.split == "rolling"])
    columns = sorted({int(origin) for origin in lines["axis.origin"]})
    values, texts = {}, {}
    for model, own in lines.groupby("model", sort=False):
        by = {int(line["axis.origin"]): line for _, line in own.iterrows()}
        every = float(np.sqrt(np.mean([line["mean"] ** 2 for line in by.values()])))
        values[model] = {**{f"from row {o:,}": by[o]["mean"] for o in columns}, "all": every}
        texts[model] = {**{f"from row {o:,}": _number(by[o]["mean"], by[o]["sem"], 1, 2) for o in columns},
                        "all": f"{every:.2f}"}
    names = sorted(values, key=lambda model: values[model]["all"])
    n = int(lines["n"].min())
    return Table(name, f"RMSE by rolling origin within the training rows of {data}: learnt from the rows before, "
                 f"scored on the next {n:,}; mean ± standard error over seeds. No test row was looked at.",
                 pd.DataFrame([values[n] for n in names], index=names),
                 pd.DataFrame([texts[n] for n in names], index=names), index_name="forecaster")


def _number(mean: float, sem: float | None, factor: float, digits: int) -> str:
    text = f"{factor * mean:,.{digits}f}"
    return text if sem is None or not np.isfinite(sem) or sem == 0 else f"{text} ± {factor * sem:.{digits}f}"
