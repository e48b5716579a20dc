"""Tables and figures of the study traffic, from its rows and arrays alone."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.reporting.aggregate import over_seeds
from convscope.reporting.records import table
from convscope.reporting.tables import Table
from convscope.reporting.words import ending
from convscope.rows import Row
from convscope.studies.traffic.paper import REAL, RELEASED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOWED = ("traffic_cnn", "autoregression", "persistence")  # these see a window of the last rows alone
SHOWN = ("day_attention", "traffic_cnn", "persistence")  # in the figure, in this order, where they were run
COLUMNS = {"rmse": ("RMSE", 1, 2), "rmse_low": ("2.5 %", 1, 2), "rmse_high": ("97.5 %", 1, 2), "mae": ("MAE", 1, 2),
           "smape": ("SMAPE (%)", 100, 3), "scaled_mse": ("scaled MSE", 1, 6),
           "rmse_gain": ("RMSE minus the reference's", 1, 2), "rmse_gain_low": ("its 2.5 %", 1, 2),
           "rmse_gain_high": ("its 97.5 %", 1, 2), "parameters": ("weights", 1, 0)}  # title, factor, decimals


def tables(rows: Sequence[Row]) -> list[Table]:
    """Errors on the test rows, one line per forecaster; errors by rolling origin, where they were measured."""
    series = sorted({row.data for row in rows})
    found = []
    for data in series:
        for split, name, make in (("test", "errors", _errors), ("rolling", "rolling_origin", _rolling)):
            own = [row for row in rows if (row.data, row.split) == (data, split)]
            found.append(make(own, name + ending(data, series), data))
    return [one for one in found if one is not None]


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
        found[f"forecasts{ending(data, series)}"] = over_time(
            times[day], arrays[f"{data}/actual"][day], {name.replace("_", " "): named[name][day] for name in chosen},
            title=f"The first day of the test rows, {data.replace('_', ' ')}")
    return found


def _errors(rows: Sequence[Row], name: str, data: str) -> Table | None:
    if not rows:
        return None
    found: dict[str, dict[str, Any]] = {}
    lines: Any = over_seeds(rows)
    for model, own in lines.groupby("model", sort=False):
        told = own.set_index("metric")
        found[str(model)] = {title: (factor * told.loc[metric, "mean"], factor * told.loc[metric, "sem"])
                             for metric, (title, factor, _) in COLUMNS.items() if metric in told.index}
        found[str(model)]["seeds"] = int(own["n_seeds"].max())
    if data == REAL:
        found["the authors' released weights (from the specification)"] = {
            COLUMNS[metric][0]: COLUMNS[metric][1] * value for metric, value in RELEASED.items()}
    order = sorted(found, key=lambda model: _mean(found[model]["RMSE"]))
    columns = [*(title for title, *_ in COLUMNS.values() if any(title in line for line in found.values())), "seeds"]
    reference = next(row.axes["reference"] for row in rows if row.metric == "rmse_gain")
    n = next(row.n for row in rows if row.metric == "rmse")
    windowed = ", ".join(one for one in order if one in WINDOWED)
    tracks = f" {windowed} see a window of the last rows alone, the others all of the past." if windowed else ""
    return table(name, f"Forecasts of {n:,} test rows of {data}, best first; mean ± standard error over seeds. Between "
                 f"2.5 % and 97.5 % lie 95 % of resampled days (mean of the seeds' own); the reference is {reference}, "
                 f"on the same days: below 0 is better. Scaled: standardised by the training rows.{tracks}",
                 {model: {column: found[model].get(column) for column in columns} for model in order},
                 index=["forecaster"], absent="–",
                 show={"seeds": str, **{title: partial(_number, digits=digits) for title, _, digits in
                                        COLUMNS.values()}})


def _rolling(rows: Sequence[Row], name: str, data: str) -> Table | None:
    if not rows:
        return None
    found: dict[str, dict[str, Any]] = {}
    for model, own in over_seeds(rows).groupby("model", sort=False):
        by_origin = own.sort_values("axis.origin")
        found[str(model)] = {f"from row {origin:,.0f}": (mean, sem) for origin, mean, sem in zip(
            by_origin["axis.origin"], by_origin["mean"], by_origin["sem"], strict=True)}
        found[str(model)]["all"] = float(np.sqrt(np.mean(by_origin["mean"] ** 2)))
    order = sorted(found, key=lambda model: found[model]["all"])
    return table(name, f"RMSE by rolling origin within the training rows of {data}: learnt from the rows before, "
                 f"scored on the next {min(row.n for row in rows):,}; mean ± standard error over seeds. No test row "
                 "was looked at.", {model: found[model] for model in order}, index=["forecaster"],
                 show=partial(_number, digits=2))


def _mean(cell: Any) -> float:
    return cell[0] if isinstance(cell, tuple) else cell


def _number(mean: float, sem: float = float("nan"), *, digits: int) -> str:
    text = f"{mean:,.{digits}f}"
    return text if not np.isfinite(sem) or sem == 0 else f"{text} ± {sem:.{digits}f}"
