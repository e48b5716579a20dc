"""Two classes of another data set, for what asks a question of yes or no."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convscope.data.dataset import Dataset, Split, fingerprint
from convscope.family import ConfigError, bind

VERSION = 1


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, of: str, classes: tuple,
         path: str | None = None) -> Dataset:
    """The samples of the two `classes` (names) of the data set `of`, at its defaults, with the labels 0 and 1.

    `path` is for a data set that needs one. Raises ValueError for classes that it does not have.
    """
    names = [str(name) for name in classes]
    if len(names) != 2 or names[0] == names[1]:
        raise ValueError(f"pair: classes must name two different classes, got {', '.join(names) or 'none'}")
    if of == "pair":
        raise ConfigError("pair: a pair of a pair has nothing left to choose; name another data set")
    source: dict[str, Any] = {"name": of, **({} if path is None else {"path": path})}
    whole: Dataset = bind("data", source).call(roots=roots, cache=cache, download=download)
    if unknown := [name for name in names if name not in whole.class_names]:
        raise ValueError(f"pair: {of} has no class {unknown[0]}; it has {', '.join(whole.class_names)}")
    wanted = [whole.class_names.index(name) for name in names]
    splits = {}
    for name, split in whole.splits.items():
        index = np.concatenate([np.flatnonzero(split.y == k) for k in wanted])  # class after class, as everywhere
        splits[name] = Split(split.stored[index], np.repeat([0, 1], [int((split.y == k).sum()) for k in wanted]),
                             split.ids[index], split.kind)
    told = fingerprint(whole.kind, names, splits, whole.alphabet)
    return replace(whole, name="pair", splits=splits, class_names=tuple(names), fingerprint=told)
