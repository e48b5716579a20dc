"""Numbers as people write them: one reading for a whole column, or a sentence that names the setting."""

import math

import numpy as np
import pytest

from convscope.data.written_numbers import is_number, read_numbers


def where(k: int) -> str:
    return f"mine.csv line {k + 2}"


@pytest.mark.parametrize(("cells", "values"), [
    (["1.5", "-2", "+.5", "5.", "1e3", "1E-3"], [1.5, -2, 0.5, 5, 1000, 0.001]),
    (["1,5", "2", "-0,25", "1e3"], [1.5, 2, -0.25, 1000]),
    (["1,234.5", "2", "12,345,678"], [1234.5, 2, 12345678]),
    (["1.234,5", "2", "-12.345.678,25"], [1234.5, 2, -12345678.25]),
    (["1 234,5", "12\u202f345", "7"], [1234.5, 12345, 7]),
    (["1'234.5", "12’345.25"], [1234.5, 12345.25]), (["−3.5", "4"], [-3.5, 4]),
    (["1,234", "2.5"], [1234, 2.5]), (["1.234", "2,5"], [1234, 2.5]),      # the other cell decides
    (["0.123", "0.456"], [0.123, 0.456]), (["0,123", "12,5"], [0.123, 12.5]), (["1234.567"], [1234.567]),
    (["", "NA", "?", "nan", "NULL", "1,5"], [math.nan] * 5 + [1.5]),
])
def test_a_column_has_one_reading(cells: list[str], values: list[float]) -> None:
    np.testing.assert_array_equal(read_numbers(cells, where), values)


@pytest.mark.parametrize("cells", [["1.234", "2.345"], ["1,234", "2,345"], ["7", "1,234"], ["-1.234", "999.999"]])
def test_what_may_be_two_numbers_is_refused_until_the_mark_is_named(cells: list[str]) -> None:
    with pytest.raises(ValueError, match="may be .* or .*; say which by data.decimal=point or data.decimal=comma"):
        read_numbers(cells, where)
    plain = [float(cell.replace(",", ".")) for cell in cells]
    grouped = [float(cell.replace(",", "").replace(".", "")) for cell in cells]
    mark = "comma" if "," in "".join(cells) else "point"
    other = {"comma": "point", "point": "comma"}[mark]
    assert read_numbers(cells, where, decimal=mark).tolist() == plain
    assert read_numbers(cells, where, decimal=other).tolist() == grouped


def test_where_commas_separate_cells_points_are_decimal() -> None:
    assert read_numbers(["1.234", "2.345"], where, commas_separate=True).tolist() == [1.234, 2.345]
    with pytest.raises(ValueError, match="may be 1234 or 1.234"):
        read_numbers(["1,234", "2"], where, commas_separate=True)


@pytest.mark.parametrize("bad", ["four", "inf", "-Infinity", "1e999", "1_000", "٣", "²", "0x10", "12,34,567", "1,23.4",
                                 "5%", "$5", "1.2.3", "1 2", "--5", "e5", "9" * 400,
                                 "12 345'678"])
def test_what_is_no_number_is_refused_where_it_stands(bad: str) -> None:
    with pytest.raises(ValueError, match="mine.csv line 4: expected a finite number such as 1234.5, got "):
        read_numbers(["1.5", "2.5", bad, "3.5"], where)
    assert not is_number(bad)


def test_two_marks_in_one_column_are_told() -> None:
    with pytest.raises(ValueError, match="line 3: expected .*1234.5, got '1,5'; other rows have a decimal point"):
        read_numbers(["1.5", "1,5", "2.5"], where)
    with pytest.raises(ValueError, match="line 4: expected .*1234,5, got '1.5'; other rows have a decimal comma"):
        read_numbers(["2,5", "1,5", "1.5"], where)
