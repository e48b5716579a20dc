"""The members of a plain tar file, checked before anything is read: untrusted, whatever it claims to hold."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MAX_HEADER = 2**20  # bytes of one member's header; tarfile would take any number into memory


class Member(NamedTuple):
    """A regular file: its content is `size` bytes from `offset` on."""

    name: str
    offset: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """Every regular file, in sequence; raises ValueError naming the archive, or the member, that is not as it must be.

    Only headers are read, none of more than MAX_HEADER bytes.
    """
    try:
        with path.open("rb") as raw:
            tar = tarfile.open(fileobj=_Headers(raw), mode="r:")  # noqa: SIM115  (it owns nothing but `raw`)
            while (member := tar.next()) is not None:
                tar.members = []  # pyright: ignore[reportAttributeAccessIssue] - else it keeps a record of each one
                _check(path, member)
                if member.isreg():
                    yield Member(member.name, member.offset_data, member.size)
            _check_end(raw, tar.offset)
    except (tarfile.TarError, RecursionError, OverflowError, UnicodeError) as error:
        reason = str(error) if isinstance(error, tarfile.TarError) else "its headers are damaged"
        raise ValueError(f"{path} is truncated or no plain tar file ({reason}); fetch it again") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from error


class _Headers(io.BufferedIOBase):
    """A file of which no single read takes more than a header has."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes, at most {MAX_HEADER} are read")
        return self._raw.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return self._raw.seek(offset, whence)
        except OSError as error:  # beyond what a file can be
            raise tarfile.ReadError(f"a member that ends at byte {offset}") from error

    def tell(self) -> int:
        return self._raw.tell()


def _check(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name:
        raise ValueError(f"{path}: member {member.name!r} must have a plain relative name; the archive is not trusted")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ValueError(f"{path}: member {member.name!r} must be a regular file; the archive is not trusted")
    if member.size < 0:
        raise tarfile.ReadError(f"a member of {member.size} bytes")


def _check_end(raw: io.BufferedReader, offset: int) -> None:
    """A tar ends in a block of zeros; tarfile takes a cut between members, or a damaged header, for the end too."""
    raw.seek(offset)
    if raw.read(512) != bytes(512):
        raise tarfile.ReadError(f"no member and no end mark at byte {offset}")
