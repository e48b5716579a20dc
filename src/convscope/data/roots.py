"""Where data is looked for, and where it is kept once decoded."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path


def search_roots(first: str | None) -> list[Path]:
    """Folders to search, in order: `first` (env.data_root), $CONVSCOPE_DATA, ./data; each once, present or not."""
    named = [first, os.environ.get("CONVSCOPE_DATA"), "data"]
    return list(dict.fromkeys(Path(root).expanduser().absolute() for root in named if root))


def default_cache() -> Path:
    """The user's cache folder for decoded data: $XDG_CACHE_HOME/convscope or ~/.cache/convscope; not created here."""
    base = Path(os.environ.get("XDG_CACHE_HOME", "")).expanduser()
    return (base if base.is_absolute() else Path.home() / ".cache") / "convscope"  # XDG: relative values are ignored


def absent(title: str, looked_for: str, roots: Sequence[Path], remedy: str) -> FileNotFoundError:
    """The error for data that is nowhere: what was looked for, in which folders, and how to get it."""
    places = ", ".join(map(str, roots)) or "no folder at all"
    return FileNotFoundError(f"{title} not found: looked for {looked_for} in {places}; {remedy}")


def check_file(path: Path) -> bool:
    """Whether there is a file: ValueError where that is a link to nowhere, a folder, a pipe or a device instead."""
    if not os.path.lexists(path):
        return False
    try:
        mode = path.stat().st_mode
    except OSError as error:
        reason = "is a link that leads nowhere" if path.is_symlink() else f"cannot be read ({error.strerror or error})"
        raise ValueError(f"{path} {reason}; fetch what it points to, or remove it") from error
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} must be a file, got a {'folder' if stat.S_ISDIR(mode) else 'pipe or device'}; put "
                         "the file there")
    return True


def content(path: Path, most: int) -> bytes:
    """The bytes of a file; ValueError where there are more than `most`, or it cannot be read."""
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from error
    if len(found) > most:
        raise ValueError(f"{path} has more than {most:,} bytes, which is too many for it to be whole; fetch it again")
    return found
