"""Series: csv layouts, one sentence with the line for what cannot be used, windows that never see their target."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from convscope.data import generated_traffic, internet_traffic
from convscope.data.series import Series, read_csv, series, two_channels, windows
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


@pytest.mark.parametrize("content", [
    text([f"2004-11-19 {clock}:00" for clock in CLOCK]),
    text([f"2004-11-19T{clock}" for clock in CLOCK], delimiter=";"),
    text([f"2004-11-19T{clock}Z" for clock in CLOCK], delimiter="\t"),
    text([f"2004-11-19 {clock}+00:00" for clock in CLOCK], heading="a\tb,c").replace("a\tb", '"a\tb"'),
    text([str(1100856600 + 300 * i) for i in range(8)], heading="\ufeff time , value "),
    text([f" 2004-11-19 {clock}:00.000" for clock in CLOCK]).replace("\n", "\r\n"),
    text([f"2004-11-19 {clock}" for clock in CLOCK], delimiter=";").replace("\n", "\n\n;\n"),
    "\n \n" + text([f"2004-11-19 {clock}" for clock in CLOCK], delimiter=";").removesuffix("\n"),
    text([f'"2004-11-19 {clock}"' for clock in CLOCK], heading='"time","value"'),
])
def test_a_csv_is_read(tmp_path: Path, content: str) -> None:
    file, packed = mine(tmp_path, content), tmp_path / "mine.csv.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    for one in (file, packed):
        times, values = read_csv(one)
        assert times.dtype == "datetime64[s]" and values.dtype == np.float64
        assert times.tolist() == TIMES.tolist() and values.tolist() == VALUES.tolist()


@pytest.mark.parametrize(("first", "second", "expected"), [
    ("20240228", "20240301", "2024-02-28"), ("-315619200", "-315446400", "1960-01-01"),
    ("2024-07-01T02:00+02:00", "2024-07-03T01:00+01:00", "2024-07-01")])
def test_times_are_in_utc(tmp_path: Path, first: str, second: str, expected: str) -> None:
    start = np.datetime64(expected, "s").astype(int)
    rest = [str(start + 2 * 86400 * i) for i in (2, 3)]
    times, _ = read_csv(mine(tmp_path, text([first, second, *rest], VALUES[:4])))
    assert times.astype(int).tolist() == [start + 2 * 86400 * i for i in range(4)]


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-0{day},x,{day},{-day}\n" for day in range(1, 6))
    file = mine(tmp_path, "\ufeffwhen,a,load,2024\n" + rows)
    assert read_csv(file, time="when", value="load")[1].tolist() == [1, 2, 3, 4, 5]
    times, values = read_csv(file, time="when", value="2024")
    assert values.tolist() == [-1, -2, -3, -4, -5] and str(times[4]) == "2024-01-05T00:00:00"


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ("2024-01-05,5.5\n", "", "line 6: 2024-01-06 00:00:00 is 172800 s after 2024-01-04 00:00:00, expected 86400 s"),
    ("2024-01-02,2.5\n", "", "line 3: 2024-01-03 00:00:00 is 172800 s after 2024-01-01 00:00:00, expected 86400 s"),
    ("2024-01-05", "2024-01-04", "line 6: the time 2024-01-04 00:00:00 is there twice"),
    ("2024-01-05", "2023-01-05", "line 6: 2023-01-05 00:00:00 comes after 2024-01-04 00:00:00; sort the rows"),
    ("2024-01-05", "\n\n2024-01-04", "line 8: the time 2024-01-04 00:00:00 is there twice"),
    ("4.5", "four", "line 5, column 'value': expected a finite number such as 1234.5, got 'four'"),
    ("4.5", "", "line 5, column 'value': expected a finite number such as 1234.5, got ''"),
    ("4.5", "nan", "got 'nan'"), ("4.5", "-inf", "got '-inf'"), ("4.5", "1e999", "got '1e999'"),
    ("4.5", '"1,234.5"', "line 5, column 'value': expected a finite number such as 1234.5, got '1,234.5'"),
    ("4.5", "4,5", "line 5: expected 2 columns as in the heading, got 3"),
    (",4.5", "", "line 5: expected 2 columns as in the heading, got 1"),
    ("2024-01-04", "04.01.2024", "line 5: expected a time to the second, as 2004-11-19 09:30:00 or as seconds since "
     "1970 in 9 to 11 digits, got '04.01.2024'"),
    ("2024-01-04", "2024-01-03 23:59:59.5", "got '2024-01-03 23:59:59.5'"),  # rounded, two rows could share a time
    ("2024-01-04", "1704326400000", "got '1704326400000'"), ("2024-01-04", "1710120512345", "got '1710120512345'"),
    ("2024-01-04", "3", "got '3'"), ("2024-01-04", "--123456789", "got '--123456789'"),
    ("2024-01-04", "²" * 9, "line 5: expected a time"), ("2024-01-04", "9" * 5000, "line 5: expected a time"),
    ("2024-01-04", '"2024-01-04', "line 5: not a csv (unexpected end of data); check quotes"),
    ("2024-01-03,3.5", '2024-01-03,"3\n"\n2024-01-04,x', "line 6, column 'value': expected a finite number"),
    ("2024-01-04", "2024\0", "line 5 holds a zero byte"), ("4.5", "4" * 1_000_001, "line 5 has more than 1,000,000"),
    ("time,value\n", "", "line 1: expected a heading such as time,value, got a row of values"),
    (DAYS[DAYS.index("2024-01-04"):], "", "has 3 rows; a series needs at least 4"),
    (DAYS, "", "is empty: expected a heading"), (DAYS, "\n \n", "is empty"), (DAYS, "a,b\n", "has 0 rows"),
    (DAYS, "1\n2\n", "must have a column of times and one of values"),
    (DAYS, DAYS.replace("\n", "\r"), "line 1: not a csv (new-line"),
])
def test_refuses_in_one_sentence_with_the_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in DAYS
    with pytest.raises(ValueError) as error:
        read_csv(mine(tmp_path, DAYS.replace(old, new, 1)))
    told = str(error.value)
    assert sentence in told and told.count("mine.csv") == 1 and "\n" not in told and len(told) < 300


@pytest.mark.parametrize(("names", "sentence"), [
    ({"value": "speed"}, "must have one column 'speed', got 0; there are: time, value"),
    ({"time": "Time"}, "must have one column 'Time', got 0"), ({"time": "value"}, "both be of the column 'value'")])
def test_refuses_a_column_that_is_not_there(tmp_path: Path, names: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"mine.csv.* {sentence}"):
        read_csv(mine(tmp_path, DAYS), **names)
    with pytest.raises(ValueError, match="must have one column 'value', got 2"):
        read_csv(mine(tmp_path, DAYS.replace("time", "value")), value="value")


def test_refuses_bytes_and_archives(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine.csv line 4: byte 12 is not UTF-8"):
        read_csv(mine(tmp_path, DAYS.encode().replace(b"3.5", b"\xff")))
    packed, file = bytearray(gzip.compress(DAYS.encode())), tmp_path / "mine.csv.gz"
    damaged = packed.copy()
    damaged[10] |= 6  # the first block is of a kind that is not
    for content in (packed[:-12], packed[:20], damaged, DAYS.encode()):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="mine.csv.gz is truncated, damaged or no gzip file"):
            read_csv(file)


def test_a_series_is_a_record_of_its_own() -> None:
    times, values = TIMES.copy(), VALUES.copy()
    one = series("one", times, values, 5, 7)
    assert (one.name, one.kind, one.step, one.per_day, one.train_end, one.test_end) == ("one", "series", 300, 288, 5, 7)
    values[0] = times[0] = 0
    assert one.values.tolist() == VALUES.tolist() and one.times.tolist() == TIMES.tolist()
    for array in (one.values, one.times):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    assert series("weeks", TIMES[0] + np.arange(8) * np.timedelta64(7, "D"), VALUES, 5, 7).per_day == 0


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
    ({"times": np.delete(np.append(TIMES, TIMES[-1] + 300), 3)}, "300 s apart .*, got 600 s before row 3"),
    ({"times": TIMES[[0, 1, 2, 3, 3, 4, 5, 6]]}, "got 0 s before row 4"),
    ({"times": TIMES[::-1]}, "in order"), ({"times": np.repeat(TIMES[:1], 8)}, "in order"),
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
        load(file, value="speed")
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
