"""What a cell is about where the store trains nothing for it: a data set, and the methods that are put to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.data.loading import data_identity, data_label, load_bound
from convscope.family import Bound, check_serves


@dataclass(frozen=True)
class Shape:
    """Inputs without data: what a network would take, and into how many classes it would sort them."""

    input_shape: tuple[int, ...]
    n_classes: int

    @property
    def label(self) -> str:
        return f"{'x'.join(map(str, self.input_shape))}, {self.n_classes} classes"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Data (or only the `shape` of inputs), and bound methods by the config's keys: the first one is a row's model."""

    data: Bound | None
    parts: Mapping[str, Bound]
    seed: int
    kind: str = "measure"
    shape: Shape | None = None

    def __post_init__(self) -> None:
        if self.data is not None and (kind := self.data.method.constants.get("KIND")):  # known without loading it
            self._check_kind(kind)

    @property
    def data_label(self) -> str:
        return data_label(self.data) if self.data else self.shape.label if self.shape else "no data"

    @property
    def model_label(self) -> str:
        return next(iter(self.parts.values())).label

    @property
    def title(self) -> str:
        return f"{self.data_label} | {self.model_label} | seed {self.seed}"

    def load(self, env: Mapping[str, Any]) -> Any:
        """The data set, checked to be of a kind that every part serves; the shape where there are no data."""
        if self.data is None:
            return self.shape
        dataset = load_bound(self.data, env, seed=self.seed)
        self._check_kind(dataset.kind)
        return dataset

    def identity(self, data: Any) -> dict[str, Any]:
        """What a run's hash holds of the data and the parts."""
        named = (data_identity(self.data, data, seed=self.seed) if self.data
                 else {"name": self.data_label, "fingerprint": "no data are read"})
        return {"data": named, **{key: part.identity() for key, part in self.parts.items()}, "seed": self.seed}

    def _check_kind(self, kind: str) -> None:
        for key, part in self.parts.items():
            check_serves(key, part, kind, self.data.name if self.data else "")
