"""What the folders above an image say of it: its split, where there are splits, and its class."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Layout = Literal["auto", "splits", "classes"]
Folders = tuple[str, ...]  # the folders above a file, from the outermost

SPLITS = ("train", "test")
# A class of such a name may as well be a split without classes, and would be taken for a class without a word.
SPLIT_LIKE = {*SPLITS, "training", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "holdout"}
EXPECTED = "expected <train|test>/<class>/<image> or <class>/<image>"


class Place(NamedTuple):
    """`split` is None in the layout without splits."""

    split: str | None
    label: str


def in_split(folders: Folders) -> bool:
    return len(folders) > 1 and folders[-2] in SPLITS


def places(found: Mapping[Folders, str], layout: Layout, *, packed: bool) -> dict[Folders, Place]:
    """The place of each folder that holds images; `found` says what one of its images is called.

    In an archive (`packed`) the tree may lie below further folders. `layout` auto is splits where any folder lies in
    train/ or test/. Raises ValueError, naming an image, for a folder that lies elsewhere, or a class whose name reads
    like a split's: `layout` classes says that it is none.
    """
    if layout == "splits" or (layout == "auto" and any(map(in_split, found))):
        return {folders: _in_split(folders, called, packed) for folders, called in found.items()}
    above: Folders | None = None
    for folders, called in found.items():
        _check_class(folders, called, layout)
        above = folders[:-1] if above is None else above
        if folders[:-1] != above or (above and not packed):
            raise ValueError(f"{called} lies too deep or beside another set: {EXPECTED}; move it")
    return {folders: Place(None, folders[-1]) for folders in found}


def at_class(folders: Folders, classes: Iterable[Folders]) -> bool:
    """Whether a folder lies where the `classes` do, so that its images would be a class."""
    return any(folders[:-1] == one[:-1] or (in_split(folders) and in_split(one) and folders[:-2] == one[:-2])
               for one in classes if folders)


def _in_split(folders: Folders, called: str, packed: bool) -> Place:
    if not in_split(folders):
        if any(part in SPLITS for part in folders):
            raise ValueError(f"{called} lies in no class folder: {EXPECTED}; move it into one")
        raise ValueError(f"{called} lies neither in train/ nor in test/, where others do; move it")
    if folders[:-2] and not packed:
        raise ValueError(f"{called} lies too deep or beside another set: {EXPECTED}; move it")
    return Place(folders[-2], folders[-1])


def _check_class(folders: Folders, called: str, layout: Layout) -> None:
    if not folders:
        raise ValueError(f"{called} lies in no class folder: {EXPECTED}; move it into one")
    named = next((part for part in folders if part.lower() in SPLIT_LIKE), None)
    if layout == "auto" and named is not None:
        remedy = (f"; or set data.layout=classes if {named} is a class, though it is named like a split"
                  if folders[-1] == named else "")
        raise ValueError(f"{called} lies in no class folder: {EXPECTED}; move it into one{remedy}")
