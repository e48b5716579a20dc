"""Numbers in all their spellings, against what each decimal mark makes of them."""

from decimal import Decimal

import pytest

from convscope.data.numbers import decimal_mark, exact, number


@pytest.mark.parametrize(("text", "point", "comma", "open_"), [
    ("1", 1, 1, 1), ("-1.5", -1.5, None, -1.5), ("1,5", None, 1.5, None), ("+.5", 0.5, None, 0.5),
    (",5", None, 0.5, None),
    ("5.", 5, None, 5), ("1e3", 1000, 1000, 1000), ("1,5E-3", None, 0.0015, None), ("1,234", 1234, 1.234, None),
    ("1.234", 1.234, 1234, 1.234), ("0,123", None, 0.123, None), ("0.123", 0.123, None, 0.123),
    ("1,234.5", 1234.5, None, None), ("1.234,5", None, 1234.5, None), ("1,234,567", 1234567, None, None),
    ("1.234.567", None, 1234567, None), ("1 234 567,5", None, 1234567.5, None), ("1'234.5", 1234.5, None, 1234.5),
    ("1\u202f234", 1234, 1234, 1234), (" 7 ", 7, 7, 7), ("\u22123", -3, -3, -3), ("00123", 123, 123, 123),
    *((text, None, None, None) for text in (
        "", "nan", "inf", "Infinity", "1_000", "0x10", "1e", "e5", "-", ".", ",", "1.2.3", "12,34,567", "1,23,4", "5%",
        "$5", "1e999", "\u0661", "1 2", "1-2", "2020-01-01", "10:30", "1,234,56", "1j", "--1", "True"))])
def test_a_number_by_its_decimal_mark(text: str, point: float | None, comma: float | None, open_: float | None) -> None:
    assert (number(text, "."), number(text, ","), number(text, "")) == (point, comma, open_)


def test_exact_numbers_are_not_rounded() -> None:
    assert exact("12345678901234567891", "") != exact("12345678901234567892", "")
    assert exact("1,5", ",") == exact("1.50", ".") == Decimal("1.5") and exact("x", ".") is None


def mark(*cells: str, commas: bool = False) -> str:
    return decimal_mark(((f"line {k}", cell) for k, cell in enumerate(cells, 1)), commas)


def test_what_cells_say_of_their_mark() -> None:
    assert mark("1", "2") == mark() == "" and mark("1.5", "1,234") == mark("1,234", "1,234.5") == "."
    assert mark("1,5", "1.234") == mark("1,234", "0,1") == "," and mark("1.234", "5", commas=True) == ""
    assert mark("1.234", "0.5") == "." and mark("1.2.3", "a,b", "2020") == ""


@pytest.mark.parametrize(("cells", "sentence"), [
    (("1", "1,234"), "line 2: '1,234' may be 1234 or 1.234; say data.decimal=point or data.decimal=comma"),
    (("1.234",), "line 1: '1.234' may be 1.234 or 1234; say"), (("7", "-12.345"), "may be -12.345 or -12345"),
    (("1.5", "2,5"), "line 1 writes '1.5' and line 2 '2,5': write all numbers with one decimal mark"),
    (("1,234.5", "1.234,5"), "line 1 writes '1,234.5' and line 2 '1.234,5'")])
def test_refuses_what_may_be_two_numbers(cells: tuple, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        mark(*cells)
    assert sentence in str(error.value)
