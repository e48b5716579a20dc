"""Any user's own series: a csv with a column of times and one of values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from convscope.data.roots import absent
from convscope.data.series import Series, read_csv, series
from convscope.family import Fraction, Whole

VERSION = 2
KIND = "series"


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str, time: str | int = "",
         column: str | int = "", where: str | tuple[str, ...] = "", format: str = "",
         decimal: Literal["point", "comma"] | None = None, zone: str = "",
         fill: Literal["linear", "previous", "zero"] | None = None, resample: str = "",
         delimiter: Literal["auto", "comma", "semicolon", "tab", "space", "bar", ",", ";", "|"] = "auto",
         encoding: str = "utf-8", skip: Whole = 0, test_fraction: Fraction = 0.2) -> Series:
    """The values of one column at the times of another; the last `test_fraction` of the rows are for the test.

    `time` and `column` are names of columns or their places, from 1 on (empty: the only column of times, and of
    numbers); date+clock joins two columns. `where` keeps one series of several, as symbol:MSFT. `format` is how times
    are written: as strptime takes it (%d.%m.%Y), seconds, milliseconds or years; `decimal` is the mark in numbers.
    `zone` (Europe/Berlin) is that of local times. `fill` is what a missing row or value becomes: linear (between its
    neighbours, the later one too), the previous value or zero. `resample` (5min, 1h, day, week, month, quarter, year)
    takes means of longer steps. `delimiter`, `encoding` and the first lines to `skip` are those of the file. What is
    not given is read from the file where it leaves no doubt.

    Raises FileNotFoundError where there is nothing, and ValueError with file and line for what cannot be used.
    """
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [Path.cwd() / given, *(Path(root) / given for root in roots)]
    file = next((place for place in places if path and place.is_file()), None)
    if file is None:
        raise absent("csv_series", f"{path or 'a csv'}: a csv file (.csv, .csv.gz) of times and values", places,
                     "set data.path to one")
    times, values = read_csv(
        file, time=str(time), column=str(column), where=(where,) if isinstance(where, str) and where else tuple(where),
        format=format, decimal=decimal or "", zone=zone, fill=fill or "", resample=resample,
        delimiter=delimiter, encoding=encoding, skip=skip)
    n_test = round(test_fraction * len(values))
    if not 2 <= n_test <= len(values) - 2:
        raise ValueError(f"{file.name}: test_fraction={test_fraction:g} of {len(values)} rows is {n_test}; leave at "
                         "least two on both sides")
    return series(file.name.partition(".")[0], times, values, len(values) - n_test, len(values))
