"""Times as people write them: one reading for a whole column, or a sentence that names the setting."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from convscope.data.written_times import read_times, reads_as_times

DAYS = [date(2024, 1, 1) + timedelta(days=k) for k in range(60)]
MONTHS = [date(2000 + k // 12, k % 12 + 1, 1) for k in range(30)]
HOURS = [datetime(2024, 1, 1) + timedelta(hours=k) for k in range(48)]


def where(k: int) -> str:
    return f"mine.csv line {k + 2}"


def meant(times: list) -> list[str]:
    return [str(np.datetime64(time, "s")) for time in times]


@pytest.mark.parametrize("format", ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y",
                                    "%d-%m-%Y", "%b %d %Y", "%B %d, %Y", "%d %b %Y", "%d-%b-%Y", "%a, %d %b %Y",
                                    "%d. %B %Y", "%Y-%b-%d", "%m%d%Y", "%d%m%Y", "%Y%j", "%Y%m%d00", "%Y%m%d0000",
                                    "%Y%m%d000000", "%G-W%V-%u", "%Y-%m-%dT00:00:00", "%Y%m%dT0000Z", "%Y %m %d",
                                    "%m/%d/%Y 12:00 AM", "%d.%m.%Y, 00:00", "%d %b %Y 00:00:00 GMT"])
def test_days_are_read_where_only_one_reading_is_even(format: str) -> None:
    cells = [day.strftime(format) for day in DAYS]
    assert meant(read_times(cells, where)[0].tolist()) == meant(DAYS)
    assert reads_as_times(cells)


@pytest.mark.parametrize("format", ["%Y-%m", "%Y/%m", "%Y.%m", "%m/%Y", "%Y%m", "%YM%m", "%b %Y", "%B %Y", "%Y %b",
                                    "%b-%Y", "%d.%m.%Y", "%m/%d/%Y", "%b %d %Y", "%Y%m%d", "%Y %m"])
def test_months_are_read(format: str) -> None:
    assert meant(read_times([one.strftime(format) for one in MONTHS], where)[0].tolist()) == meant(MONTHS)


@pytest.mark.parametrize(("cells", "first", "last"), [
    ([str(year) for year in range(1700, 2009)], "1700-01-01", "2008-01-01"),
    ([f"{year}.0" for year in range(1700, 1720)], "1700-01-01", "1719-01-01"),
    ([f"{1949 + k / 12:.15g}" for k in range(144)], "1949-01-01", "1960-12-01"),     # as R writes months
    ([f"{1949 + k / 12:.2f}" for k in range(144)], "1949-01-01", "1960-12-01"),
    ([f"{1949 + k / 4:g}" for k in range(40)], "1949-01-01", "1958-10-01"),
    ([f"{2000 + k // 4}Q{k % 4 + 1}" for k in range(10)], "2000-01-01", "2002-04-01"),
    ([f"Q{k % 4 + 1} {2000 + k // 4}" for k in range(10)], "2000-01-01", "2002-04-01"),
    ([f"2024-W{week:02d}" for week in range(1, 30)], "2024-01-01", "2024-07-15"),
    ([str(1704067200 + 300 * k) for k in range(288)], "2024-01-01", "2024-01-01T23:55"),
    ([str((1704067200 + 3600 * k) * 1000) for k in range(24)], "2024-01-01", "2024-01-01T23:00"),
    ([f"{1704067200 + 3600 * k}.0" for k in range(24)], "2024-01-01", "2024-01-01T23:00"),
    ([str(-315619200 + 86400 * k) for k in range(5)], "1960-01-01", "1960-01-05"),
    ([f"2024-01-01 {hour:02d}:00" for hour in range(1, 25)], "2024-01-01T01:00", "2024-01-02"),
    ([f"2024-01-01 {hour:02d}" for hour in range(24)], "2024-01-01", "2024-01-01T23:00"),
    ([f"20240101 {hour}" for hour in range(24)], "2024-01-01", "2024-01-01T23:00"),
    ([f"2024 1 {day} {hour}" for day in (1, 2) for hour in range(1, 25)], "2024-01-01T01:00", "2024-01-03"),
    ([f"13/01/2024 {hour % 12 or 12}:30 {'ap'[hour // 12]}.m." for hour in range(24)], "2024-01-13T00:30",
     "2024-01-13T23:30"),
    ([f"2024-01-01T{hour:02d}:00+05:30" for hour in range(24)], "2023-12-31T18:30", "2024-01-01T17:30"),
])
def test_other_steps_are_read(cells: list[str], first: str, last: str) -> None:
    times, _ = read_times(cells, where)
    assert (times[0], times[-1]) == (np.datetime64(first, "s"), np.datetime64(last, "s"))


@pytest.mark.parametrize("format", ["%Y%m%d%H", "%y%m%d%H%M", "%d%m%Y%H", "%m%d%y%H%M", "%Y%j%H", "%Y%j%H%M"])
def test_compact_times_are_never_taken_for_seconds(format: str) -> None:
    """Of 9 to 11 digits, within a day or a month; also where a number has lost its leading zero."""
    for times in (HOURS[:20], [datetime(2001, 1, 1) + timedelta(minutes=k) for k in range(50)],
                  [datetime(2024, 1, 1) + timedelta(days=k) for k in range(28)]):
        for cells in ([time.strftime(format) for time in times], [str(int(time.strftime(format))) for time in times]):
            try:
                found, _ = read_times(cells, where)
            except ValueError as error:
                assert "data.format=" in str(error)
            else:
                assert len(set(cells)) < len(cells) or meant(found.tolist()) == meant(times)
            if len(set(cells)) == len(cells):
                assert meant(read_times(cells, where, format=format)[0].tolist()) == meant(times)


def test_hours_without_their_zero_are_no_seconds() -> None:
    assert meant(read_times([f"20240101{hour}" for hour in range(24)], where)[0].tolist()) == meant(HOURS[:24])
    with pytest.raises(ValueError, match="data.format="):
        read_times([f"20240101{hour}" for hour in range(10)], where)


@pytest.mark.parametrize(("cells", "sentence"), [
    ([f"{month}/1/2000" for month in range(1, 13)],
     "line 3: '2/1/2000' may be 2000-01-02 (data.format=%d/%m/%Y) or 2000-02-01 (data.format=%m/%d/%Y); set the one"),
    ([f"0{day}.01.2024" for day in range(1, 10)], "may be 2024-01-02 (data.format=%d.%m.%Y) or 2024-02-01"),
    ([f"2024010{hour}0{hour}" for hour in range(1, 5)], "may be"),
    ([f"2001{month:02d}" for month in range(1, 13)], "'200101' may be 2001-01-01 (data.format=%Y%m) or 2020-01-01"),
    ([day.strftime("%d.%m.%y") for day in DAYS], "'01.01.24' has a year of two digits; say how it is written: "
                                                 "data.format=%d.%m.%y"),
    ([day.strftime("%d-%b-%y") for day in DAYS], "data.format=%d-%b-%y"),
    ([f"Jan-{year:02d}" for year in range(10)], "data.format=%b-%y"),
    (["2024-01-01T00:00Z", "2024-01-01T01:00", "2024-01-01T02:00Z"], "line 3: of '2024-01-01T01:00' and "
     "'2024-01-01T00:00Z' only one says its zone; write it in every row, or in none"),
    (["2024-01-01 00:00:00.5"], "expected a time to the second"), (["2024-01-01 25:00"], "a clock from 00:00 to 24:00"),
    (["1/1/2024 13:00 PM"], "12:59 before AM and PM"), (["2024-01-01 10:61"], "a clock from"),
    (["2024-01-01-05:00"] * 3, "expected a time such as"), (["2004-13-45 00:00"] * 3, "got '2004-13-45'; name how"),
    (["2024-01-01", "2024-01-02", "2024-01-04x", "2024-01-04"], "line 4: expected a time such as 2004-11-19 09:30:00"),
    (["1", "2", "3"], "got '1'; name how it is written: data.format="), (["99999999999"] * 2, "got '99999999999'"),
    (["1710120512345"], "got '1710120512345'"), (["²" * 9], "expected a time"), (["9" * 5000], "expected a time"),
    (["--123456789"], "expected a time"), ([""], "got ''"), (["12:00"], "got '12:00'"), (["1949.08"] * 2, "may be"),
    (["1949.5", "1949.1"], "got '1949.1'"), (["45292", "45293"], "expected a time"),
    (["Sep 31 2000"], "expected a time"),
])
def test_refuses_in_one_sentence(cells: list[str], sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        read_times(cells, where)
    told = str(error.value)
    assert sentence in told and told.startswith("mine.csv line ") and "\n" not in told and len(told) < 300


@pytest.mark.parametrize(("format", "cell", "time"), [
    ("%d.%m.%y", "01.02.99", "1999-02-01"), ("%d.%m.%y", "01.02.00 05:30", "2000-02-01T05:30"),
    ("%Y%m%d%H", "2024010105", "2024-01-01T05:00"), ("%y%m%d%H%M", "901010000", "2009-01-01"),
    ("seconds", "2024010100", "2034-02-20T01:01:40"), ("milliseconds", "86400000", "1970-01-02"),
    ("seconds", "60", "1970-01-01T00:01"),
    ("years", "1958.25", "1958-04-01"), ("%d.%m.%Y %H:%M", "1.2.2000 05:00", "2000-02-01T05:00"),
    ("%Y-%m-%dT%H:%M%z", "2000-01-01T05:00+0100", "2000-01-01T04:00"), ("%d-%b-%y", "1-Jan-00", "2000-01-01")])
def test_a_format_decides(format: str, cell: str, time: str) -> None:
    assert read_times([cell], where, format=format)[0].tolist() == [np.datetime64(time, "s").item()]


@pytest.mark.parametrize(("format", "cell", "sentence"), [
    ("%H:%M", "05:00", "data.format must be seconds, milliseconds, years or as strptime"),
    ("%", "x", "data.format must"),
    ("day first", "x", "data.format must"), ("%d.%m.%Y", "2024-01-01", "is no time as data.format=%d.%m.%Y says"),
    ("%q%Y", "x", "is no time as"), ("%Y%m%d", "2024111", "is no time as"), ("%Y %Z", "2000 CET", "a zone's name"),
    ("%Y-%m-%d %H:%M:%S.%f", "2000-01-01 00:00:00.5", "is no time as"), ("milliseconds", "1500", "is no time as")])
def test_a_format_that_does_not_fit_is_refused(format: str, cell: str, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        read_times([cell], where, format=format)
    assert sentence in str(error.value)


def test_local_days_stay_days_where_clocks_change() -> None:
    """Midnights of Berlin in their own zones are 23 hours apart once a year in UTC."""
    days = [f"2024-03-{day:02d}T00:00+0{1 + (day > 31)}:00" for day in (29, 30, 31)] + ["2024-04-01T00:00+02:00"]
    times, zoned = read_times(days, where)
    assert zoned and meant(times.tolist()) == meant([date(2024, 3, 29) + timedelta(days=k) for k in range(4)])
    months = [f"2024-{month:02d}-01T00:00+0{1 + (3 < month < 11)}:00" for month in range(1, 13)]
    assert meant(read_times(months, where)[0].tolist()) == meant([date(2024, month, 1) for month in range(1, 13)])
    even = [f"2024-07-{day:02d}T02:00+02:00" for day in range(1, 5)]
    assert read_times(even, where)[0][0] == np.datetime64("2024-07-01", "s")
