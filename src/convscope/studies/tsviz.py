"""What do a time-series network's filters do? Influence, clusters, saliency, highlighting, pruning (TSViz paper).

One cell is one trained network: a forecaster of a series, a classifier of windows, or the character ConvNet of texts,
which is a network over time too. What the paper shows for one input is measured over the whole test set; the figures
show one example.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.data.loading import data_identity, data_label
from convscope.family import Bound, ConfigError, bind, whole
from convscope.rows import Row
from convscope.runs import Run, Store
from convscope.studies import traffic
from convscope.studies.tsviz_figures import figures
from convscope.studies.tsviz_report import ledger, pages, tables
from convscope.studies.under_the_hood import arrays
from convscope.training.recipe import Recipe, load_data, read_recipe

if TYPE_CHECKING:
    from convscope.studies.tsviz_analyses import Scene

VERSION = 1
ANALYSES = ("importance", "redundancy", "saliency", "example", "removal", "adversarial")
CLUSTERS = ("kmeans", "silhouette", "dtw")

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


@dataclass(frozen=True)
class Setup:
    """`recipe` of a classifier, or `forecast` of a forecaster; `weights` is a file of Keras's, or None to train."""

    data: Bound
    recipe: Recipe | None
    forecast: traffic.Setup | None
    weights: str | None
    analyses: tuple[str, ...]
    example: int
    inputs: int
    percentile: float
    clusters: str
    shares: tuple[float, ...]
    finetune: int
    seed: int

    @property
    def model(self) -> Bound:
        found = self.recipe or self.forecast
        assert found is not None
        return found.model


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    setup = _read(cfg)
    if setup.recipe is not None:
        dataset = load_data(setup.recipe, cfg["env"])
        setup.recipe.check_kind(dataset.kind)
        network = setup.recipe.identity(dataset)
    else:
        assert setup.forecast is not None
        series = traffic.load_series(setup.data, cfg["env"], seed=setup.seed)
        traffic.test_rows(setup.forecast, series)
        fit = {} if setup.weights or setup.forecast.fit is None else {"fit": setup.forecast.fit.identity()}
        network = {"data": data_identity(setup.data, series, seed=setup.seed), "model": setup.model.identity(), **fit,
                   "window": setup.forecast.window, "horizon": setup.forecast.horizon, "seed": setup.seed}
    if setup.weights is not None:
        from convscope.training.pretrained import digest

        network["weights"] = digest(_weights(setup.weights))
    return {"version": VERSION, **network, "analyses": list(setup.analyses), "example": setup.example,
            "inputs": setup.inputs, "percentile": setup.percentile, "clusters": setup.clusters,
            "shares": list(setup.shares), "finetune": setup.finetune}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    setup = _read(cfg)
    given = " | given weights" if setup.weights else ""
    return f"{data_label(setup.data)} | {setup.model.label}{given} | seed {setup.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    return "convnet"


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """The training curve of the network; empty for given weights."""
    from convscope.training import forecaster, shared

    setup = _read(cfg)
    if setup.weights is not None:
        return []
    if setup.recipe is not None:
        return shared.curve(setup.recipe, load_data(setup.recipe, cfg["env"]), Store(run.root))
    return forecaster.curve(_task(setup, cfg["env"]), Store(run.root))


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields the numbers of every analysis; leaves sheets.npz, what the figures of the example show."""
    from convscope.studies import tsviz_analyses

    setup = _read(cfg)
    scene = _scene(setup, run, cfg["env"], on_epoch)

    def row(method: str, metric: str, value: float, unit: str, n: int, axes: Mapping[str, Any]) -> Row:
        return Row(study="tsviz", run_id=run.id, data=data_label(setup.data), split="test", model=setup.model.label,
                   method=method, condition="none",
                   axes={key: tsviz_analyses.shown(value) if isinstance(value, str) else value
                         for key, value in axes.items()}, seed=setup.seed, metric=metric,
                   value=float(value), unit=unit, n=n)

    sheets: dict[str, np.ndarray] = {}
    yield row("none", *scene.judged(scene.model), len(scene.x), {})
    for name in setup.analyses:
        for metric, value, unit, n, axes in getattr(tsviz_analyses, name)(scene, sheets, setup):
            yield row(name, metric, value, unit, n, axes)
    np.savez(run.folder / "sheets.npz", **sheets)  # pyright: ignore[reportArgumentType]


def _read(cfg: Mapping[str, Any]) -> Setup:
    data, seed = bind("data", cfg["data"]), whole("seed", cfg["seed"])
    series = data.method.constants.get("KIND") == "series"
    recipe = None if series else read_recipe({**cfg, "signal": {"name": "clean"}})
    whole_cfg = {**cfg, "reference": {"name": "persistence"}, "test": True, "origins": 0}
    forecast = traffic.read(whole_cfg) if series else None
    model = recipe.model if recipe is not None else forecast.model if forecast is not None else None
    assert model is not None
    if (recipe is not None and recipe.kind != "convnet") or (forecast is not None and forecast.fit is None):
        raise ConfigError(f"tsviz looks into ConvNets, {model.name} is none; choose traffic_cnn, char_cnn, or one of "
                          "your own")
    if recipe is not None and data.method.constants.get("KIND", "image") not in ("windows", "text"):
        raise ConfigError(f"tsviz is for series, windows and texts, {data.name} is "
                          f"{data.method.constants.get('KIND', 'image')} data; for images take under_the_hood")
    if model.name == "day_attention":
        raise ConfigError("tsviz looks into convolutions, day_attention has none; choose traffic_cnn, or one of your "
                          "own")
    weights = cfg.get("weights")
    if weights is not None and model.name != "traffic_cnn":
        raise ConfigError(f"weights are Keras's, of the authors' network, got model {model.name}; take "
                          "model=traffic_cnn, or weights=null to train")
    analyses = cfg["analyses"]
    if not isinstance(analyses, (list, tuple)) or not analyses or not set(analyses) <= set(ANALYSES):
        raise ConfigError(f"analyses must be a list of some of {', '.join(ANALYSES)}, got {analyses!r}")
    if cfg["clusters"] not in CLUSTERS:
        raise ConfigError(f"clusters must be one of {', '.join(CLUSTERS)}, got {cfg['clusters']!r}")
    return Setup(data, recipe, forecast, None if weights is None else str(weights), tuple(analyses),
                 whole("example", cfg["example"]), whole("inputs", cfg["inputs"], least=10),
                 _share("percentile", cfg["percentile"], 100), cfg["clusters"],
                 tuple(_share("shares", share, 1) for share in cfg["shares"]), whole("finetune", cfg["finetune"]), seed)


def _share(name: str, value: Any, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most or (
            name == "shares" and value == most):
        raise ConfigError(f"{name} must be in 0..{most:g}{' (below it)' if name == 'shares' else ''}, got {value!r}")
    return float(value)


def _weights(name: str) -> Path:
    file = Path(name).expanduser()
    if not file.is_file():
        raise ConfigError(f"weights: expected an npz file of Keras's model.get_weights(), found none at {name}")
    return file


def _task(setup: Setup, env: Mapping[str, Any]) -> Any:
    from convscope.training.forecaster import Task

    assert setup.forecast is not None and setup.forecast.fit is not None
    series = traffic.load_series(setup.data, env, seed=setup.seed)
    return Task(setup.data, series, setup.model, setup.forecast.fit, setup.forecast.window, setup.forecast.horizon,
                series.train_end, setup.seed)


def _scene(setup: Setup, run: Run, env: Mapping[str, Any],
           on_epoch: Callable[[dict[str, float]], None] | None) -> "Scene":
    """The network and what it is looked at with, of whichever kind."""
    from convscope.studies import tsviz_analyses
    from convscope.training import forecaster, shared

    store = Store(run.root)
    if setup.recipe is not None:
        dataset = load_data(setup.recipe, env)
        model = shared.get_or_train(setup.recipe, dataset, store, env=env, on_epoch=on_epoch)
        return tsviz_analyses.classifier_scene(model, setup.recipe, dataset, env)
    task = _task(setup, env)
    assert setup.forecast is not None
    rows = traffic.test_rows(setup.forecast, task.series)
    if setup.weights is None:
        return tsviz_analyses.forecaster_scene(forecaster.get_or_fit(task, store, env=env, on_epoch=on_epoch), task,
                                               rows, env)
    from convscope.models.traffic_cnn import from_keras

    try:
        with np.load(_weights(setup.weights)) as saved:
            listed = [saved[f"arr_{k}"] for k in range(len(saved.files))]
    except (ValueError, KeyError, OSError):
        raise ValueError(f"weights: {setup.weights} is not what np.savez(file, *model.get_weights()) writes") from None
    return tsviz_analyses.forecaster_scene(from_keras(listed).eval(), task, rows, env)
