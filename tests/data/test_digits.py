"""The embedded default: a constant data set, made here a second time from its formula."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from convscope.data import digits

# The data set is a constant: a change here is a change of every digits result, and raises VERSION.
FINGERPRINT = "e59d2386393764d592574a0cad3d86c17ffadd28178dabe27909d8ebca330268"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_shape_counts_and_constancy(cache):
    data = digits.load(roots=[], cache=cache)
    assert data.input_shape == (1, 16, 16)
    assert [len(data.splits[s]) for s in ("train", "test")] == [4800, 1194]
    assert data.class_names == tuple("0123456789")
    assert data.fingerprint == FINGERPRINT


def test_formula_pixel_by_pixel(cache):
    """A naive second version of the first 200 images of either split, in the order in which they are drawn."""
    rng = np.random.RandomState(0)
    images, labels = map(np.asarray, load_digits(return_X_y=True))
    order = rng.permutation(1797)
    for split, base, copies in (("train", order[:1200], 4), ("test", order[1200:], 2)):
        noise = [rng.standard_normal((16, 16)) for _ in range(copies * len(base))]
        part = digits.load(roots=[], cache=cache).splits[split]
        held = {(int(y), x.tobytes()) for x, y in zip(part.stored, part.y, strict=True)}
        assert len(held) == copies * len(base)
        for k in range(200):
            digit = images[base[k]].reshape(8, 8)
            image = [[round(255 * min(1, max(0, 0.4 + 0.2 * digit[r // 2][c // 2] / 16 + 0.16 * noise[k][r, c])))
                      for c in range(16)] for r in range(16)]
            assert (int(labels[base[k]]), np.array(image, dtype=np.uint8).tobytes()) in held


def test_base_images_of_train_and_test_are_disjoint(cache):
    data = digits.load(roots=[], cache=cache, noise=0.0, copies=1)
    train, test = ({x.tobytes() for x in data.splits[s].stored} for s in ("train", "test"))
    assert (len(data.splits["train"]), len(data.splits["test"])) == (1200, 597)
    assert not train & test
    assert data.splits["train"].stored.min() == 102
    assert data.splits["train"].stored.max() == 153


@pytest.mark.parametrize(("copies", "n_train", "n_test"), [(1, 1200, 597), (3, 3600, 597), (6, 7200, 1791)])
def test_copies(cache, copies, n_train, n_test):
    data = digits.load(roots=[], cache=cache, copies=copies)
    assert (len(data.splits["train"]), len(data.splits["test"])) == (n_train, n_test)
    assert len(set(data.splits["train"].ids)) == n_train


def test_a_second_start_imports_neither_scikit_learn_nor_torch(cache):
    digits.load(roots=[], cache=cache)
    script = (f"import sys; from pathlib import Path; from convscope.data import digits\n"
              f"print(digits.load(roots=[], cache=Path({str(cache)!r})).fingerprint)\n"
              "assert not {'sklearn', 'torch', 'scipy'} & set(sys.modules), 'heavy import'")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, FINGERPRINT, "")
