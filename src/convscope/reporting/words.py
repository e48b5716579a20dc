"""Words that captions and file names of several studies share."""

import re
from collections.abc import Iterable, Mapping
from typing import Any


def seeds(lines: Any, spread: str = "mean ± standard error") -> str:
    """`one seed`, or `mean ± standard error over 3 seeds`, of lines of `aggregate.over_seeds`."""
    low, high = int(lines["n_seeds"].min()), int(lines["n_seeds"].max())
    return "one seed" if high == 1 else f"{spread} over {high if low == high else f'{low} to {high}'} seeds"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def slug(text: str) -> str:
    """A label as part of a file's name: `image_folder seefood` -> `image_folder-seefood`."""
    return re.sub(r"[^\w.=-]+", "-", text)


def ending(one: str, among: Iterable[str]) -> str:
    """What tells a figure or table of `one` from those of the others in its file's name; nothing where it is alone."""
    return "" if len(set(among)) == 1 else "_" + "_".join(one.replace("/", " ").replace("=", "-").split())


def by_network(arrays: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """`<data>/<model>` -> (`ending`, its arrays by the rest of their names) of arrays `<data>/<model>/<name>`."""
    keys = sorted({"/".join(name.split("/")[:2]) for name in arrays})
    return {key: (ending(key, keys), {name.removeprefix(f"{key}/"): array for name, array in arrays.items()
                                      if name.startswith(f"{key}/")}) for key in keys}


def short(labels: Iterable[str]) -> list[str]:
    """Labels without the folders of a user's own modules: `my_lab.models.net width=0.5` -> `net width=0.5`.

    Two that would read the same stay as they are.
    """
    labels = list(labels)
    last = {label: re.sub(r"(?<![\w.=])(?:[^\W\d]\w*\.)+(?=[^\W\d])", "", label) for label in labels}
    return [last[label] if list(last.values()).count(last[label]) == 1 else label for label in labels]


def whole(value: float, *_: Any) -> str:
    """`61,100,840`."""
    return f"{value:,.0f}"
