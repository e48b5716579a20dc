"""Rows of a user's csv file, with their line numbers."""

import csv
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, cast

from convscope.data import delimiters

MAX_LINE = 1_000_000         # bytes; a row of 50,000 numbers has fewer
MAX_EMPTY = 100_000          # lines without a cell, one after the other
MAX_BYTES = 16 * 2**30       # unpacked
MAX_RATIO = 150              # unpacked to packed, from RATIO_FROM bytes on; numbers pack to a fourth
RATIO_FROM = 16 * 2**20
SAMPLE = 200                 # lines that say what separates cells
SAID = re.compile('"?sep=(.)"?')  # Excel's own first line


def read(file: Path, *, delimiter: str = "auto", decimal: str = "auto", encoding: str = "utf-8",
         skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of every row of a csv or csv.gz that is not empty, one at a time.

    Cells are separated as `delimiter` says, or by what cuts every row into equally many (see `delimiters`); `decimal`
    helps where commas do both. The first `skip` lines are passed over. UTF-16 is known by its first bytes. Raises
    ValueError, with file and line, for what is no text in this encoding, no csv, no whole gzip file or no file at all,
    and for files without an end.
    """
    passed, mark, every = _begun(file, delimiter, decimal, encoding, skip)
    if mark == " ":
        every = (line.strip(" \r\n") + "\n" for line in every)
    reader = csv.reader(every, delimiter=mark, skipinitialspace=True, strict=True)
    begin = passed + 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield begin, cells
            begin = passed + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{file.name} line {begin}: not a csv ({error}); check quotes and line ends") from error


def separator(file: Path, *, delimiter: str = "auto", decimal: str = "auto", encoding: str = "utf-8",
              skip: int = 0) -> str:
    """What separates the cells of a csv: comma, semicolon, tab, bar or space."""
    return _begun(file, delimiter, decimal, encoding, skip)[1]


def _begun(file: Path, delimiter: str, decimal: str, encoding: str, skip: int) -> tuple[int, str, Iterable[str]]:
    """How many lines were passed over, what separates cells, and all other lines."""
    lines = _lines(file, encoding)
    passed = sum(1 for _ in islice(lines, skip))
    ahead = list(_sample(lines))
    if ahead and (said := SAID.fullmatch(ahead[0].strip())):
        ahead, passed, delimiter = ahead[1:], passed + 1, said[1] if delimiter == "auto" else delimiter
    return passed, delimiters.find(file.name, ahead, delimiter, decimal), chain(ahead, lines)


def _sample(lines: Iterator[str]) -> Iterator[str]:
    count = 0
    for line in lines:
        yield line
        count += bool(line.strip())
        if count == SAMPLE:
            return


def _lines(file: Path, encoding: str) -> Iterator[str]:
    number = empty = total = 0
    try:
        with _opened(file) as (raw, limit):
            for text in _decoded(raw, encoding):
                number += 1
                total += len(text)
                if total > limit:
                    raise ValueError(f"{file.name} holds more than {limit:,} bytes, at line {number}: no table; split "
                                     "it, or give it unpacked")
                if len(text) > MAX_LINE:
                    raise ValueError(f"{file.name} line {number} has more than {MAX_LINE:,} bytes: not a csv")
                if "\0" in text:
                    raise ValueError(f"{file.name} line {number} holds a zero byte: no text; save it as a csv in UTF-8")
                empty = 0 if text.strip(" \t\r\n,;|\"") else empty + 1
                if empty > MAX_EMPTY:
                    raise ValueError(f"{file.name} line {number}: {MAX_EMPTY:,} lines without a cell; remove them")
                yield text
    except UnicodeDecodeError as error:
        where = f"line {number + 1}" + (f": byte {error.start + 1}" if encoding == "utf-8" else " or soon after it")
        raise ValueError(f"{file.name} {where} is not {error.encoding.upper()}; convert the file, or name its encoding "
                         "as data.encoding=cp1252") from error
    except LookupError as error:
        raise ValueError(f"{file.name}: {error}; such as data.encoding=cp1252 or utf-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{file} is truncated, damaged or no gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror or error})") from error


def _decoded(raw: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines as texts; of UTF-8 each on its own, so that an error has its line."""
    first = raw.peek(4)[:4]  # pyright: ignore[reportAttributeAccessIssue]
    wide = first[:2] in (b"\xff\xfe", b"\xfe\xff")
    if encoding == "utf-8" and not wide:
        start = True
        while line := raw.readline(MAX_LINE + 1):
            yield line.decode("utf-8-sig" if start else "utf-8")
            start = False
        return
    with io.TextIOWrapper(raw, encoding="utf-16" if wide else encoding, newline="\n") as wrapped:
        while line := wrapped.readline(MAX_LINE + 1):
            yield line.removeprefix("\ufeff")


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], int]]:
    """The file, unpacked where it is gzip's, and the most bytes that it may hold: 150 KB of gzip can hold 150 MB of
    nothing. Never a device or a pipe, which block or have no end."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError(f"{file} is no file but a folder, a device or a pipe; give a csv file")
    with file.open("rb") as raw:
        first = raw.peek(4)[:4]
        if first == b"PK\x03\x04":
            raise ValueError(f"{file} is a zip or Excel file; save the table as csv")
        packed = first[:2] == b"\x1f\x8b" or file.suffix == ".gz"
        size = os.fstat(raw.fileno()).st_size
        with (gzip.GzipFile(fileobj=raw) if packed else raw) as plain:
            yield cast(IO[bytes], plain), min(max(MAX_RATIO * size, RATIO_FROM), MAX_BYTES) if packed else MAX_BYTES
