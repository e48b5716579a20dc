"""Label changes along the sorted sums, against a loop, the paper's formulas and their identities."""

import math

import numpy as np
import pytest

from convscope.complexity import checks, thresholds


def data(n: int = 120, d: int = 5, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(n, d)), generator.integers(0, classes, n)


def naive(x: np.ndarray, y: np.ndarray, l1: bool = False) -> int:
    """Friedland's algorithm as written: one number per row, sort, count."""
    table = sorted((sum(abs(v) if l1 else v for v in row), label)
                   for row, label in zip(x.tolist(), y.tolist(), strict=True))
    count, now = 0, table[0][1]
    for _, label in table:
        if label != now:
            count, now = count + 1, label
    return count


@pytest.mark.parametrize("key", ["sum", "l1"])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equals_a_naive_loop(key: str, classes: int) -> None:
    x, y = data(classes=classes)
    found = thresholds.measure(x, y, key=key)  # pyright: ignore[reportArgumentType]
    assert found.thresholds == naive(x, y, key == "l1")
    assert found.exact_bits == pytest.approx(math.log2(found.thresholds + 1) * 5)
    assert found.complexity_bits == math.ceil(math.log2(found.thresholds + 1)) * 5
    assert found.upper_bound_bits == found.thresholds * 5 + found.thresholds + 1
    assert (found.n, found.n_classes, found.n_features) == (120, classes, 5)


def test_whole_numbers_are_summed_exactly_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).integers(0, 256, (200, 3, 4), dtype=np.uint8)
    y = np.arange(200) % 2
    expected = naive(x.reshape(200, -1).astype(int), y)
    assert thresholds.measure(x, y).thresholds == expected
    monkeypatch.setattr(thresholds, "BLOCK", 50)
    assert thresholds.measure(x, y).thresholds == expected
    wide = np.array([[2**40, 1], [2**40, 0], [2**40, 2], [2**40, 3]]) + 2**52  # float64 would tie two
    assert thresholds.measure(wide, np.array([0, 1, 1, 0])).thresholds == 3


def test_l1_of_the_least_integer() -> None:
    x = np.array([[-128], [1], [2], [127]], dtype=np.int8)
    assert thresholds.measure(x, np.array([0, 1, 1, 0]), key="l1").thresholds == 1


def test_one_threshold_is_one_bit_per_dimension() -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.repeat([0, 1], 5)
    found = thresholds.measure(x, y)
    assert (found.thresholds, found.exact_bits, found.complexity_bits, found.upper_bound_bits) == (1, 2.0, 2.0, 4)


def test_order_scale_and_names_of_classes_say_nothing() -> None:
    x, y = data()
    x = np.round(x)  # many ties
    expected = thresholds.measure(x, y).thresholds
    order = np.random.default_rng(1).permutation(len(x))
    assert thresholds.measure(x[order], y[order]).thresholds == expected
    assert thresholds.measure(4 * x, y).thresholds == expected
    assert thresholds.measure(x, 7 * y - 3).thresholds == expected
    stable = {thresholds.measure(x[o], y[o], ties="stable").thresholds
              for o in (np.argsort(y, kind="stable"), order, order[::-1])}
    assert len(stable) > 1  # the literal reading follows the order of the samples


def test_random_labels_have_a_ratio_of_one() -> None:
    x = np.random.default_rng(0).normal(size=(4000, 3))
    y = np.random.default_rng(1).choice([0, 1, 2], 4000, p=[0.7, 0.2, 0.1])
    found = thresholds.measure(x, y)
    assert found.ratio == pytest.approx(1, abs=0.05)
    told = " ".join(found.warnings)
    assert "as often as random ones" in told and "3 classes" in told and "imbalanced" in told
    counts = [thresholds.measure(x[:60], np.random.default_rng(s).permutation(y[:60])) for s in range(400)]
    assert np.mean([one.ratio for one in counts]) == pytest.approx(1, abs=0.01)
    assert thresholds.measure(np.arange(8.0)[:, None], np.repeat([0, 1], 4)).warnings == ()


@pytest.mark.parametrize(("rounding", "bits"), [("ceil", 3.0), ("none", math.log2(6)), ("floor", 2.0)])
def test_rounding(rounding: str, bits: float) -> None:
    found = thresholds.measure(np.arange(6.0)[:, None], np.arange(6) % 2, rounding=rounding)  # pyright: ignore[reportArgumentType]
    assert found.thresholds == 5 and found.complexity_bits == pytest.approx(bits)


def test_max_samples_draws_by_the_rng() -> None:
    x, y = data(500)
    drawn = [thresholds.measure(x, y, max_samples=100, rng=np.random.default_rng(s)) for s in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1] and drawn[0].n == 100 and len({one.thresholds for one in drawn}) > 1
    assert thresholds.measure(x, y, max_samples=1000) == thresholds.measure(x, y)
    index = np.sort(np.random.default_rng(0).permutation(500)[:100])
    assert drawn[0].thresholds == naive(x[index], y[index])


@pytest.mark.parametrize(("change", "sentence"), [
    ({"key": "l2"}, "key must be sum or l1, got 'l2'"),
    ({"rounding": "up"}, "rounding must be ceil or none or floor, got 'up'"),
    ({"ties": "random"}, "ties must be label or stable"),
    ({"max_samples": 10}, "drawn by an rng"),
    ({"x": np.ones(120)}, "x must be numbers [N, ...]"),
    ({"x": np.ones((120, 2), dtype=complex)}, "got complex128 [120, 2]"),
    ({"y": np.zeros(119, int)}, "y must be whole numbers [120], one per sample, got int64 [119]"),
    ({"y": np.ones(120, int)}, "at least two classes, got only class 1"),
    ({"y": np.array(["cat", "dog"] * 60)}, "got texts such as 'cat'; number them first"),
])
def test_refuses_in_one_sentence(change: dict, sentence: str) -> None:
    x, y = data()
    with pytest.raises(ValueError) as error:
        thresholds.measure(**{"x": x, "y": y, **change})
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_names_the_value_that_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "BLOCK", 40)  # eight rows at a time
    x, y = data()
    x[77, 3] = -np.inf
    with pytest.raises(ValueError, match="got -inf in sample 77, feature 3"):
        thresholds.measure(x, y)


@pytest.mark.parametrize(("large", "dtype"), [
    (1e20, float), (2e30, float), (1e300, float), (-9.97e36, np.float32), (1e17, float), (1.7e18, np.int64),
    (2**63 - 9, np.int64), (2**64 - 9, np.uint64), (-2**63, np.int64)])
@pytest.mark.parametrize("key", ["sum", "l1"])
def test_a_large_column_does_not_swallow_the_others(large: float, dtype: type, key: str) -> None:
    """A constant one changes no order: masses, fill values, ids."""
    small = np.random.default_rng(0).permutation(8)
    x = np.stack([np.full(8, large, dtype), small.astype(dtype), np.full(8, large, dtype)], axis=1)
    found = thresholds.measure(x, np.arange(8) % 2, key=key)  # pyright: ignore[reportArgumentType]
    alone = thresholds.measure(small[:, None], np.arange(8) % 2)
    assert found.thresholds == alone.thresholds > 2


@pytest.mark.parametrize(("dtype", "key"), [(np.int64, "sum"), (np.uint64, "sum"), (np.int64, "l1"), (np.uint64, "l1")])
def test_sums_beyond_64_bits(dtype: type, key: str) -> None:
    x = np.stack([np.full(8, 2**62), np.arange(8) * 2**60], axis=1).astype(dtype) * dtype(1 + (dtype == np.uint64))
    found = thresholds.measure(x, np.array([0, 0, 1, 1, 1, 1, 1, 1]), key=key)  # pyright: ignore[reportArgumentType]
    assert found.thresholds == 1


def test_the_order_of_large_columns_says_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((50, 4)) * [1, 1e9, 1e18, 1e27]
    y = np.arange(50) % 2
    assert len({thresholds.measure(x[:, order], y).thresholds
                for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1])}) == 1
    with pytest.raises(ValueError, match=r"within 1e\+300, got 1e\+305 in sample 0, feature 0"):
        thresholds.measure(np.where(x == x[0, 0], 1e305, x), y)
