"""Gaps, clock changes and longer steps of a user's csv, as its user says; nothing is filled or averaged unasked."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convscope.data.series_csv import read_csv


def counted(times, heading: str = "time,value") -> str:
    """A csv of these times and the values 0.5, 1.5, ..."""
    return heading + "\n" + "".join(f"{time},{k}.5\n" for k, time in enumerate(times))


def mine(tmp_path: Path, content: str) -> Path:
    file = tmp_path / "mine.csv"
    file.write_text(content)
    return file


@pytest.mark.parametrize(("zone", "begin", "step"), [
    ("Europe/Berlin", "2024-03-30", "h"), ("Europe/Berlin", "2024-10-26", "h"),
    ("America/New_York", "2024-03-09", "15min"), ("America/New_York", "2024-11-02", "15min"),
    ("Australia/Lord_Howe", "2024-04-05", "10min"),
    ("America/Sao_Paulo", "2018-11-03", "30min")])
def test_local_times_with_a_clock_change(tmp_path: Path, zone: str, begin: str, step: str) -> None:
    utc = pd.date_range(begin, periods=400, freq=step, tz="UTC")
    local = utc.tz_convert(zone).strftime("%Y-%m-%d %H:%M")
    file = mine(tmp_path, counted(local))
    with pytest.raises(ValueError, match="mine.csv line .*") as error:
        read_csv(file)
    assert "data.zone=Europe/Berlin, or yours" in str(error.value)
    times, values = read_csv(file, zone=zone)
    assert times.tolist() == utc.tz_convert(None).astype("datetime64[s]").to_numpy().tolist()
    assert values.tolist() == [k + 0.5 for k in range(400)]
    told = mine(tmp_path, counted(utc.tz_convert(zone).strftime("%Y-%m-%dT%H:%M%z")))
    assert read_csv(told)[0].tolist() == times.tolist()


def test_a_zone_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    hours = pd.date_range("2024-03-30", periods=72, freq="h").strftime("%Y-%m-%d %H:%M")
    with pytest.raises(ValueError, match="line 28: 2024-03-31 02:00:00 does not exist in Europe/Berlin"):
        read_csv(mine(tmp_path, counted(hours)), zone="Europe/Berlin")
    hours = pd.date_range("2024-10-26", periods=72, freq="h").strftime("%Y-%m-%d %H:%M")
    with pytest.raises(ValueError, match="line 28: 2024-10-27 02:00:00 comes twice in Europe/Berlin.* not show both"):
        read_csv(mine(tmp_path, counted(hours)), zone="Europe/Berlin")
    for times in ([f"{hour.replace(' ', 'T')}Z" for hour in hours], [str(1704067200 + 300 * k) for k in range(9)]):
        with pytest.raises(ValueError, match="is in UTC or says its zone itself, got data.zone=Europe/Berlin; leave"):
            read_csv(mine(tmp_path, counted(times)), zone="Europe/Berlin")
    days = [str(date(2024, 3, 28) + timedelta(days=k)) for k in range(9)]
    assert read_csv(mine(tmp_path, counted(days)), zone="Europe/Berlin")[0][0] == np.datetime64("2024-03-28", "s")


@pytest.mark.parametrize(("how", "values"), [
    ("linear", [1, 2, 3, 4, 5, 6, 7, 8]), ("previous", [1, 2, 2, 4, 5, 5, 5, 8]), ("zero", [1, 2, 0, 4, 5, 0, 0, 8])])
def test_gaps_are_filled_as_asked(tmp_path: Path, how: str, values: list[float]) -> None:
    """A missing value, two missing rows; nothing is made up before the first value or after the last."""
    cells = {1: "", 2: "1", 3: "2", 4: "?", 5: "4", 6: "5", 9: "8", 10: "NaN"}
    for times in ({day: f"2024-01-{day:02d}" for day in cells}, {day: f"2024-{day:02d}-01" for day in cells},
                  {day: f"{1990 + day}" for day in cells}, {day: str(1704067200 + 60 * day) for day in cells}):
        found = read_csv(mine(tmp_path, "t,v\n" + "".join(f"{times[d]},{cells[d]}\n" for d in cells)), fill=how)
        assert found[1].tolist() == values and len(found[0]) == 8


@pytest.mark.parametrize("format", ["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%b %d %Y"])
def test_days_of_business_are_filled_by_one_setting(tmp_path: Path, format: str) -> None:
    days = pd.bdate_range("2001-01-01", "2001-04-01")
    times, values = read_csv(mine(tmp_path, counted(days.strftime(format))), fill="previous")
    assert len(times) == 89 and str(times[-1]) == "2001-03-30T00:00:00" and values[4:8].tolist() == [4.5, 4.5, 4.5, 5.5]


@pytest.mark.parametrize(("times", "sentence"), [
    (["2024-01-01", "2024-01-02", "2024-01-03", "2024-06-01"], "data.fill would fill 149 of 153 steps of 1 day; resa"),
    (["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-03 05:00", "2024-01-05"], "data.resample=day"),
    (["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03"], "is there twice"),
    (["2024-01-03", "2024-01-02", "2024-01-01", "2024-01-04"], "comes after"),
    (["0001-01-01", "2024-01-02", "2024-01-03", "9999-01-01"], "data.fill would fill")])
def test_what_is_no_gap_is_not_filled(tmp_path: Path, times: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_csv(mine(tmp_path, counted(times)), fill="linear")


@pytest.mark.parametrize(("rule", "times", "first", "means"), [
    ("day", [f"2024-01-{1 + k // 24:02d} {k % 24:02d}:17" for k in range(120)], "2024-01-01",
     [24 * d + 12 for d in range(5)]),
    ("2h", [f"2024-01-01 {k // 60:02d}:{k % 60:02d}" for k in range(0, 600, 7)], "2024-01-01", None),
    ("week", [str(date(2024, 1, 3) + timedelta(days=k)) for k in range(40)], "2024-01-08",
     [7 * k + 8.5 for k in range(5)]),
    ("month", [str(date(2023, 12, 30) + timedelta(days=k)) for k in range(130)], "2024-01-01", [17.5, 47.5, 77.5, 108]),
    ("quarter", [f"{2000 + k // 12}-{k % 12 + 1:02d}" for k in range(12, 36)], "2001-01-01",
     [3 * k + 1.5 for k in range(8)]),
    ("year", [f"{2000 + k // 12}-{k % 12 + 1:02d}" for k in range(1, 63)], "2001-01-01", [17, 29, 41, 53]),
])
def test_means_of_longer_steps(tmp_path: Path, rule: str, times: list[str], first: str,
                               means: list[float] | None) -> None:
    """By hand; a first or last step that is covered in part is left out."""
    found, values = read_csv(mine(tmp_path, counted(times)), resample=rule)
    assert found[0] == np.datetime64(first, "s")
    if means is None:
        means = [float(np.mean([k + 0.5 for k, time in enumerate(times) if int(time[11:13]) // 2 == step]))
                 for step in range(5)]
    np.testing.assert_allclose(values, means, rtol=1e-12)


def test_steps_without_rows_are_refused_or_filled(tmp_path: Path) -> None:
    times = [f"2024-01-{day:02d} {hour:02d}:00" for day in (1, 2, 4, 5, 6, 7) for hour in (3, 17)]
    file = mine(tmp_path, counted(times))
    with pytest.raises(ValueError, match="mine.csv, the step from 2024-01-03 00:00:00: no row has a value; set"):
        read_csv(file, resample="day")
    assert read_csv(file, resample="day", fill="previous")[1].tolist() == [1, 3, 3, 5, 7, 9, 11]
    with pytest.raises(ValueError, match="data.resample=1s makes more than twice as many steps as there are rows"):
        read_csv(file, resample="1s")
    with pytest.raises(ValueError, match="comes after .*; sort the rows"):
        read_csv(mine(tmp_path, counted(["2024-01-03", "2024-01-02", "2024-01-01", "2024-01-04"])), resample="day")
