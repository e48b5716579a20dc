"""How well is a series forecast? Networks against baselines on the same test rows (TSViz paper, section 4).

One cell is one forecaster: a network, trained by `fit`, or a baseline of `forecasting`. Its test rows are scored once,
with intervals by blocks of days, and against a reference forecast of the same rows. `origins` scores it by rolling
origin within the training rows instead, which is what a design may be chosen by.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import numpy as np

from convscope.data.series import Series
from convscope.family import Bound, ConfigError
from convscope.metrics.forecast import errors, interval, rmse_draws
from convscope.rng import numpy_rng
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.study import Cell, kept
from convscope.training.forecast import read_forecast as subject

__all__ = ["arrays", "check", "run", "subject"]

VERSION = 1
PARTS = ("data", "model", "fit", "fits", "window", "horizon")
SHARE = 7  # a rolling origin's rows to score are this part of the training rows
Reference = Annotated[Bound, "forecasting"]
Origins = Annotated[int, "at least 0 and at most 5"]  # of SHARE parts, two at least are learnt from


def check(cell: Cell) -> None:
    """Refuses a cell with nothing to score, or with a series that is shorter than a window."""
    asked = cell.settings.arguments
    if not (asked["test"] or asked["origins"]):
        raise ConfigError("there must be something to score: set test=true or origins above 0, got test=false and "
                          "origins=0")
    cell.subject.test_rows(cell.dataset)


def run(cell: Cell, *, reference: Reference, origins: Origins, test: bool) -> Iterator[Row]:
    """Yields the errors on the test rows with their intervals, and by rolling origin; keeps the forecast.

    `reference` is the forecast that every other is compared with, on the same test rows, which are scored with `test`.
    """
    series: Series = cell.dataset
    part = series.train_end // SHARE
    if test:
        yield from _tested(cell, series, reference)
    for origin in (series.train_end - k * part for k in range(origins, 0, -1)):
        rows = np.arange(origin, origin + part)
        found = _forecast(cell, origin, rows)[0]
        yield _row(cell, "rmse", errors(found, series.values[rows], scale=1.0)["rmse"], "", len(rows),
                   {"origin": origin}, split="rolling")


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """Of each series, `<data>/times`, `/actual` and `/<model>`, the forecasts of the first seed, float32."""
    found: dict[str, np.ndarray] = {}
    for one in sorted(runs, key=lambda run: run.rows()[0].seed):
        row, saved = one.rows()[0], kept(one)
        if saved and f"{row.data}/{row.model}" not in found:
            found |= {f"{row.data}/times": saved["times"], f"{row.data}/actual": saved["actual"].astype(np.float32),
                      f"{row.data}/{row.model}": saved["forecast"].astype(np.float32)}
    return found


def _tested(cell: Cell, series: Series, reference: Bound) -> Iterator[Row]:
    """Errors on the test rows, and the gain over the reference, with intervals by resampled days."""
    rows = cell.subject.test_rows(series)
    found, parameters = _forecast(cell, series.train_end, rows)
    actual, scale = series.values[rows], float(series.values[:series.train_end].std())
    told = errors(found, actual, scale=scale)
    for metric, value in told.items():
        yield _row(cell, metric, value, "fraction" if metric == "smape" else "", len(rows))
    if parameters:
        yield _row(cell, "parameters", parameters, "parameters", 1)
    other = _reference(cell, reference, rows)
    block = min(series.per_day or len(rows) // 10, len(rows) // 4)
    draws = rmse_draws({"own": (found - actual) ** 2, "reference": (other - actual) ** 2}, block=block,
                       rng=numpy_rng(0, "blocks"))
    yield _row(cell, "rmse_gain", told["rmse"] - errors(other, actual, scale=scale)["rmse"], "", len(rows),
               {"reference": reference.label})
    for name, drawn in (("rmse", draws["own"]), ("rmse_gain", draws["own"] - draws["reference"])):
        for bound, value in zip(("low", "high"), interval(drawn), strict=True):
            yield _row(cell, f"{name}_{bound}", value, "", len(rows))
    cell.keep(rows=rows, times=series.times[rows].astype(np.int64), actual=actual, forecast=found)


def _row(cell: Cell, *measured: Any, split: str = "test") -> Row:
    """A baseline is of no seed, unless the seed draws the series."""
    return cell.row(*measured, method="forecast", split=split, seed=cell.seed if cell.subject.seeded else 0)


def _forecast(cell: Cell, stop: int, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """The forecasts of `rows` by what was learnt from the rows below `stop`, and how many weights learnt it."""
    if cell.subject.fit is None:
        return _baseline(cell, cell.subject.model, stop, rows), 0
    how = {} if stop == cell.dataset.train_end else {"stop": stop}
    model = cell.network(**how)
    return (cell.subject.task(cell.dataset, **how).forecast(model, rows),
            sum(p.numel() for p in model.parameters()))


def _reference(cell: Cell, reference: Bound, rows: np.ndarray) -> np.ndarray:
    try:
        return _baseline(cell, reference, cell.dataset.train_end, rows)
    except ValueError as error:
        raise ValueError(f"the reference, {reference.label}, cannot forecast this series: {error}; set "
                         "reference.day=false reference.week=false, or such") from None


def _baseline(cell: Cell, bound: Bound, stop: int, rows: np.ndarray) -> np.ndarray:
    series, horizon = cell.dataset, cell.subject.horizon
    return bound.call(values=series.values, train=np.arange(horizon, stop), test=rows, horizon=horizon,
                      per_day=series.per_day)
