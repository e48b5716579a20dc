"""What both measures ask of samples and labels."""

import numpy as np

BLOCK = 2**22  # values that are looked at in one go: a whole large set would be copied
LIMIT = 1e300  # sums and differences of larger values have no float


def samples(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x as a view [N, D], and the labels renumbered to 0..K-1, int64 [N].

    Raises ValueError, one sentence, unless x holds real numbers within LIMIT, y as many whole numbers, and there are at
    least two classes.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "iufb" or x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"x must be numbers [N, ...] with at least one feature, got {x.dtype} {list(x.shape)}")
    if y.dtype.kind in "USO":
        raise ValueError(f"labels must be whole numbers, got texts such as {str(y.ravel()[0])!r}; number them first: "
                         "numpy.unique(y, return_inverse=True)[1]")
    if y.dtype.kind not in "iub" or y.shape != x.shape[:1]:
        raise ValueError(f"y must be whole numbers [{len(x)}], one per sample, got {y.dtype} {list(y.shape)}")
    flat = x.reshape(len(x), -1)
    if x.dtype.kind == "f":
        step = max(1, BLOCK // flat.shape[1])
        for start in range(0, len(flat), step):
            part = flat[start:start + step]
            wrong = ~np.isfinite(part) if x.dtype.itemsize < 8 else ~(np.abs(part) <= LIMIT)  # a NaN is not
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                asked = "finite" if not np.isfinite(part[row, column]) else f"within {LIMIT:g}"
                raise ValueError(f"x must be {asked}, got {part[row, column]} in sample {start + row}, feature "
                                 f"{column}; remove or fill such values")
    present, labels = np.unique(y, return_inverse=True)
    if len(present) < 2:
        raise ValueError(f"complexity needs at least two classes, got only class {present[0]}; add another")
    return flat, labels.astype(np.int64)


def largest(flat: np.ndarray) -> int | float:
    """The largest absolute value, exact: a whole number of whole numbers."""
    low, high = flat.min().item(), flat.max().item()
    return max(abs(low), abs(high))
