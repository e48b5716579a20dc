"""Makes golden_csg.npz with spectral-metric 0.6.1, the package of the method's authors.

    pip install --no-deps --target FOLDER spectral-metric==0.6.1     # it pins an old seaborn, not needed here
    PYTHONPATH=FOLDER uv run tests/complexity/make_golden.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import make_blobs

CASES = {"two": (2, 2, 120, 4.0), "three": (3, 5, 150, 6.0), "ten": (10, 2, 400, 4.0), "wide": (6, 40, 240, 12.0)}
DRAWN = 30


def main() -> None:
    from spectral_metric.estimator import CumulativeGradientEstimator  # pyright: ignore[reportMissingImports]

    found = {}
    for seed, (name, (classes, dims, n, spread)) in enumerate(CASES.items()):
        x, y, *_ = make_blobs(n, dims, centers=classes, cluster_std=spread, random_state=seed)
        reference = CumulativeGradientEstimator(M_sample=DRAWN)
        reference.fit(x, y)
        found |= {f"{name}/x": x, f"{name}/y": y, f"{name}/csg": np.ravel(reference.csg)[0], f"{name}/w": reference.W,
                  f"{name}/s": reference.S, f"{name}/evals": reference.evals,
                  f"{name}/drawn": np.stack([reference.class_indices[k] for k in range(classes)])}
    np.savez_compressed(Path(__file__).with_name("golden_csg.npz"), **found)


if __name__ == "__main__":
    main()
