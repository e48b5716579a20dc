"""The contract of a study, once: what it must have, what a cell of it gives it, and what it has without saying so.

A study is one file with a function `run`, or a folder with the rooms method.py, report.py and paper.py. Required:

    run(cell, *, images: Count = 8, ...) -> Iterator[Row]   its settings are these parameters, checked as `values` says

Everything else has a default here; a study that wants another defines a function of the name:

    method.py   subject(cfg) -> Subject               what a cell is about (default: a classifier by its recipe)
                check(cell)                           raises ConfigError for what it cannot look at
                rehearse(cell, model)                 the same, by a network that is not trained yet; before cells run
                arrays(runs) -> {name: array}         what its figures show (default: what the first seed kept)
    report.py   tables(rows) -> [Table]               default: every metric, models x methods
                figures(rows, arrays) -> {name: Figure}     default: none
                pages(rows, arrays) -> {name: html}         default: none
    paper.py    ledger({report: rows}) -> [LedgerRow]       default: no paper's number

and constants in method.py: VERSION, KINDS (of data), MODELS (kinds of models), PARTS (keys of a config for `subject`).
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from convscope import npz
from convscope.family import Bound, ConfigError, bind, check_serves, describe
from convscope.rows import Row
from convscope.runs import Run, Store, read_json
from convscope.training import recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convscope.reporting.ledger import LedgerRow
    from convscope.reporting.tables import Table

ALWAYS = {"study", "seed", "env", "logger"}  # keys of every config
ROOMS = {"tables": "report", "figures": "report", "pages": "report", "ledger": "paper"}  # the others: method
Arrays = Mapping[str, np.ndarray]


class Subject(Protocol):
    """What a cell is about: a model on data, most often. `kind` is the kind of its model, or what is done instead."""

    data: Bound | None
    seed: int
    kind: str
    title: str
    data_label: str
    model_label: str

    def load(self, env: Mapping[str, Any]) -> Any:
        """Its data, checked to be of a kind that its parts serve."""
        ...

    def identity(self, data: Any) -> dict[str, Any]:
        """What a run's hash holds of it."""
        ...

    # Besides, where a network is looked into: task(data) -> training.shared.Task, which the store trains and shares, or
    # network(data) -> nn.Module in eval mode, where its weights are given.


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep: its config, bound and checked, and what a study's `run` needs; `on_epoch` sees epochs."""

    cfg: Mapping[str, Any]
    study: "Study"
    subject: Any
    settings: Bound
    on_epoch: Callable[[dict[str, float]], None] | None = None

    @property
    def env(self) -> Mapping[str, Any]:
        return self.cfg["env"]

    @property
    def seed(self) -> int:
        return self.subject.seed

    @property
    def title(self) -> str:
        """One line that names the cell for a person: its subject, and settings that are methods."""
        methods = [f"{key} {one.label}" for key, one in self.settings.arguments.items() if isinstance(one, Bound)]
        subject = self.subject.title.removeprefix(self.subject.data_label)
        return " | ".join([self.data_label + subject if subject != self.subject.title else subject, *methods])

    @property
    def data_label(self) -> str:
        """The data set in a report: its own label, or the longer one by which this sweep tells two sets apart."""
        return self.env.get("called") or self.subject.data_label

    @property
    def store(self) -> Store:
        return Store(Path(self.env["runs"]))

    @cached_property
    def dataset(self) -> Any:
        """The subject's data; raises ConfigError or a data error."""
        return self.subject.load(self.env)

    @cached_property
    def run(self) -> Run:
        """This cell's run in the store, named by the hash of everything that can change its numbers.

        A setting at its default is left out, so that a new one with a default keeps old runs valid.
        """
        identity = {"version": self.settings.method.version, **self.subject.identity(self.dataset),
                    **{key: _plain(value) for key, value in self.settings.given.items()}}
        return self.store.run(self.study.name, identity)

    @property
    def mirrored(self) -> bool:
        """Whether the logger has all of this cell: W&B's project and entity are noted in mirror.json."""
        if self.cfg["logger"]["name"] == "none":
            return True
        try:
            return read_json(self.run.folder / "mirror.json") == self.cfg["logger"]
        except ValueError:  # none, or a damaged one: it is mirrored again
            return False

    def network(self, **how: Any) -> Any:
        """The subject's network, in eval mode on the CPU: given, from the store, or trained now and kept there.

        `how` goes to the subject's `task`, for a training that is not the cell's own and that nobody watches.
        """
        if hasattr(self.subject, "network"):
            return self.subject.network(self.dataset)
        from convscope.training import shared

        return shared.get_or_train(self.subject.task(self.dataset, **how), self.store, env=self.env,
                                   on_epoch=None if how else self.on_epoch)

    def curve(self) -> list[dict[str, float]]:
        """The epochs of the subject's network as far as the store has it; none where nothing is trained."""
        if hasattr(self.subject, "network") or getattr(self.subject, "fit", None) is None:
            return []
        from convscope.training import shared

        return shared.curve(self.subject.task(self.dataset), self.store)

    def row(self, metric: str, value: float, unit: str, n: int, axes: Mapping[str, Any] | None = None, *,
            method: str = "none", condition: str | None = None, split: str = "test", seed: int | None = None) -> Row:
        """A measurement of this cell: `value` in `unit`, on `n` samples; `condition` None is its subject's."""
        own = getattr(self.subject, "condition", None)
        return Row(study=self.study.name, run_id=self.run.id, data=self.subject.data_label, split=split,
                   model=self.subject.model_label, method=method, axes=dict(axes or {}),
                   condition=(own.name if own else "none") if condition is None else condition,
                   seed=self.seed if seed is None else seed, metric=metric, value=float(value), unit=unit, n=n)

    def keep(self, **arrays: Any) -> None:
        """Keeps arrays for figures in the run's folder; once for each run. Raises ValueError for too many."""
        npz.check(arrays)
        np.savez(self.run.folder / "arrays.npz", **arrays)

    def work(self) -> Iterator[Row]:
        """The study's `run` on this cell."""
        return self.settings.function()(self, **self.settings.arguments)


@dataclass(frozen=True)
class Study:
    """A study by its name, with every function of the contract: its own, or the default."""

    name: str
    module: str

    @property
    def file(self) -> Path:
        """Where its method is."""
        return describe("studies", self.name).file

    def cell(self, cfg: Mapping[str, Any]) -> Cell:
        """The checked cell of a config; raises ConfigError, ValueError or OSError in one sentence."""
        constants = describe("studies", self.name).constants
        parts = set(constants.get("PARTS", recipe.KEYS))
        settings = bind("studies", {"name": self.name, **{
            key: value for key, value in cfg.items() if key not in ALWAYS | parts}})
        cell = Cell(cfg, self, (self._own("subject") or recipe.read_recipe)(cfg), settings)
        if "MODELS" in constants and cell.subject.kind not in constants["MODELS"]:
            raise ConfigError(f"{self.name} looks into networks, {cell.subject.model.name} is none; choose a network "
                              "as model")
        if self._own("check"):
            self._own("check")(cell)
        data = cell.subject.data
        if data is not None and "KINDS" in constants:
            check_serves("study", settings, data.method.constants.get("KIND") or cell.dataset.kind, data.name)
        return cell

    def rehearse(self, cell: Cell, model: Any) -> None:
        """Raises ValueError, one sentence, for an untrained network that it could not look into once it is trained."""
        own = self._own("rehearse")
        if own and model is not None:
            own(cell, model)

    def tables(self, rows: Sequence[Row]) -> "list[Table]":
        return (self._own("tables") or _tables)(rows)

    def figures(self, rows: Sequence[Row], arrays: Arrays) -> "dict[str, Figure]":
        return (self._own("figures") or _none)(rows, arrays)

    def pages(self, rows: Sequence[Row], arrays: Arrays) -> dict[str, str]:
        return (self._own("pages") or _none)(rows, arrays)

    def ledger(self, reports: Mapping[str, Sequence[Row]]) -> "list[LedgerRow]":
        own = self._own("ledger")
        return own(reports) if own else []

    def arrays(self, runs: Iterable[Run]) -> dict[str, np.ndarray]:
        """What the figures show beside the rows."""
        return (self._own("arrays") or first_seed)(runs)

    def _own(self, name: str) -> Any:
        """The study's own function of this name, wherever its rooms have it; None where it leaves it to the default."""
        return getattr(_room(self.module, ROOMS.get(name, "method")), name, None)


def study(name: str) -> Study:
    """The study of this name: ours, or a user's own by its dotted path; raises ConfigError where there is none."""
    return Study(name, describe("studies", name).module)


def kept(run: Run) -> dict[str, np.ndarray]:
    """What a run kept by `Cell.keep`: empty where it kept nothing."""
    file = next(iter(sorted(run.folder.glob("*.npz"))), None)
    if file is None:
        return {}
    try:
        return npz.read(file)
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): run its experiment again") from None


def first_seed(runs: Iterable[Run], of: Callable[[Row], str] = lambda row: f"{row.data}/{row.model}"
               ) -> dict[str, np.ndarray]:
    """What the first seed of each data set and model kept, or of what `of` tells apart: `<data>/<model>/<name>`."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for one in sorted(runs, key=lambda run: run.rows()[0].seed):
        if (key := of(one.rows()[0])) not in found:
            found[key] = kept(one)
    return {f"{key}/{name}": array for key, arrays in found.items() for name, array in arrays.items()}


def first_seed_in_half(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """As `first_seed`, floats as float16: enough for pictures, and a report is committed."""
    return {name: array.astype(np.float16) if array.dtype.kind == "f" else array
            for name, array in first_seed(runs).items()}


def _room(module: str, room: str) -> ModuleType | None:
    """The module of a study's room, None where it has none; of a study in one file always that file."""
    package, _, last = module.rpartition(".")
    if last != "method":
        return importlib.import_module(module)
    exists = importlib.util.find_spec(f"{package}.{room}") is not None
    return importlib.import_module(f"{package}.{room}") if exists else None


def _tables(rows: Sequence[Row]) -> "list[Table]":
    """One table for every metric: models and axes against methods and conditions, over the seeds."""
    from convscope.reporting.plain import tables

    return tables(rows)


def _none(*_: Any) -> dict[str, Any]:
    return {}


def _plain(value: Any) -> Any:
    """A setting as a run's hash holds it."""
    if isinstance(value, Bound):
        return value.identity()
    if isinstance(value, Mapping):
        bound = [one.identity() | ({} if name == one.name else {"called": name})
                 for name, one in value.items() if isinstance(one, Bound)]
        return bound or {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
