"""A bound data set, found and loaded once per process; and what it is called in a row."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from convscope.data.dataset import Dataset
from convscope.data.roots import default_cache, search_roots
from convscope.data.series import Series
from convscope.family import Bound, bind

SPOKEN = ("path", "of", "classes")  # parameters whose values speak for themselves


def load_bound(data: Bound, env: Mapping[str, Any], *, seed: int) -> Dataset:
    """The data set, found as `env` says; memory-mapped, so that a second call costs nothing.

    A loader that declares `seed` draws its samples by it; every other data set is the same for each seed.
    """
    cache = Path(env["cache_root"]).expanduser() if env.get("cache_root") else default_cache()
    return _load(data.name, tuple(sorted(data.arguments.items())), tuple(search_roots(env.get("data_root"))), cache,
                 bool(env.get("download", False)), seed if drawn(data) else 0)


def drawn(data: Bound) -> bool:
    """Whether a run's seed draws this data set's samples."""
    return "seed" in data.method.runtime


def data_label(data: Bound) -> str:
    """The data set in a row: its name and what differs from its defaults, of a path only the last part."""
    return " ".join([data.name.rpartition(".")[2], *(_spoken(k, v) for k, v in data.given.items())])


def data_identity(data: Bound, dataset: Dataset | Series, *, seed: int) -> dict[str, Any]:
    """What a run's hash holds of its data; `draw` is the seed of a set that a seed draws."""
    return {"name": data.name, "fingerprint": dataset.fingerprint, **({"draw": seed} if drawn(data) else {})}


def _spoken(key: str, value: Any) -> str:
    if key in SPOKEN:
        return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else Path(value).stem
    if isinstance(value, (list, tuple)):
        return f"{key}={'+'.join(map(str, value)) or 'none'}"
    return f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


@lru_cache(maxsize=4)
def _load(name: str, arguments: tuple, roots: tuple[Path, ...], cache: Path, download: bool, seed: int) -> Dataset:
    return bind("data", {"name": name, **dict(arguments)}).call(
        roots=list(roots), cache=cache, download=download, seed=seed)
