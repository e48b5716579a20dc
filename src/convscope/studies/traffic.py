"""How well is a series forecast? Networks against baselines on the same test rows (TSViz paper, section 4).

One cell is one forecaster: a network, trained by `fit`, or a baseline of `forecasting`. Its test rows are scored once,
with intervals by blocks of days, and against a reference forecast of the same rows. `origins` scores it by rolling
origin within the training rows instead, which is what a design may be chosen by.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.data.loading import data_identity, data_label, load_bound
from convscope.data.series import Series
from convscope.family import Bound, ConfigError, bind, check_serves, names, whole
from convscope.metrics.forecast import errors, interval, rmse_draws
from convscope.rng import numpy_rng
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies.traffic_report import figures, ledger, pages, tables

VERSION = 1
SHARE = 7  # a rolling origin's rows to score are this part of the training rows
UNITS = {"rmse": "", "mae": "", "scaled_mse": "", "smape": "fraction"}

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


@dataclass(frozen=True)
class Setup:
    """`fit` is None for a baseline; `origins` (0: none) rolling origins are scored, the test rows if `test`."""

    data: Bound
    model: Bound
    reference: Bound
    fit: Bound | None
    window: int
    horizon: int
    origins: int
    test: bool
    seed: int


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    setup = read(cfg)
    series = load_series(setup.data, cfg["env"], seed=setup.seed)
    test_rows(setup, series)
    fit = {} if setup.fit is None else {"fit": setup.fit.identity(), "seed": setup.seed}
    return {"version": VERSION, "data": data_identity(setup.data, series, seed=setup.seed),
            "model": setup.model.identity(), **fit, "reference": setup.reference.identity(), "window": setup.window,
            "horizon": setup.horizon, "origins": setup.origins, "test": setup.test}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    setup = read(cfg)
    return f"{data_label(setup.data)} | {setup.model.label}" + (f" | seed {setup.seed}" if setup.fit else "")


def kind(cfg: Mapping[str, Any]) -> str:
    """convnet or baseline."""
    return "baseline" if read(cfg).fit is None else "convnet"


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """The training curve of the network that forecasts the test rows; empty for a baseline."""
    from convscope.training import forecaster

    setup = read(cfg)
    if setup.fit is None or not setup.test:
        return []
    series = load_series(setup.data, cfg["env"], seed=setup.seed)
    return forecaster.curve(_task(setup, series, series.train_end), Store(run.root))


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields the errors on the test rows with their intervals, and by rolling origin; leaves forecast.npz."""
    setup = read(cfg)
    series = load_series(setup.data, cfg["env"], seed=setup.seed)

    def row(split: str, metric: str, value: float, n: int, unit: str = "", **axes: Any) -> Row:
        return Row(study="traffic", run_id=run.id, data=data_label(setup.data), split=split, model=setup.model.label,
                   method="forecast", condition="none", axes=axes, seed=setup.seed if setup.fit else 0, metric=metric,
                   value=float(value), unit=unit, n=n)

    def rolling() -> Iterator[Row]:
        for origin in _origins(setup, series):
            rows = np.arange(origin, origin + series.train_end // SHARE)
            found = _forecast(setup, series, origin, rows, Store(run.root), cfg["env"], None)[0]
            rmse = errors(found, series.values[rows], scale=1.0)["rmse"]
            yield row("rolling", "rmse", rmse, len(rows), origin=origin)

    if not setup.test:
        yield from rolling()
        return
    rows = test_rows(setup, series)
    found, parameters = _forecast(setup, series, series.train_end, rows, Store(run.root), cfg["env"], on_epoch)
    actual, scale = series.values[rows], float(series.values[:series.train_end].std())
    for metric, value in errors(found, actual, scale=scale).items():
        yield row("test", metric, value, len(rows), UNITS[metric])
    if parameters:
        yield row("test", "parameters", parameters, 1, "parameters")
    other = _reference(setup, series, rows)
    block = min(series.per_day or len(rows) // 10, len(rows) // 4)
    draws = rmse_draws({"own": (found - actual) ** 2, "reference": (other - actual) ** 2}, block=block,
                       rng=numpy_rng(0, "blocks"))
    gain = errors(found, actual, scale=scale)["rmse"] - errors(other, actual, scale=scale)["rmse"]
    yield row("test", "rmse_gain", gain, len(rows), reference=setup.reference.label)
    for name, drawn in (("rmse", draws["own"]), ("rmse_gain", draws["own"] - draws["reference"])):
        for bound, value in zip(("low", "high"), interval(drawn), strict=True):
            yield row("test", f"{name}_{bound}", value, len(rows))
    np.savez(run.folder / "forecast.npz", rows=rows, times=series.times[rows].astype(np.int64), actual=actual,
             forecast=found)
    yield from rolling()


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """Of each series, `<data>/times`, `/actual` and `/<model>`, the forecasts of the first seed, float32."""
    found: dict[str, np.ndarray] = {}
    for one in sorted(runs, key=lambda run: run.rows()[0].seed):
        row = one.rows()[0]
        if not (one.folder / "forecast.npz").is_file() or f"{row.data}/{row.model}" in found:
            continue
        with np.load(one.folder / "forecast.npz") as saved:
            found |= {f"{row.data}/times": saved["times"], f"{row.data}/actual": saved["actual"].astype(np.float32),
                      f"{row.data}/{row.model}": saved["forecast"].astype(np.float32)}
    return found


def read(cfg: Mapping[str, Any]) -> Setup:
    """The cell's setup; raises ConfigError."""
    data, model = bind("data", cfg["data"]), forecaster_named(cfg["model"])
    check_serves_series(data)
    check_serves("model", model, "series", data.name)
    network = model.method.family == "models"
    reference = forecaster_named(cfg["reference"])
    if reference.method.family != "forecasting":
        raise ConfigError(f"reference must be a forecast without training, one of {', '.join(names('forecasting'))}, "
                          f"got {reference.name}")
    test, origins = cfg["test"], whole("origins", cfg["origins"])
    if not isinstance(test, bool) or not (test or origins):
        raise ConfigError(f"test must be true or false, and something to score: set test=true or origins above 0, got "
                          f"test={test!r} and origins={origins}")
    if origins > SHARE - 2:
        raise ConfigError(f"origins must be at most {SHARE - 2}: each scores 1/{SHARE} of the training rows, got "
                          f"{origins}")
    own = (cfg.get("fits") or {}).get(model.name, {})
    return Setup(data, model, reference, bind("training", {**cfg["fit"], **own}) if network else None,
                 whole("window", cfg["window"], least=4), whole("horizon", cfg["horizon"], least=1), origins, test,
                 whole("seed", cfg["seed"]))


def forecaster_named(given: Mapping[str, Any]) -> Bound:
    """A baseline of `forecasting`, or a network of `models`."""
    return bind("forecasting" if given.get("name") in names("forecasting") else "models", given)


def check_serves_series(data: Bound) -> None:
    """Raises ConfigError for a data set that is no series."""
    declared = data.method.constants.get("KIND", "image")
    if declared != "series":
        raise ConfigError(f"{data.name} is {declared} data; a forecast needs a series: generated_traffic, "
                          "internet_traffic, or data=csv_series data.path=<your csv>")


def load_series(data: Bound, env: Mapping[str, Any], *, seed: int) -> Series:
    """The series of a bound loader."""
    series = load_bound(data, env, seed=seed)
    assert isinstance(series, Series)
    return series


def test_rows(setup: Setup, series: Series) -> np.ndarray:
    """The test rows that every forecaster is scored on: those whose window lies among the test rows too."""
    rows = np.arange(series.train_end + setup.window + setup.horizon - 1, series.test_end)
    if not len(rows):
        raise ValueError(f"the test rows ({series.test_end - series.train_end}) are fewer than the window of "
                         f"{setup.window}; take a shorter one")
    return rows


def _origins(setup: Setup, series: Series) -> list[int]:
    part = series.train_end // SHARE
    return [series.train_end - k * part for k in range(setup.origins, 0, -1)]


def _task(setup: Setup, series: Series, stop: int) -> Any:
    from convscope.training.forecaster import Task

    assert setup.fit is not None
    return Task(setup.data, series, setup.model, setup.fit, setup.window, setup.horizon, stop, setup.seed)


def _forecast(setup: Setup, series: Series, stop: int, rows: np.ndarray, store: Store, env: Mapping[str, Any],
              on_epoch: Callable[[dict[str, float]], None] | None) -> tuple[np.ndarray, int]:
    """The forecasts of `rows` by what was learnt from the rows below `stop`, and how many weights learnt it."""
    if setup.fit is None:
        return _baseline(setup.model, series, stop, rows, setup.horizon), 0
    from convscope.training.forecaster import get_or_fit

    task = _task(setup, series, stop)
    model = get_or_fit(task, store, env=env, on_epoch=on_epoch)
    return task.forecast(model, rows), sum(p.numel() for p in model.parameters())


def _reference(setup: Setup, series: Series, rows: np.ndarray) -> np.ndarray:
    try:
        return _baseline(setup.reference, series, series.train_end, rows, setup.horizon)
    except ValueError as error:
        raise ValueError(f"the reference, {setup.reference.label}, cannot forecast this series: {error}; set "
                         "reference.day=false reference.week=false, or such") from None


def _baseline(bound: Bound, series: Series, stop: int, rows: np.ndarray, horizon: int) -> np.ndarray:
    return bound.call(values=series.values, train=np.arange(horizon, stop), test=rows, horizon=horizon,
                      per_day=series.per_day)
