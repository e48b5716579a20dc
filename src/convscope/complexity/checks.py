"""What both measures ask of samples and labels."""

import numpy as np

BLOCK = 2**22  # values that are looked at in one go: a whole large set would be copied


def samples(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x as a view [N, D], and the labels renumbered to 0..K-1, int64 [N].

    Raises ValueError, one sentence, unless x holds finite real numbers, y as many whole numbers, and there are at least
    two classes.
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
            if not np.isfinite(flat[start:start + step]).all():
                row, column = np.argwhere(~np.isfinite(flat[start:start + step]))[0]
                raise ValueError(f"x must be finite, got {flat[start + row, column]} in sample {start + row}, feature "
                                 f"{column}; remove or fill such values")
    present, labels = np.unique(y, return_inverse=True)
    if len(present) < 2:
        raise ValueError(f"complexity needs at least two classes, got only class {present[0]}; add another")
    return flat, labels.astype(np.int64)
