"""A bound data set, found and loaded once per process; and what it is called in a row."""

import hashlib
from collections.abc import Mapping, Sequence
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
    return _label(data)


def labels_apart(sets: Sequence[Bound]) -> list[str]:
    """A label for each data set of a sweep: `data_label`, or where that is another's too, what tells the two apart.

    That is as much of the end of their paths as is needed (site_a-series, or series.csv beside series.txt), else the
    whole name, else a digest. A label becomes a part of file names: it has no slash.
    """
    different = {(one.name, repr(one.arguments)): one for one in sets}
    by_label: dict[str, list[tuple[str, str]]] = {}
    for key, one in different.items():
        by_label.setdefault(data_label(one), []).append(key)
    found: dict[tuple[str, str], str] = {}
    for label, keys in by_label.items():
        found |= dict(zip(keys, [label] if len(keys) == 1 else _longer([different[key] for key in keys]), strict=True))
    if len(set(found.values())) < len(found):  # a longer one is a third one's own
        found = {key: _digested(different[key]) for key in found}
    return [found[one.name, repr(one.arguments)] for one in sets]


def data_identity(data: Bound, dataset: Dataset | Series, *, seed: int) -> dict[str, Any]:
    """What a run's hash holds of its data; `draw` is the seed of a set that a seed draws."""
    return {"name": data.name, "fingerprint": dataset.fingerprint, **({"draw": seed} if drawn(data) else {})}


def _spoken(key: str, value: Any) -> str:
    if key in SPOKEN:
        return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else Path(value).stem
    if isinstance(value, (list, tuple)):
        return f"{key}={'+'.join(map(str, value)) or 'none'}"
    return f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


def _longer(sets: Sequence[Bound]) -> list[str]:
    """Labels of different sets that have one `data_label`: the shortest of one kind that are all different."""
    paths = [Path(str(one.given.get("path", ""))) for one in sets]
    ends: list[list[str]] = []
    for n in range(1, max(len(path.parts) for path in paths) + 1):
        kept = [[part.strip("/") for part in path.parts[-n:]] for path in paths]
        ends += [["-".join([*parts[:-1], path.stem]) for path, parts in zip(paths, kept, strict=True)],
                 ["-".join(parts) for parts in kept]]
    named = [data_label(one).partition(" ") for one in sets]
    for told in (*([_label(one, end) for one, end in zip(sets, each, strict=True)] for each in ends),
                 [" ".join([one.name, rest]).strip() for one, (_, _, rest) in zip(sets, named, strict=True)]):
        if len(set(told)) == len(sets):
            return told
    return [_digested(one) for one in sets]


def _label(data: Bound, path: str | None = None) -> str:
    """`data_label`, with `path` for what it says of the path."""
    return " ".join([data.name.rpartition(".")[2], *(
        path if k == "path" and path else _spoken(k, v) for k, v in data.given.items())])


def _digested(data: Bound) -> str:
    told = hashlib.sha256(f"{data.name} {data.arguments!r}".encode()).hexdigest()
    return f"{data_label(data)} {told[:6]}"


@lru_cache(maxsize=4)
def _load(name: str, arguments: tuple, roots: tuple[Path, ...], cache: Path, download: bool, seed: int) -> Dataset:
    return bind("data", {"name": name, **dict(arguments)}).call(
        roots=list(roots), cache=cache, download=download, seed=seed)
