"""The capacity-driven resampler: imbalanced-learn's own checks, its identities, and a naive second version."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler, TomekLinks
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.datasets import make_moons

from convscope.complexity import thresholds
from convscope.resampling.capacity import CapacityResampler


class Rate:
    """What the study hands in: label changes per sample (of texts, which the checks have too, just their number).

    Of one name in every process, as pytest-xdist wants it.
    """

    def __call__(self, x, y) -> float:
        return len(y) / 1000

    def __repr__(self) -> str:
        return "rate"


rate = Rate()


def changes(x: np.ndarray, y: np.ndarray) -> float:
    return thresholds.measure(x, y).thresholds / len(y)


def moons(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.asarray(part) for part in make_moons(n, noise=0.3, random_state=0))
    kept = (y == 0) | (np.arange(n) % 5 == 0)
    return x[kept], y[kept]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([CapacityResampler(inner, rate, n_repeats=2, random_state=0) for inner in (
    SMOTE(random_state=0), TomekLinks(), RandomUnderSampler(random_state=0))])
def test_imbalanced_learns_checks(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("inner", [SMOTE(), RandomUnderSampler()])
def test_keeps_the_extreme_draw_as_a_naive_loop_does(inner, largest: bool) -> None:
    x, y = moons()
    found = CapacityResampler(inner, changes, n_repeats=6, largest=largest, random_state=3)
    new_x, new_y, *_ = found.fit_resample(x, y)
    random, drawn = np.random.RandomState(3), []
    for _ in range(6):
        order = random.permutation(len(y))
        one = clone(inner).set_params(random_state=int(random.randint(2**31 - 1)))
        drawn.append(one.fit_resample(x[order], y[order]))
    measured = [changes(*one) for one in drawn]
    best = int(np.argmax(measured) if largest else np.argmin(measured))
    np.testing.assert_array_equal(found.complexities_, measured)
    assert found.best_index_ == best and len(set(measured)) > 1
    np.testing.assert_array_equal(new_x, drawn[best][0])
    np.testing.assert_array_equal(new_y, drawn[best][1])


def test_one_draw_is_the_sampler_itself_on_shuffled_rows() -> None:
    x, y = moons()
    new_x, new_y, *_ = CapacityResampler(TomekLinks(), changes, n_repeats=1, random_state=0).fit_resample(x, y)
    plain_x, plain_y, *_ = TomekLinks().fit_resample(x, y)
    assert sorted(map(tuple, new_x.tolist())) == sorted(map(tuple, plain_x.tolist())) and len(new_y) == len(plain_y)


def test_the_same_seed_gives_the_same_and_the_data_stay() -> None:
    x, y = moons()
    before = x.copy(), y.copy()
    a, b = (CapacityResampler(SMOTE(), changes, random_state=1).fit_resample(x, y) for _ in range(2))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.parametrize("inner", [RandomUnderSampler(), TomekLinks(), RandomOverSampler()])
def test_sample_indices_are_the_callers_rows(inner) -> None:
    x, y = moons()
    found = CapacityResampler(inner, changes, n_repeats=3, random_state=0)
    new_x, new_y, *_ = found.fit_resample(x, y)
    np.testing.assert_array_equal(x[found.sample_indices_], new_x)
    np.testing.assert_array_equal(y[found.sample_indices_], new_y)
    assert not hasattr(CapacityResampler(SMOTE(), changes, n_repeats=1).fit(x, y), "sample_indices_")


@pytest.mark.parametrize(("change", "sentence"), [
    ({"sampler": "smote"}, "sampler must have fit_resample, got 'smote'"),
    ({"measure": 3}, "measure must be a function of X and y, got 3"),
    ({"measure": lambda x, y: float("nan")}, "measure must return a finite number, got nan"),
    ({"measure": lambda x, y: [1]}, "measure must return a finite number, got [1]"),
    ({"n_repeats": 0}, "n_repeats must be a whole number, at least 1, got 0"),
])
def test_refuses_in_one_sentence(change: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        CapacityResampler(**{"sampler": SMOTE(), "measure": changes, **change}).fit_resample(*moons())
    assert sentence in str(error.value) and "\n" not in str(error.value)
