"""Where data is looked for, and where it is kept once decoded."""

import os
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
