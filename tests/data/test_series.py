"""Series: a checked record, windows that never see their target, the loaders."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from convscope.data import generated_traffic, internet_traffic
from convscope.data.series import Series, series, two_channels, windows
from convscope.family import bind

REAL = Path(os.environ.get("CONVSCOPE_DATA", "data"))
VALUES = np.array([3, 1.5, -4, 1e3, 5.25, 9, 2, 6])
TIMES = np.datetime64("2004-11-19T09:30:00") + np.arange(8) * np.timedelta64(300, "s")
DAYS = "time,value\n" + "".join(f"2024-01-0{day},{day}.5\n" for day in range(1, 9))
CLOCK = [f"{9 + (30 + 5 * i) // 60:02d}:{(30 + 5 * i) % 60:02d}" for i in range(8)]


def text(times, values=VALUES, delimiter: str = ",", heading: str = "time,value") -> str:
    rows = [heading.split(","), *([time, str(float(value))] for time, value in zip(times, values, strict=True))]
    return "".join(delimiter.join(row) + "\n" for row in rows)


def mine(tmp_path: Path, content: str | bytes) -> Path:
    file = tmp_path / "mine.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_a_series_is_a_record_of_its_own() -> None:
    times, values = TIMES.copy(), VALUES.copy()
    one = series("one", times, values, 5, 7)
    assert (one.name, one.kind, one.step, one.per_day, one.train_end, one.test_end) == ("one", "series", 300, 288, 5, 7)
    values[0] = times[0] = 0
    assert one.values.tolist() == VALUES.tolist() and one.times.tolist() == TIMES.tolist()
    for array in (one.values, one.times):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


@pytest.mark.parametrize(("step", "per_day"), [
    ((1, "s"), 86400), ((7, "m"), None), ((1, "h"), 24), ((5, "h"), None), ((25, "h"), None), ((1, "D"), 1),
    ((2, "D"), None), ((7, "D"), None), ((50, "m"), None), ((48, "m"), 30)])
def test_rows_a_day_are_never_rounded(step: tuple[int, str], per_day: int | None) -> None:
    assert series("one", TIMES[0] + np.arange(8) * np.timedelta64(*step), VALUES, 5, 7).per_day == per_day


@pytest.mark.parametrize(("times", "step"), [
    (np.arange("2000-01", "2000-09", dtype="datetime64[M]"), 1),
    (np.arange("2000", "2008", dtype="datetime64[Y]"), 12),
    (np.arange("2000-01", "2001-12", 3, dtype="datetime64[M]"), 3),
    (np.arange("2000-02", "2000-10", dtype="datetime64[M]").astype("datetime64[D]") - 1, 1),     # ends of months
    (np.array([f"2000-{month:02d}-{min(30, 29 if month == 2 else 30)}T12:00" for month in range(1, 9)], "M8[s]"), 1),
])
def test_months_and_years_are_even_steps(times: np.ndarray, step: int) -> None:
    one = series("one", times, VALUES, 5, 7)
    assert (one.step, one.unit, one.per_day) == (step, "month", None)
    assert one.times.tolist() == times.astype("datetime64[s]").tolist()
    with pytest.raises(ValueError, match="one: row 4: .* after "):
        series("one", np.delete(times, 4), VALUES[1:], 4, 6)


def test_the_fingerprint_is_of_values_times_and_ends() -> None:
    changed = VALUES.copy()
    changed[-1] += 1e-12  # nobody's row, but another series
    found = [series(*given).fingerprint for given in (
        ("one", TIMES, VALUES, 5, 7), ("one", TIMES, changed, 5, 7), ("one", TIMES, VALUES[::-1], 5, 7),
        ("one", TIMES + np.timedelta64(1, "s"), VALUES, 5, 7), ("one", TIMES[0] + 2 * (TIMES - TIMES[0]), VALUES, 5, 7),
        ("one", TIMES, VALUES, 4, 7), ("one", TIMES, VALUES, 5, 8), ("one", TIMES[:7], VALUES[:7], 5, 7))]
    assert len(set(found)) == len(found) and all(len(one) == 64 for one in found)
    assert series("other", TIMES.astype("datetime64[ms]"), VALUES, 5, 7).fingerprint == found[0]


@pytest.mark.parametrize(("change", "sentence"), [
    ({"values": np.r_[np.full(5, 2.0), 1, 2, 3]}, "all 5 training values are 2; a constant series has nothing"),
    ({"values": np.where(np.arange(8) == 7, np.nan, VALUES)}, "every value must be finite, got nan in row 7"),
    ({"values": np.where(np.arange(8) == 2, -np.inf, VALUES)}, "every value must be finite, got -inf in row 2"),
    ({"values": np.r_[VALUES[:5], 2, 2, 3]}, "all 2 test values are 2; every forecast of a constant is right; give"),
    ({"values": VALUES * 1e304}, "their squares are no numbers: scale them"),
    ({"values": VALUES * 1e-306}, "their squares are no numbers: scale them"),
    ({"values": 1e150 + VALUES * 1e148}, "their squares are no numbers: scale them"),
    ({"values": 5 + 1e-14 * VALUES}, "the training values differ by .* around 5, which is rounding"),
    ({"times": np.delete(np.append(TIMES, TIMES[-1] + 300), 3)}, "row 3: .* is 10 min after .*, expected 5 min as"),
    ({"times": TIMES[[0, 1, 2, 3, 3, 4, 5, 6]]}, "row 4: the time 2004-11-19 09:45:00 is there twice"),
    ({"times": TIMES[::-1]}, "sort the rows"), ({"times": np.repeat(TIMES[:1], 8)}, "row 1: .* is there twice"),
    ({"train_end": 1}, "the ends 1 and 7"), ({"train_end": 6}, "the ends 6 and 7"),
    ({"test_end": 9}, "the ends 5 and 9"),
    ({"times": TIMES[:7]}, r"got \[7\], \[8\]"), ({"values": VALUES[:, None]}, r"got \[8\], \[8, 1\]"),
    ({"times": TIMES[:, None], "values": VALUES[:, None]}, r"got \[8, 1\], \[8, 1\]"),
])
def test_refuses_what_is_no_series(change: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^one: .*{sentence}"):
        series(**{"name": "one", "times": TIMES, "values": VALUES, "train_end": 5, "test_end": 7} | change)


@pytest.mark.parametrize("horizon", [1, 3])
def test_windows_are_those_of_a_loop_and_never_see_the_target(horizon: int) -> None:
    values, length = np.random.default_rng(0).normal(size=40), 6
    targets = np.array([length + horizon - 1, 20, 15, 39, 39 + horizon])  # from the first to the first unknown one
    found = windows(values, targets, length=length, horizon=horizon)
    assert found.tolist() == [[values[t - horizon - back] for back in range(length - 1, -1, -1)] for t in targets]
    seen = two_channels(found)
    for i, target in enumerate(targets):
        future, past = values.copy(), values.copy()
        future[target - horizon + 1:] += 1e6  # all that a forecast `horizon` ahead does not know, the target among it
        past[target - horizon] += 1
        assert (two_channels(windows(future, targets, length=length, horizon=horizon))[i] == seen[i]).all()
        other = two_channels(windows(past, targets, length=length, horizon=horizon))[i]
        assert other[0, -1] == pytest.approx(seen[i, 0, -1] + 1) and other[1, -1] != seen[i, 1, -1]


def test_windows_refuse_a_target_without_its_past() -> None:
    for targets, horizon in (([7, 5], 1), ([7, 7], 3), ([7, 9], 1), ([8, 11], 3)):
        with pytest.raises(ValueError, match=rf"targets in {5 + horizon}\.\.{7 + horizon}, got "):
            windows(VALUES, np.array(targets), length=6, horizon=horizon)
    with pytest.raises(ValueError, match="the series is shorter than the window"):
        windows(VALUES, np.array([8]), length=9)
    assert windows(VALUES, np.array([], dtype=int), length=9).shape == (0, 9)


def test_two_channels_are_those_of_a_loop() -> None:
    window = np.random.default_rng(0).normal(size=(4, 7))
    found = two_channels(window)
    assert found.shape == (4, 2, 7) and (found[:, 0] == window).all()
    for row, differences in zip(window, found[:, 1], strict=True):
        steps = [row[t + 1] - row[t] for t in range(6)]
        np.testing.assert_allclose(differences, [*steps, sum(map(abs, steps)) / 6], rtol=1e-12)


def test_a_users_csv_by_root_folder_and_path(tmp_path: Path, monkeypatch) -> None:
    def load(path: str | Path, **settings) -> Series:
        bound = bind("data", {"name": "csv_series", "path": str(path), **settings})
        return bound.call(roots=[tmp_path / "none", tmp_path / "root"], cache=tmp_path / "cache", download=False)

    for folder in ("root", "here"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = mine(tmp_path / "root", DAYS)
    data = load("mine.csv")
    assert (data.name, data.step, data.train_end, data.test_end) == ("mine", 86400, 6, 8)
    assert load(file).fingerprint == data.fingerprint and load(file, test_fraction=0.5).train_end == 4
    with pytest.raises(ValueError, match="mine.csv must have one column 'speed'"):
        load(file, column="speed")
    mine(tmp_path / "here", DAYS.replace("1.5", "0.5"))  # the working folder comes before the roots
    assert load("mine.csv").values[0] == 0.5
    for fraction, n_test in ((0.0, 0), (0.1, 1), (1.0, 8)):
        with pytest.raises(ValueError, match=f"mine.csv: test_fraction={fraction:g} of 8 rows is {n_test}; leave"):
            load(file, test_fraction=fraction)
    for path in ("other.csv", ""):
        with pytest.raises(FileNotFoundError, match=f"{path or 'a csv'}: a csv .* {tmp_path}/root.*; set data.path to"):
            load(path)


def test_internet_traffic_is_found_and_known_by_its_hash(tmp_path: Path, monkeypatch) -> None:
    roots = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(FileNotFoundError, match=f"looked for internet_traffic/internet-traffic-5min.csv in {roots[0]}, "
                                                f"{roots[1]}; put .* of the repository shoaibahmed/TSViz-Core there"):
        internet_traffic.load(roots=roots, cache=tmp_path)
    file = roots[1] / internet_traffic.FILE
    file.parent.mkdir(parents=True)
    file.write_text(DAYS)
    with pytest.raises(ValueError, match=r"expected the sha256 02d468f9c8ff\.\.\., got .*data=csv_series"):
        internet_traffic.load(roots=roots, cache=tmp_path)
    monkeypatch.setattr(internet_traffic, "SHA256", hashlib.sha256(DAYS.encode()).hexdigest())
    monkeypatch.setattr(internet_traffic, "TRAIN_END", 4)
    monkeypatch.setattr(internet_traffic, "TEST_END", 7)
    data = internet_traffic.load(roots=roots, cache=tmp_path)
    assert (len(data.values), data.train_end, data.test_end) == (8, 4, 7)


@pytest.mark.skipif(not (REAL / internet_traffic.FILE).is_file(), reason="no internet_traffic in $CONVSCOPE_DATA")
def test_the_real_internet_traffic(tmp_path: Path) -> None:
    data = internet_traffic.load(roots=[REAL], cache=tmp_path)
    assert (len(data.values), data.train_end, data.test_end, data.per_day) == (19_888, 14_000, 18_000, 288)
    assert str(data.times[0]) == "2004-11-19T09:30:00" and data.values[0] == 4838.665
    targets = np.arange(data.train_end + 50, data.test_end)
    error = windows(data.values, targets, length=50)[:, -1] - data.values[targets]
    assert len(targets) == 3950 and np.sqrt(np.mean(error ** 2)) == pytest.approx(86.16, abs=0.005)  # persistence


def test_generated_traffic_has_days_weeks_and_hours(tmp_path: Path) -> None:
    def load(seed: int, days: int = 42) -> Series:
        return generated_traffic.load(roots=[], cache=tmp_path, seed=seed, days=days)

    assert load(0).fingerprint == load(0).fingerprint != load(1).fingerprint
    for days, test_days in ((42, 8), (10, 2), (14, 2)):
        data = load(3, days)
        assert (len(data.values), data.per_day, data.test_end) == (96 * days, 96, 96 * days)
        assert data.train_end == 96 * (days - test_days) and data.values.min() > 0
    data = load(0, days=210)
    log = np.log(data.values).reshape(30, 7, 96)
    assert 48 <= log.mean(axis=(0, 1)).argmax() <= 68  # the peak is between noon and 17:00
    noon = np.exp((log[:, 5:, 44:52].mean(axis=(1, 2)) - log[:, 1:4, 44:52].mean(axis=(1, 2))).mean())
    assert 0.6 < noon < 0.8 and (data.times[5 * 96].astype("datetime64[D]").astype(int) + 4) % 7 == 6  # a Saturday
    flat = log.ravel()
    bend = (flat[1:-1] - (flat[:-2] + flat[2:]) / 2)[3::4]  # on the hour
    assert bend.mean() == pytest.approx(np.log(1.03), abs=0.003)
    steps = np.diff(flat)[3::4] - np.log(1.03)  # onto the hour: at midnight no greater than elsewhere
    assert np.std(steps[23::24]) < 1.3 * np.std(steps)
    with pytest.raises(ValueError, match="at least 10 days, .* got 9"):
        load(0, days=9)
