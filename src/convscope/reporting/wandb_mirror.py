"""Mirrors runs to Weights & Biases: one run there per run here, by the same id. Never the reason why a run fails."""

import importlib
import os
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convscope.reporting.tables import Table
from convscope.rows import Row

REACH_SECONDS, INIT_SECONDS, FINISH_SECONDS = 5.0, 20.0, 120.0  # how long W&B may hold up a run at its start and end
STEPS = ("epoch", "step", "iteration")  # what a curve is plotted against: the first of these that it has
_told: set[Path] = set()
_open: list["Mirror"] = []  # mirrors within their block, the innermost last


class Mirror:
    """Writes one run's curves, rows, tables and images to W&B; every failure is one warning on stderr."""

    def __init__(self, run: Any) -> None:
        self._run = run  # a wandb run, or None where W&B could not start
        self._curves: set[str] = set()
        self._warned: set[str] = set()

    @property
    def started(self) -> bool:
        """Whether W&B takes anything: False where it could not start, or is disabled."""
        return self._run is not None and not getattr(self._run, "disabled", False)

    @property
    def offline(self) -> bool:
        return self._run is not None and bool(self._run.offline)

    def curve(self, step_metrics: Mapping[str, float]) -> None:
        """Logs one point of the training curves, e.g. {"epoch": 3, "train/loss": 0.2}, against its epoch or step."""
        self._try("curve", lambda run: self._log(run, step_metrics))

    def rows(self, rows: Iterable[Row]) -> None:
        """Rows as summary values: `test/accuracy`, followed by `/name=value` of what tells rows of one key apart."""
        self._try("rows", lambda run: run.summary.update(summary(rows)))

    def table(self, table: Table) -> None:
        """The raw values of a table, with its index, as a wandb.Table under its name."""
        self._try(table.name, lambda run: run.log({table.name: _wandb().Table(**_columns(table))}))

    def image(self, path: Path) -> None:
        """A png file under the name of the file."""
        self._try(path.stem, lambda run: run.log({path.stem: _wandb().Image(str(path))}))

    def _log(self, run: Any, point: Mapping[str, float]) -> None:
        axis = next((name for name in STEPS if name in point), None)
        for name in point:
            if axis is not None and name not in self._curves:
                run.define_metric(name, **({} if name == axis else {"step_metric": axis}))
                self._curves.add(name)
        run.log(dict(point))

    def _finish(self, exit_code: int) -> None:
        self._try("finish", lambda run: run.finish(exit_code=exit_code))

    def _try(self, what: str, action: Callable[[Any], object]) -> None:
        if self._run is None:
            return
        try:
            action(self._run)
        except Exception as error:  # the mirror must never stop an experiment
            if what not in self._warned:
                self._warned.add(what)
                _say(f"W&B did not take {what} ({_first_line(error)}); the run goes on")


@contextmanager
def mirror(run_id: str, *, preset: str, kind: str, config: Mapping[str, Any], folder: Path, project: str = "convscope",
           entity: str | None = None, tags: Iterable[str] = (), name: str | None = None) -> Iterator[Mirror]:
    """A Mirror for the run with this id, resumed where W&B knows it; its files lie in `folder`/wandb.

    `preset` becomes the group, `kind` the job type. Online with a key (WANDB_API_KEY, netrc) or by WANDB_MODE, else
    offline, then stderr says once per folder how to sync. Exit code 0, or 1 where the block raises, which goes on.
    """
    settings = {"id": run_id, "name": name or run_id, "group": preset, "job_type": kind, "config": _plain(config),
                "dir": str(folder), "project": project, "entity": entity, "tags": list(tags)}
    mirrored = Mirror(_start(settings, folder))
    code = 1
    _open.append(mirrored)
    try:
        yield mirrored
        code = 0
    finally:
        _open.remove(mirrored)
        offline = mirrored.offline
        mirrored._finish(code)
        if offline and folder not in _told:
            _told.add(folder)
            _say(f"W&B run stored offline; to upload: wandb sync {shlex.quote(str(folder / 'wandb'))}/offline-run-*")


def summary(rows: Iterable[Row]) -> dict[str, float]:
    """Summary keys and values: split/metric, with /field=value for every field in which rows of that key differ."""
    keyed: dict[str, list[Row]] = {}
    for row in rows:
        keyed.setdefault(f"{row.split}/{row.metric}", []).append(row)
    values = {}
    for key, group in keyed.items():
        fields = [{"data": row.data, "model": row.model, "method": row.method, "condition": row.condition,
                   **row.axes, "seed": row.seed} for row in group]
        names = dict.fromkeys(name for line in fields for name in line)
        differing = [name for name in names if len({repr(line.get(name)) for line in fields}) > 1]
        for row, line in zip(group, fields, strict=True):
            values["/".join([key, *(f"{name}={line[name]}" for name in differing if name in line)])] = float(row.value)
    return values


def _start(settings: Mapping[str, Any], folder: Path) -> Any:
    """A wandb run; offline where online fails; None, with a warning, where that fails too."""
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value.strip()]:
        del os.environ[name]  # an unset variable of a shell: W&B itself refuses an empty one
    try:
        wandb = _wandb()
        quiet = wandb.Settings(silent=True, quiet=True, console="off", reinit="create_new", init_timeout=INIT_SECONDS,
                               finish_timeout=FINISH_SECONDS, finish_timeout_raises=True)
        server = wandb.setup(settings=wandb.Settings(silent=True, quiet=True)).settings.base_url
        folder.mkdir(parents=True, exist_ok=True)
        mode = _mode(wandb)
        if mode == "online" and not _reachable(server):
            _say(f"W&B does not answer at {server}; the run goes on offline")
            mode = "offline"
    except Exception as error:
        _say(f"W&B could not be loaded ({_first_line(error)}); the run goes on without it")
        return None
    for attempt in dict.fromkeys((mode, "offline")):
        try:
            return wandb.init(**settings, mode=attempt, resume="allow", settings=quiet)
        except Exception as error:
            then = "without it" if attempt == "offline" else "offline"
            _say(f"W&B did not start {attempt} ({_first_line(error)}); the run goes on {then}")
            if not _open:
                wandb.teardown()  # else the id of the failed attempt stays taken
    return None


def _mode(wandb: Any) -> str:
    """WANDB_MODE where it is set, else online with a key and offline without one; never asks and never calls out."""
    asked = os.environ.get("WANDB_MODE", "").strip().lower()
    if asked:
        return {"dryrun": "offline", "run": "online"}.get(asked, asked)
    return "online" if os.environ.get("WANDB_API_KEY") or wandb.login(prompt=False, verify=False) else "offline"


def _reachable(server: str) -> bool:
    """Whether anything answers there: W&B itself would try for as long as it may, at every run of a sweep."""
    try:
        urllib.request.urlopen(server, timeout=REACH_SECONDS).close()  # by the proxies of the environment, as W&B
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _wandb() -> Any:
    return importlib.import_module("wandb")  # a second to import, so only for those who use it


def _columns(table: Table) -> dict[str, list[Any]]:
    """Arguments of wandb.Table: index levels as texts, then raw values, NaN as missing."""
    lines = []
    for label, line in zip(table.values.index, table.values.itertuples(index=False, name=None), strict=True):
        levels = label if isinstance(label, tuple) else (label,)
        lines.append([*map(str, levels), *(None if value != value else value for value in line)])
    return {"columns": [*table.levels, *map(str, table.values.columns)], "data": lines}


def _plain(value: Any) -> Any:
    """The config as plain dicts, lists and scalars: other things as their text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
