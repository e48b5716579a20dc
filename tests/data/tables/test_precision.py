"""Rows that differ stay different, whatever float32 keeps; squares stay numbers; the user is told."""

from collections.abc import Callable

import numpy as np
import pytest

from convscope.data.dataset import Dataset
from convscope.data.tables import precision

RNG = np.random.default_rng(0)
COLUMNS = {
    "seconds": 1_700_000_000 + np.arange(200) * 3, "milliseconds": 1_700_000_000_000 + np.arange(200) * 7,
    "ids": 9_007_199_254_700_000 + np.arange(200) * 2, "latitude": 52.52 + np.arange(200) * 1e-9,
    "julian days": 2_460_000.5 + np.arange(200) / 86400, "negative": -3e9 - np.arange(200),
    "fill": np.where(np.arange(200) % 3, RNG.standard_normal(200), 1e20),
    "netcdf": np.where(np.arange(200) % 3, RNG.standard_normal(200), 9.969209968386869e36),
    "stars": RNG.random(200) * 4e30, "farad": np.arange(200) * 1e-30, "nearly 1": 1 + np.arange(200) * 1e-12,
    "close pairs": np.repeat(np.arange(100.0), 2) + np.tile([0, 1e-9], 100), "plain": RNG.standard_normal(200),
    "one far": np.where(np.arange(100) == 7, 0, 1_700_000_000 + np.arange(100) * 3),
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_different_values_stay_different_and_in_order(values: np.ndarray) -> None:
    values = values.astype(float)
    found = precision.stored(values)
    assert found is not None and found.values.dtype == np.float32
    assert np.array_equal(np.argsort(found.values, kind="stable"), np.argsort(values, kind="stable"))
    assert len(np.unique(found.values)) == len(np.unique(values))
    back = found.values.astype(float) * found.unit + found.offset
    assert np.abs(back - values).max() <= 1e-5 * np.ptp(values)
    with np.errstate(over="raise", invalid="raise"):
        assert 0 < np.square(found.values).max() < 1e34 and np.isfinite(np.square(found.values).sum())


def test_what_float32_holds_is_left_as_it_is() -> None:
    for values in (RNG.standard_normal(300).astype(np.float32), np.arange(-9, 9), 1e6 + np.arange(999), [0, 2.0**49],
                   [3, 3]):
        exact = np.array(values, dtype=float)
        found = precision.stored(exact)
        assert found is not None and found.values.tolist() == exact.tolist() and (found.offset, found.unit) == (0, 1)


def test_missing_values_stay_missing() -> None:
    found = precision.stored(np.array([np.nan, 1.7e9, 1.7e9 + 1, np.nan, 1.7e9 + 1]))
    assert found is not None and np.isnan(found.values).tolist() == [True, False, False, True, False]
    assert found.values[1] != found.values[2] == found.values[4]
    assert precision.stored(np.full(3, np.nan)) is not None


def test_what_cannot_be_kept_apart_is_refused(load: Callable[..., Dataset]) -> None:
    dense = np.r_[0, 1_700_000_000 + np.arange(6000)]
    assert precision.stored(dense.astype(float)) is None
    text = "time,x,class\n" + "".join(f"{v},{i % 7},{'ab'[i % 2]}\n" for i, v in enumerate(dense))
    with pytest.raises(ValueError, match="mine.csv: time has values from 0 to 1700005999, of which float32.*"
                                         r"leave it out: data.drop=\[time\]"):
        load(text)
    assert load(text, drop=["time"]).features == ("x",)


@pytest.mark.parametrize("name", [
    "seconds", "ids", "latitude", "fill", "netcdf", "stars", "farad", "nearly 1", "close pairs"])
def test_rows_of_a_table_stay_different(load: Callable[..., Dataset], name: str, capsys) -> None:
    """Two rows are equal to a network only where they are equal in the file; labels do not contradict."""
    text = "v,class\n" + "".join(f"{v!r},{'ab'[i % 2]}\n" for i, v in enumerate(COLUMNS[name].tolist()))
    data = load(text)
    rows = np.concatenate([s.stored for s in data.splits.values()])
    assert len(np.unique(rows, axis=0)) == len(np.unique(COLUMNS[name])) and rows.dtype == np.float32
    assert np.isfinite(np.square(rows)).all()
    changed = name != "close pairs"
    assert bool(data.notes) == changed == bool(capsys.readouterr().err)
    assert not changed or "v is stored" in data.notes[-1]


@pytest.mark.parametrize(("cell", "sentence"), [
    ("12345678901234567891", "has more digits than a number keeps"), ("9007199254740993", "has more digits"),
    ("-9007199254740993", "has more digits"), ("1e-400", "is too small for a number other than 0"),
    ("1e39", "expected a finite number, got '1e39'"), ("1e400", "expected a finite number"),
    ("-inf", "expected a finite number, got '-inf'"), ("Infinity", "expected a finite number"),
])
def test_numbers_that_no_float_holds(load: Callable[..., Dataset], cell: str, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load("".join(f"{i}.5,{i % 3},{'ab'[i % 2]}\n" for i in range(40)) + f"1,{cell},a\n")
    assert f"mine.csv line 41, column 2: {sentence}" in str(error.value).replace(f"{cell} has", "has").replace(
        f"{cell} is", "is")


def test_zero_has_one_sign(load: Callable[..., Dataset]) -> None:
    data = load("".join(f"{z},{i // 2}.5,{'ab'[i // 2 % 2]}\n" for i, z in enumerate(["0.0", "-0.0"] * 40)))
    ids = [{str(one)[:16] for one in split.ids} for split in data.splits.values()]
    assert not ids[0] & ids[1] and sum(map(len, ids)) == 40
