"""The paper's resampler: of several draws, the one whose data are least complex (debugging paper, section 3.3.3)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from imblearn.base import BaseSampler
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state

VERSION = 1


class CapacityResampler(BaseSampler):
    """Shuffles, resamples by `sampler` and measures, `n_repeats` times; keeps the draw with the smallest measure.

    `measure(X, y)` gives a number. Hand in thresholds / n of `complexity.thresholds`: the rounded bits are the same for
    every draw and cannot choose. `largest=True` keeps the most complex one, the control of the choice.
    Fitted: `complexities_` [n_repeats], `best_index_`, `sampler_` of the kept draw, and `sample_indices_`, the rows of
    X that it has, where the sampler tells them. Raises ValueError for a sampler or a measure that cannot be used.
    """

    _sampling_type = "bypass"
    _parameter_constraints: dict = {"sampler": "no_validation", "measure": "no_validation",
                                    "n_repeats": "no_validation", "largest": ["boolean"],
                                    "random_state": ["random_state"]}
    sampling_strategy = "auto"  # the sampler inside has its own

    def __init__(self, sampler: Any, measure: Callable[[Any, Any], float], *, n_repeats: int = 10,
                 largest: bool = False, random_state: Any = None) -> None:
        self.sampler = sampler
        self.measure = measure
        self.n_repeats = n_repeats
        self.largest = largest
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if hasattr(self.sampler, "__sklearn_tags__"):
            tags.sampler_tags = self.sampler.__sklearn_tags__().sampler_tags
        return tags

    def _fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        if not hasattr(self.sampler, "fit_resample"):
            raise ValueError(f"sampler must have fit_resample, got {self.sampler!r}; give one of imbalanced-learn's")
        if not callable(self.measure):
            raise ValueError(f"measure must be a function of X and y, got {self.measure!r}")
        if isinstance(self.n_repeats, bool) or not isinstance(self.n_repeats, int) or self.n_repeats < 1:
            raise ValueError(f"n_repeats must be a whole number, at least 1, got {self.n_repeats!r}")
        random = check_random_state(self.random_state)
        complexities, best = [], None
        for i in range(self.n_repeats):
            order = random.permutation(len(y))
            sampler: Any = clone(self.sampler)
            if "random_state" in sampler.get_params(deep=False):
                sampler.set_params(random_state=int(random.randint(2**31 - 1)))
            drawn = sampler.fit_resample(_safe_indexing(X, order), _safe_indexing(y, order))
            complexities.append(self._measured(*drawn))
            if best is None or (complexities[i] - complexities[best[0]]) * (-1 if self.largest else 1) < 0:
                best = (i, sampler, order, drawn)
        assert best is not None
        self.best_index_, self.sampler_, order, drawn = best
        self.complexities_ = np.array(complexities)
        if hasattr(self.sampler_, "sample_indices_"):
            self.sample_indices_ = order[self.sampler_.sample_indices_]
        return drawn

    def _measured(self, X: Any, y: Any) -> float:
        value = self.measure(X, y)
        if not np.isscalar(value) or not math.isfinite(value):  # pyright: ignore[reportArgumentType]
            raise ValueError(f"measure must return a finite number, got {value!r}")
        return float(value)  # pyright: ignore[reportArgumentType]
