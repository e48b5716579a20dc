"""A forecast of a series: what a config asks for, what its network is given, and the network to train.

A model may say what it is given by two functions beside its `build`, `needs(horizon, per_day)`, the number of rows
before its own that a forecast takes, and `inputs(values, rows, horizon, per_day)`, [N, C, T] of standardised values.
Without them it is given windows as in TSViz: the values, and their differences.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.loading import data_identity, data_label, drawn, load_bound
from convscope.data.series import Series, two_channels, windows
from convscope.family import Bound, ConfigError, bind, check_serves, names, part, whole
from convscope.rng import seeded
from convscope.runs import write_bytes
from convscope.training.objective import SquaredError
from convscope.training.regime import check_fit

if TYPE_CHECKING:
    from torch import Tensor, nn

    from convscope.training.fit import Fitted


@dataclass(frozen=True)
class ForecastRecipe:
    """A series and what forecasts it `horizon` rows ahead: a network, trained by `fit` from one seed, or a baseline.

    `fit` is None for a baseline of `forecasting`. `window` is how many rows a network without inputs of its own sees.
    """

    data: Bound
    model: Bound
    fit: Bound | None
    window: int
    horizon: int
    seed: int

    @property
    def kind(self) -> str:
        """convnet or baseline."""
        return "baseline" if self.fit is None else "convnet"

    @property
    def data_label(self) -> str:
        """The series in a row."""
        return data_label(self.data)

    @property
    def model_label(self) -> str:
        """The forecaster in a row."""
        return self.model.label

    @property
    def seeded(self) -> bool:
        """Whether the seed draws the series or trains the network: else every seed gives the same."""
        return self.fit is not None or drawn(self.data)

    @property
    def title(self) -> str:
        """One line that names the forecast for a person."""
        return f"{self.data_label} | {self.model.label}" + (f" | seed {self.seed}" if self.seeded else "")

    def load(self, env: Mapping[str, Any]) -> Series:
        """The series, found as `env` says."""
        series = load_bound(self.data, env, seed=self.seed)
        assert isinstance(series, Series)
        return series

    def identity(self, series: Series) -> dict[str, Any]:
        """What a run's hash holds of it; a baseline has no seed."""
        fit = {} if self.fit is None else {"fit": self.fit.identity(), "seed": self.seed}
        return {"data": data_identity(self.data, series, seed=self.seed), "model": self.model.identity(), **fit,
                "window": self.window, "horizon": self.horizon}

    def test_rows(self, series: Series) -> np.ndarray:
        """The test rows that every forecaster is scored on: those whose window lies among the test rows too."""
        rows = np.arange(series.train_end + self.window + self.horizon - 1, series.test_end)
        if not len(rows):
            raise ValueError(f"the test rows ({series.test_end - series.train_end}) are fewer than the window of "
                             f"{self.window}; take a shorter one")
        return rows

    def task(self, series: Series, stop: int | None = None) -> "Forecast":
        """The network to train on the rows below `stop`, by default on all training rows."""
        assert self.fit is not None, "a baseline has no network"
        return Forecast(self.data, series, self.model, self.fit, self.window, self.horizon,
                        series.train_end if stop is None else stop, self.seed)


def read_forecast(cfg: Mapping[str, Any]) -> ForecastRecipe:
    """The forecast of a config, with every parameter checked; raises ConfigError before anything heavy is imported.

    `fits` of the config, where it has any, holds what differs from its `fit` for a model, by the model's name.
    """
    data, model = bind("data", cfg["data"]), forecaster_named(cfg["model"])
    declared = data.method.constants.get("KIND", "image")
    if declared != "series":
        raise ConfigError(f"{data.name} is {declared} data; a forecast needs a series: generated_traffic, "
                          "internet_traffic, or data=csv_series data.path=<your csv>")
    check_serves("model", model, "series", data.name)
    fit, own = None, {} if cfg.get("fits") is None else part(cfg, "fits")
    if model.method.family == "models":
        fit = bind("training", {**part(cfg, "fit"), **(part(own, model.name) if model.name in own else {})})
        check_fit(fit, SquaredError())
    return ForecastRecipe(data, model, fit, whole("window", cfg["window"], least=4),
                          whole("horizon", cfg["horizon"], least=1), whole("seed", cfg["seed"]))


def forecaster_named(given: Mapping[str, Any]) -> Bound:
    """A baseline of `forecasting`, or a network of `models`."""
    baseline = isinstance(given, Mapping) and given.get("name") in names("forecasting")
    return bind("forecasting" if baseline else "models", given)


@dataclass(frozen=True)
class Forecast:
    """A network to train, the series it forecasts `horizon` rows ahead, and how it is trained, from one seed.

    It is trained on rows below `stop`; the series is standardised by the mean and deviation (ddof 0) of these rows.
    """

    data: Bound
    series: Series
    model: Bound
    fit: Bound
    window: int
    horizon: int
    stop: int
    seed: int

    @property
    def objective(self) -> SquaredError:
        return SquaredError()

    @property
    def labels(self) -> dict[str, str]:
        """What a row says of it."""
        return {"data": data_label(self.data), "model": self.model.label, "method": "forecast", "condition": "none"}

    @property
    def mean(self) -> float:
        return float(self.series.values[:self.stop].mean())

    @property
    def std(self) -> float:
        return float(self.series.values[:self.stop].std())

    @property
    def needs(self) -> int:
        """Rows before its own that a forecast takes; raises ValueError for a series that the model is not for."""
        own = self._own("needs")
        if own is None:
            return self.window + self.horizon - 1
        return own(horizon=self.horizon, per_day=self.series.per_day)

    @property
    def own_inputs(self) -> bool:
        """Whether the model says itself what it is given."""
        return self._own("inputs") is not None

    @property
    def rows(self) -> np.ndarray:
        """The rows whose forecast is trained on; raises ValueError where the series is too short for any."""
        if self.needs >= self.stop:
            raise ValueError(f"{self.model.name} needs {self.needs} rows before the first that it forecasts, the "
                             f"series has {self.stop} to train on; take a longer series or a shorter window")
        return np.arange(self.needs, self.stop)

    def identity(self) -> dict[str, Any]:
        """What a run's hash holds of it."""
        return {"data": data_identity(self.data, self.series, seed=self.seed), "model": self.model.identity(),
                "fit": self.fit.identity(), "window": self.window, "horizon": self.horizon, "stop": self.stop,
                "seed": self.seed}

    def inputs(self, rows: np.ndarray) -> "Tensor":
        """float32 [len(rows), C, T]: what the network is given to forecast these rows."""
        import torch

        standard = (self.series.values - self.mean) / self.std
        own = self._own("inputs")
        found = (two_channels(windows(standard, rows, length=self.window, horizon=self.horizon)) if own is None
                 else own(standard, rows, horizon=self.horizon, per_day=self.series.per_day))
        return torch.from_numpy(np.ascontiguousarray(found, dtype=np.float32))

    def targets(self, rows: np.ndarray) -> "Tensor":
        """float32 [len(rows)]: the standardised values of these rows."""
        import torch

        return torch.from_numpy(((self.series.values[rows] - self.mean) / self.std).astype(np.float32))

    def build(self) -> "nn.Module":
        """The untrained network of the seed."""
        shape = tuple(self.inputs(self.rows[:1]).shape[1:])
        with seeded(self.seed, "init"):
            return self.model.call(n_classes=1, input_shape=shape, zero=-self.mean / self.std)

    def samples(self) -> "tuple[Tensor, Tensor]":
        """Inputs and targets of every row that is trained on, in the order of time."""
        return self.inputs(self.rows), self.targets(self.rows)

    def save(self, folder: Path, model: "nn.Module", fitted: "Fitted") -> None:
        """Writes the weights that the training ended with."""
        import safetensors.torch

        state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
        write_bytes(folder / "weights.safetensors", safetensors.torch.save(state))

    def load(self, folder: Path) -> "nn.Module":
        """The network of saved weights, in eval mode on the CPU."""
        import safetensors.torch

        model = self.build()
        model.load_state_dict(safetensors.torch.load((folder / "weights.safetensors").read_bytes()))
        return model.eval()

    def forecast(self, model: "nn.Module", rows: np.ndarray, *, at_once: int = 2048) -> np.ndarray:
        """float64 [len(rows)], in the series' unit."""
        import torch

        model.eval()
        with torch.no_grad():
            parts = [model(self.inputs(part))[:, 0].double().numpy()
                     for part in np.split(rows, range(at_once, len(rows), at_once))]
        return np.concatenate(parts) * self.std + self.mean

    def _own(self, name: str) -> Callable[..., Any] | None:
        return getattr(importlib.import_module(self.model.method.module), name, None)
