"""What lies in class folders and is no image that is read here: counted for the user, or refused as a lost class."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from convscope.data.image_files import printable
from convscope.data.image_layout import Folders, at_class
from convscope.data.image_tree import Contents, is_image

# Surely no pictures: a folder of these alone is no class. Any other file might be one that only we cannot read.
NOTES = {".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".ini", ".cfg", ".log",
         ".html", ".htm", ".url", ".db", ".py", ".sh", ".ipynb", ".bib", ".tex"}


def notes(inside: Contents, *, skip: bool) -> list[str]:
    """Sentences about what was left out; raises ValueError where a class would be lost with it, unless `skip`.

    What lies above the class folders, such as a licence, is not spoken of.
    """
    depth = min(map(len, inside.folders), default=0)
    files = [name for name in inside.left if not name.endswith("/")
             and (len(_folders(name)) >= depth or is_image(name) or name.lower().endswith(".tar"))]
    hollow = {folders: [name for name in inside.left if _folders(name) == folders]
              for folders in dict.fromkeys(map(_folders, inside.left))
              if folders not in inside.folders and at_class(folders, inside.folders)}
    for folders, names in hollow.items():
        unread = [name for name in names if not name.endswith("/") and _suffix(name) not in NOTES]
        if unread and not skip:
            raise ValueError(f"the class folder {'/'.join(folders)} holds no image that is read here, but "
                             f"{suffixes(unread)}; convert them, move the folder away, or leave it out with "
                             "data.skip_unreadable=true")
    told = [f"left out {len(files):,} file(s) that are read as no images: {suffixes(files)}, such as "
            f"{printable(files[0])}"] if files else []
    if hollow:
        told.append(f"{len(hollow):,} folder(s) without an image are no class: {_some(hollow)}")
    return told


def suffixes(names: Sequence[str]) -> str:
    """How many files there are of each suffix: 12 .heic, 3 .txt."""
    counts = Counter(map(_suffix, names))
    return ", ".join(f"{count:,} {printable(suffix)}" for suffix, count in counts.most_common(8)) + (
        f" and {len(counts) - 8} more kinds" if len(counts) > 8 else "")


def _some(folders: Sequence[Folders] | dict[Folders, list[str]]) -> str:
    names = [printable("/".join(one)) for one in list(folders)[:5]]
    return ", ".join(names) + (" and others" if len(folders) > 5 else "")


def _folders(name: str) -> Folders:
    """The folders above a file; of a folder, which ends in a slash, itself."""
    return tuple(name.rstrip("/").split("/")) if name.endswith("/") else PurePosixPath(name).parts[:-1]


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower() or "without a suffix"
