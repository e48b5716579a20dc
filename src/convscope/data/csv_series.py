"""Any user's own series: a csv with a column of times and one of values."""

from collections.abc import Sequence
from pathlib import Path

from convscope.data.roots import absent
from convscope.data.series import Series, read_csv, series
from convscope.family import Fraction

VERSION = 1
KIND = "series"


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, path: str, time: str = "", value: str = "",
         test_fraction: Fraction = 0.2) -> Series:
    """The values of the column `value` at the times of the column `time` (empty: the second and the first column).

    The last `test_fraction` of the rows are for the test. Raises FileNotFoundError where there is nothing, and
    ValueError with file and line for what cannot be used.
    """
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [Path.cwd() / given, *(Path(root) / given for root in roots)]
    file = next((place for place in places if path and place.is_file()), None)
    if file is None:
        raise absent("csv_series", f"{path or 'a csv'}: a csv file (.csv, .csv.gz) of times and values", places,
                     "set data.path to one")
    times, values = read_csv(file, time=time, value=value)
    n_test = round(test_fraction * len(values))
    if not 2 <= n_test <= len(values) - 2:
        raise ValueError(f"{file.name}: test_fraction={test_fraction:g} of {len(values)} rows is {n_test}; leave at "
                         "least two on both sides")
    return series(file.name.partition(".")[0], times, values, len(values) - n_test, len(values))
