"""How much can a network hold? Capacity in bits against data complexity (debugging paper, section 3.2 and Figure 2).

One cell counts one network on one data set's inputs, three ways, and finds the width at which a network of that family
holds as many bits as the data need: the paper's model warehouse. Nothing is trained.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset
from convscope.data.loading import data_identity, data_label, load_bound
from convscope.family import Bound, ConfigError, bind, check_serves, whole
from convscope.rng import derive, numpy_rng, seeded
from convscope.rows import Row
from convscope.runs import Run
from convscope.studies.capacity_report import figures, ledger, pages, tables

VERSION = 1
# How the paper can be read: its four rules, its algorithm, and the algorithm as printed.
MODES: Mapping[str, Mapping[str, Any]] = {
    "rules": {}, "algorithm1": {"mode": "algorithm1"}, "literal": {"mode": "algorithm1", "output_bits": "sum"}}

__all__ = ["arrays", "curve", "figures", "identity", "kind", "ledger", "pages", "run", "tables", "title"]


@dataclass(frozen=True)
class Setup:
    """One network, and what it takes: a data set's inputs, or (no data) inputs of a given shape."""

    data: Bound | None
    model: Bound
    input_shape: tuple[int, ...]
    n_classes: int
    max_samples: int
    seed: int

    @property
    def inputs(self) -> str:
        """The data set as a row tells it, or the shape of the inputs without one."""
        if self.data is not None:
            return data_label(self.data)
        return f"{'x'.join(map(str, self.input_shape))}, {self.n_classes} classes"


def identity(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run of one cell; raises ConfigError or a data error before any work is done."""
    setup, dataset = _read(cfg)
    data = {"name": setup.inputs, "fingerprint": "no data are read"}
    if dataset is not None and setup.data is not None:
        data = data_identity(setup.data, dataset, seed=setup.seed)
    return {"version": VERSION, "data": data, "model": setup.model.identity(), "max_samples": setup.max_samples,
            "seed": setup.seed}


def title(cfg: Mapping[str, Any]) -> str:
    """One line that names the cell for a person."""
    setup, _ = _read(cfg)
    return f"{setup.model.label} | {setup.inputs} | seed {setup.seed}"


def kind(cfg: Mapping[str, Any]) -> str:
    return "measure"


def curve(cfg: Mapping[str, Any], run: Run) -> list[dict[str, float]]:
    """Nothing is trained here."""
    return []


def run(cfg: Mapping[str, Any], run: Run, *,
        on_epoch: Callable[[dict[str, float]], None] | None = None) -> Iterator[Row]:
    """Yields parameters and bits of the network, then bits of the data and the width that matches them.

    Leaves layers.npz: name, kind, parameters, bits_in, capacity and bits_out of every layer, by the four rules.
    """
    from convscope.capacity.bits import capacity_bits

    setup, dataset = _read(cfg)
    network = _build(setup, setup.model.arguments)
    counted = {name: capacity_bits(network, setup.input_shape, **options) for name, options in MODES.items()}
    layers = counted["rules"].layers
    np.savez(run.folder / "layers.npz", **{
        name: np.array([getattr(layer, name) for layer in layers])
        for name in ("name", "kind", "parameters", "bits_in", "capacity", "bits_out")})  # pyright: ignore

    def row(method: str, metric: str, value: float, unit: str, n: int, **axes: Any) -> Row:
        return Row(study="capacity", run_id=run.id, data=setup.inputs, split="train", model=setup.model.label,
                   method=method, condition="none", axes=axes, seed=setup.seed, metric=metric, value=float(value),
                   unit=unit, n=n)

    yield row("rules", "parameters", counted["rules"].parameters, "parameters", 1)
    for name, found in counted.items():
        yield row(name, "capacity_bits", found.total, "bits", 1)
    if dataset is None:
        return
    for called, n, bits in _complexity(setup, dataset):
        yield row("needs", "complexity_bits", bits, "bits", n, target=called)
        if "width" not in setup.model.method.defaults:
            continue
        yield row("match", "complexity_bits", bits, "bits", n, target=called)
        if (sized := _matched(setup, bits)) is not None:
            yield row("match", "width", sized.width, "", n, target=called)
            yield row("match", "matched_bits", sized.capacity.total, "bits", n, target=called)
            yield row("match", "matched_parameters", sized.capacity.parameters, "parameters", n, target=called)


def arrays(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """The table of layers of each network: `<inputs>/<model>/<column>`."""
    found: dict[str, np.ndarray] = {}
    for one in runs:
        row = one.rows()[0]
        with np.load(one.folder / "layers.npz") as saved:
            found |= {f"{row.data}/{row.model}/{name}": array for name, array in saved.items()}
    return found


def _read(cfg: Mapping[str, Any]) -> tuple[Setup, Dataset | None]:
    """The cell's setup, and its data set if it has one."""
    seed, most = whole("seed", cfg["seed"]), whole("max_samples", cfg["max_samples"], least=2)
    model = bind("models", cfg["model"])
    if model.method.constants.get("KIND") == "classical":
        raise ConfigError(f"{model.name} is no network: capacity counts layers; choose a ConvNet or a shallow network")
    shape, classes = cfg.get("input_shape"), cfg.get("n_classes")
    if (shape is None) != (classes is None):
        raise ConfigError("input_shape and n_classes come together: give both for a network without data, or neither")
    if shape is not None:
        sizes = [*shape, classes] if isinstance(shape, (list, tuple)) else []
        if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
            raise ConfigError("input_shape must be whole numbers, such as [3,224,224], and n_classes one, got "
                              f"{shape!r} and {classes!r}")
        return Setup(None, model, tuple(sizes[:-1]), sizes[-1], most, seed), None
    data = bind("data", cfg["data"])
    dataset = load_bound(data, cfg["env"], seed=seed)
    check_serves("model", model, dataset.kind, data.name)
    return Setup(data, model, dataset.input_shape, dataset.n_classes, most, seed), dataset


def _build(setup: Setup, arguments: Mapping[str, Any]) -> Any:
    """The network with these arguments on the meta device: counting needs no weights."""
    with seeded(derive(setup.seed, "init"), "init"):
        bound = Bound(setup.model.method, {**setup.model.arguments, **arguments})
        return bound.call(n_classes=setup.n_classes, input_shape=setup.input_shape)


def _complexity(setup: Setup, dataset: Dataset) -> Iterator[tuple[str, int, float]]:
    """(name, samples, bits) of the data: the whole training split, and as many samples as the paper's table has."""
    from convscope.complexity import thresholds

    split = dataset.splits["train"]
    yield "all", len(split), thresholds.measure(split.stored, split.y).complexity_bits
    if len(split) > setup.max_samples:
        index = np.sort(numpy_rng(setup.seed, "subset").permutation(len(split))[:setup.max_samples])
        yield "sample", len(index), thresholds.measure(split.stored[index], split.y[index]).complexity_bits


def _matched(setup: Setup, bits: float) -> Any:
    """The width whose network holds about `bits`, or None where no width of the family does."""
    from convscope.capacity.sizing import size_to

    try:
        return size_to(bits, lambda width: _build(setup, {"width": width}), input_shape=setup.input_shape)
    except ValueError:
        return None
