"""A user's csv as a series: its columns and groups; one sentence with the line for what is not certain."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convscope.data import csv_series
from convscope.data.series import Series, read_csv

VALUES = np.array([3, 1.5, -4, 1e3, 5.25, 9, 2, 6])
TIMES = np.datetime64("2004-11-19T09:30:00") + np.arange(8) * np.timedelta64(300, "s")
DAYS = "time,value\n" + "".join(f"2024-01-0{day},{day}.5\n" for day in range(1, 9))
CLOCK = [f"{9 + (30 + 5 * i) // 60:02d}:{(30 + 5 * i) % 60:02d}" for i in range(8)]


def text(times, values=VALUES, delimiter: str = ",", heading: str = "time,value") -> str:
    rows = [heading.split(","), *([time, str(float(value))] for time, value in zip(times, values, strict=True))]
    return "".join(delimiter.join(row) + "\n" for row in rows)


def counted(times, heading: str = "time,value") -> str:
    """A csv of these times and the values 0.5, 1.5, ..."""
    return text(times, np.arange(len(times)) + 0.5, heading=heading)


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
    packed.write_bytes(gzip.compress(content.encode(), mtime=0))
    for one in (file, packed):
        times, values = read_csv(one)
        assert times.dtype == "datetime64[s]" and values.dtype == np.float64
        assert times.tolist() == TIMES.tolist() and values.tolist() == VALUES.tolist()


@pytest.mark.parametrize("content", [
    "when;v\n" + "".join(f"{day:02d}.01.2024;1.23{day % 10},5\n" for day in range(1, 31)),
    "when\tv\n" + "".join(f"{day:02d}/01/2024\t1 23{day % 10},5\n" for day in range(1, 31)),
    "when,v\n" + "".join(f'2024/01/{day:02d},"1,23{day % 10}.5"\n' for day in range(1, 31)),
    "v;when\n" + "".join(f"123{day % 10}.5;Jan {day} 2024\n" for day in range(1, 31))])
def test_a_csv_of_other_places_is_read(tmp_path: Path, content: str) -> None:
    times, values = read_csv(mine(tmp_path, content))
    assert times.tolist() == [np.datetime64(f"2024-01-{day:02d}", "s").item() for day in range(1, 31)]
    assert values.tolist() == [1230.5 + day % 10 for day in range(1, 31)]


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-0{day},x,{day},{-day}\n" for day in range(1, 6))
    file = mine(tmp_path, "\ufeffwhen,a,load,2024\n" + rows)
    assert read_csv(file, time="when", column="load")[1].tolist() == [1, 2, 3, 4, 5]
    times, values = read_csv(file, time="when", column="2024")
    assert values.tolist() == [-1, -2, -3, -4, -5] and str(times[4]) == "2024-01-05T00:00:00"
    assert read_csv(file, time="1", column="3")[1].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ("2024-01-05,5.5\n", "", "line 6: 2024-01-06 00:00:00 is 2 days after 2024-01-04 00:00:00, expected 1 day "
     "as between most rows; fill the gap (data.fill=linear, previous or zero), or resample"),
    ("2024-01-02,2.5\n", "", "line 3: 2024-01-03 00:00:00 is 2 days after 2024-01-01 00:00:00, expected 1 day"),
    ("2024-01-05", "2024-01-04", "line 6: the time 2024-01-04 00:00:00 is there twice"),
    ("2024-01-05", "2023-01-05", "line 6: 2023-01-05 00:00:00 comes after 2024-01-04 00:00:00; sort the rows"),
    ("2024-01-05", "\n\n2024-01-04", "line 8: the time 2024-01-04 00:00:00 is there twice"),
    ("4.5", "four", "line 5, column 'value': expected a finite number such as 1234.5, got 'four'"),
    ("4.5", "", "line 5, column 'value': expected a finite number such as 1234.5, got ''; set data.fill=linear "
     "(between its neighbours), previous or zero, or correct it"),
    ("4.5", "nan", "got 'nan'"), ("4.5", "-inf", "got '-inf'"), ("4.5", "1e999", "got '1e999'"),
    ("4.5", '"4,5"', "line 5, column 'value': expected a finite number such as 1234.5, got '4,5'; other rows have a "
     "decimal point"),
    ("2024-01-05", "2024-01-05 05:00", "line 6: 2024-01-05 05:00:00 is 29 h after 2024-01-04 00:00:00, expected 1 day "
     "as between most rows; take means of even steps (data.resample=day)"),
    ("4.5", "4,5", "line 5: expected 2 columns as in the heading, got 3"),
    (",4.5", "", "line 5: expected 2 columns as in the heading, got 1"),
    ("2024-01-04", "04.01.2024", "line 5: expected a time such as 2004-11-19 09:30:00, Nov 19 2004, 2004-11, 2004, or "
     "seconds since 1970 in 9 or 10 digits, got '04.01.2024'; correct it"),
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
    ({"column": "speed"}, "must have one column 'speed', got 0; there are: time, value"),
    ({"time": "Time"}, "must have one column 'Time', got 0"), ({"time": "value"}, "line 2: expected a time such"),
    ({"time": "value", "column": "value"}, "both be of the column 'value'"),
    ({"column": "3"}, "must have one column '3'"), ({"time": "time+clock"}, "must have one column 'clock'"),
    ({"zone": "Mars/Base"}, "data.zone must be a time zone's"), ({"resample": "2month"}, "must be one"),
    ({"resample": "3 fortnights"}, "data.resample must be one of 5min, 1h, day"),
    ({"where": ["symbol:MSFT"]}, "data.where must be column:value with one of its columns, time, value, got 'symbol:"),
    ({"where": ["value:9"]}, "no row has '9' in the column 'value'; there are: 1.5, 2.5")])
def test_refuses_a_setting_that_does_not_fit(tmp_path: Path, names: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_csv(mine(tmp_path, DAYS), **names)
    with pytest.raises(ValueError, match="must have one column 'value', got 2"):
        read_csv(mine(tmp_path, DAYS.replace("time", "value")), column="value")


def test_refuses_bytes_and_archives(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine.csv line 4: byte 12 is not UTF-8"):
        read_csv(mine(tmp_path, DAYS.encode().replace(b"3.5", b"\xff")))
    packed, file = bytearray(gzip.compress(DAYS.encode(), mtime=0)), tmp_path / "mine.csv.gz"
    damaged = packed.copy()
    damaged[10] |= 6  # the first block is of a kind that is not
    for content in (packed[:-12], packed[:20], damaged, DAYS.encode()):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="mine.csv.gz is truncated, damaged or no gzip file"):
            read_csv(file)


@pytest.mark.parametrize(("content", "setting", "sentence"), [
    ("date,a,b\n" + "".join(f"2024-01-0{d},{d},{d}\n" for d in range(1, 9)), {"column": "b"},
     "has 2 columns of numbers: a, b; choose one, as data.column=a"),
    ("start,end,v\n" + "".join(f"2024-01-0{d},2024-02-0{d},{d}\n" for d in range(1, 9)), {"time": "start"},
     "has several columns of times: start, end; choose one, as data.time=start"),
    ("symbol,date,v\n" + "".join(f"{s},Jan {d} 2024,{d}.5\n" for s in "AB" for d in range(1, 9)),
     {"where": ["symbol:A"]}, "2024-01-01 00:00:00 comes after 2024-01-08 00:00:00; sort the rows by time; or keep "
     "one of several series: data.where=symbol:A"),
    ("symbol,date,v\n" + "".join(f"{s},Jan {d} 2024,{d}.5\n" for d in range(1, 9) for s in "AB"),
     {"where": ["symbol=B"]}, "is there twice; keep one row; or keep one of several series: data.where=symbol:A"),
    ("year,month,v\n" + "".join(f"{2000 + k // 12},{k % 12 + 1},{k}\n" for k in range(24)), {"time": "year+month"},
     "is there twice; keep one row; or join the columns of the time: data.time=year+month"),
    ("Date;Time;v\n" + "".join(f"16/12/2006;{h:02d}:00:00;{h}\n" for h in range(24)), {"time": "Date+Time"},
     "or join the columns of the time: data.time=Date+Time"),
    ("day,hour,v\n" + "".join(f"202401{k // 24 + 1:02d},{k % 24},{k}\n" for k in range(60)), {"time": "day+hour"},
     "or join the columns of the time: data.time=day+hour"),
    (counted([str(1704067200 + 300 * k + k % 3) for k in range(30)]), {"resample": "5min"}, "(data.resample=5min)"),
    ("date,v\n" + "".join(f"{d}/1/2000,{d}\n" for d in range(1, 13)), {"format": "%m/%d/%Y"}, "data.format=%m/%d/%Y"),
    ("date;v\n" + "".join(f"2024-01-0{d};{d}.234\n" for d in range(1, 9)), {"decimal": "comma"}, "data.decimal=comma"),
    (DAYS.replace("4.5", "NA"), {"fill": "linear"}, "data.fill=linear"),
    (DAYS.replace("2024-01-04,4.5\n", ""), {"fill": "zero"}, "previous or zero"),
    (counted(["2024-01-01", "2024-02-01", "2024-03-02"] + [f"2024-{m:02d}-01" for m in range(4, 13)]),
     {"resample": "month"}, "line 4: 2024-03-02 00:00:00 is not on day 1 of its month as most rows are; correct it, or "
     "set data.resample=month"),
    (counted([str((np.datetime64(f"2024-{m:02d}") + 1).astype("M8[D]") - 1 - (m == 3)) for m in range(1, 13)]),
     {"resample": "month"}, "line 4: 2024-03-30 00:00:00 is not on the last day of its month as most rows are"),
])
def test_the_setting_that_a_sentence_names_is_enough(tmp_path: Path, content: str, setting: dict,
                                                     sentence: str) -> None:
    file = mine(tmp_path, content)
    with pytest.raises(ValueError) as error:
        read_csv(file)
    assert sentence in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300
    times, values = read_csv(file, **setting)
    assert len(times) == len(values) >= 8


@pytest.mark.parametrize("content", [
    ",date,v\n" + "".join(f"{d},2024-01-0{d + 1},{d}.5\n" for d in range(8)),                       # pandas' index
    '"rownames","time","v"\n' + "".join(f'"{k + 1}",{2024 + k / 12:.15g},{k}.5\n' for k in range(8)),       # R's
    "v,note,date\n" + "".join(f"{d}.5,sun,2024-01-0{d + 1}\n" for d in range(8)),
    "v,year\n" + "".join(f"{d}.5,{2024 + d}\n" for d in range(8)),
    "v,when\n" + "".join(f"{1700 + d % 3},{2024 + d}\n" for d in range(8)),     # both may be years, one ascends
    "year,v\n" + "".join(f"{2024 + d},{1700 + d}\n" for d in range(8)),         # both ascend, one is called so
])
def test_a_file_says_which_columns_it_is_about(tmp_path: Path, content: str) -> None:
    times, values = read_csv(mine(tmp_path, content))
    assert str(times[0]) == "2024-01-01T00:00:00"
    assert values.tolist() in ([k + 0.5 for k in range(8)], [1700 + k % 3 for k in range(8)],
                               [1700 + k for k in range(8)])


def load(tmp_path: Path, content: str | bytes, **settings) -> Series:
    return csv_series.load(roots=[], cache=tmp_path, path=str(mine(tmp_path, content)), **settings)


@pytest.mark.parametrize(("name", "settings", "n", "first", "last", "unit", "step"), [
    ("co2", {"fill": "linear"}, 2284, "1958-03-29", "2001-12-29", "s", 7 * 86400),
    ("sunspots", {}, 309, "1700-01-01", "2008-01-01", "month", 12)])
def test_famous_files_of_statsmodels(tmp_path: Path, name, settings, n, first, last, unit, step) -> None:
    import statsmodels.datasets

    data = load(tmp_path, (Path(statsmodels.datasets.__file__).parent / name / f"{name}.csv").read_bytes(), **settings)
    assert (len(data.values), data.unit, data.step, data.per_day) == (n, unit, step, None)
    assert [str(time)[:10] for time in data.times[[0, -1]]] == [first, last]
    if name == "co2":
        known = pd.DataFrame(statsmodels.datasets.co2.load_pandas().data)["co2"]
        np.testing.assert_allclose(data.values, known.interpolate(), rtol=1e-12)


def test_famous_files_of_vega(tmp_path: Path) -> None:
    """In their formats: seattle-weather, stocks, sf-temps and seattle-temps, whose hour is missing in March."""
    days = pd.date_range("2012-01-01", "2015-12-31")
    weather = "date,precipitation,temp_max,temp_min,wind,weather\n" + "".join(
        f"{day:%Y/%m/%d},0.0,{k % 9}.8,5.0,4.7,drizzle\n" for k, day in enumerate(days))
    assert (found := load(tmp_path, weather, column="temp_max")).per_day == 1 and len(found.values) == len(days)
    months = pd.date_range("2000-01-01", "2010-03-01", freq="MS")
    stocks = "symbol,date,price\n" + "".join(
        f"{symbol},{one:%b} {one.day} {one:%Y},{k % 7}.{len(symbol)}\n" for symbol in ("MSFT", "AMZN", "IBM")
        for k, one in enumerate(months))
    assert (found := load(tmp_path, stocks, where="symbol=IBM")).unit == "month" and len(found.values) == len(months)
    assert found.values[1] == 1.3 and str(found.times[-1]) == "2010-03-01T00:00:00"
    hours = [hour for hour in pd.date_range("2010-01-01", "2010-12-31 23:00", freq="h")
             if str(hour) != "2010-03-14 03:00:00"]
    for content in ("temp,date\n" + "".join(f"{k % 24}.8,{hour:%Y/%m/%d %H:%M:%S}\n" for k, hour in enumerate(hours)),
                    "date,temp\n" + "".join(f"{hour:%Y/%m/%d %H:%M},{k % 24}.8\n" for k, hour in enumerate(hours))):
        with pytest.raises(ValueError, match="line 1733: 2010-03-14 04:00:00 is 2 h .*data.fill=.* data.zone="):
            load(tmp_path, content)
        found = load(tmp_path, content, fill="linear")
        assert found.per_day == 24 and len(found.values) == 8760
        assert found.values[1730:1733].tolist() == [2.8, 3.3, 3.8]
