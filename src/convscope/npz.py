"""Arrays from an npz file, which may come from elsewhere: bounded in memory, and read as numbers and texts alone."""

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

MAX_BYTES = 2**30  # unpacked, of all arrays of a file together


def read(file: Path) -> dict[str, np.ndarray]:
    """The arrays by name; raises ValueError, in a few words, for what is no npz file, is damaged, or is too large.

    What a file says of its sizes is checked before anything is unpacked, what an array says of its shape before it is
    made. Python objects are refused.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > MAX_BYTES + 1024 * len(members):  # each has a header
                raise ValueError(f"it would unpack to {unpacked:,} bytes, at most {MAX_BYTES:,} are read")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except Exception as error:  # a damaged archive fails in as many ways as it can be damaged
        raise ValueError(str(error) if isinstance(error, (ValueError, zipfile.BadZipFile)) and str(error)
                         else "its content is damaged") from error


def check(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError for more than `read` would read back."""
    sizes = {name: np.asarray(array).nbytes for name, array in arrays.items()}
    if sum(sizes.values()) > MAX_BYTES:
        raise ValueError(f"arrays of {sum(sizes.values()):,} bytes, at most {MAX_BYTES:,} are kept: the largest is "
                         f"{max(sizes, key=lambda name: sizes[name])}; show fewer or smaller images")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if not member.filename.endswith(".npy"):
        raise ValueError(f"it holds {member.filename!r}, which is no array")
    with archive.open(member) as packed:
        content = packed.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename!r} has another size than the archive says")
    stream = io.BytesIO(content)
    shape, dtype = _header(stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename!r} holds Python objects, not numbers or texts")
    if math.prod(shape) * max(dtype.itemsize, 1) != len(content) - stream.tell():
        raise ValueError(f"{member.filename!r} has another size than its shape {list(shape)} says")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type; what follows in the stream are the numbers."""
    first = np.lib.format.read_magic(stream) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
