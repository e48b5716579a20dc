"""Rows of a user's csv file, with their line numbers."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

MAX_LINE = 1_000_000  # bytes; a row of 50,000 numbers has fewer


def read(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of every row of a csv or csv.gz that is not empty, one at a time.

    Cells are separated by whichever of comma, semicolon and tab the first row has most of. Raises ValueError, with file
    and line, for what is no text in UTF-8, no csv or no whole gzip file.
    """
    lines, ahead = _lines(file), [""]
    while not ahead[-1].strip() and (line := next(lines, "")):
        ahead.append(line)
    reader = csv.reader(chain(ahead[1:], lines), delimiter=max(",;\t", key=ahead[-1].count), strict=True)
    begin = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{file.name} line {begin}: not a csv ({error}); check quotes and line ends") from error


def _lines(file: Path) -> Iterator[str]:
    number = 0
    try:
        with (gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")) as raw:
            while line := raw.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise ValueError(f"{file.name} line {number} has more than {MAX_LINE:,} bytes: not a csv")
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if "\0" in text:
                    raise ValueError(f"{file.name} line {number} holds a zero byte: no text; save it as a csv in UTF-8")
                yield text
    except UnicodeDecodeError as error:
        raise ValueError(f"{file.name} line {number}: byte {error.start + 1} is not UTF-8; convert the file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{file} is truncated, damaged or no gzip file ({error}); fetch it again") from error
