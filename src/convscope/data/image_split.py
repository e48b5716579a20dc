"""Images into train and test, class by class, so that no picture is on both sides whatever its name and format."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple


class Picture(NamedTuple):
    """An image to be split: its class, its file's sha256 and its pixels as a network would see them."""

    label: str
    digest: str
    pixels: bytes


def split(pictures: Sequence[Picture], fraction: float, seed: int) -> list[str]:
    """"train" or "test" for each picture: each class in order of a seeded hash, the first ones are the test's.

    Pictures of equal pixels go to one side, also where they are files of other bytes or lie in other classes. Raises
    ValueError where a class then has none on one of the sides.
    """
    keys = _keys(pictures, seed)
    sides: dict[str, str] = {}
    for label in sorted({one.label for one in pictures}):
        own: dict[str, int] = {}  # key -> how many pictures of this class
        for one, key in zip(pictures, keys, strict=True):
            if one.label == label:
                own[key] = own.get(key, 0) + 1
        sides |= _sides(own, sides, fraction)
        if len({sides[key] for key in own}) < 2:
            shared = ", which lie in other classes too," if len(own) > 1 else ""
            raise ValueError(f"class {label} has {len(own)} different image(s){shared or ','} at least 2 are needed "
                             f"{'that lie in no other ' if shared else ''}to split it into train and test; add some")
    return [sides[key] for key in keys]


def _sides(own: dict[str, int], decided: dict[str, str], fraction: float) -> dict[str, str]:
    """The side of each key of one class, of which earlier classes may have decided some."""
    total = sum(own.values())
    wanted = min(max(1, round(fraction * total)), total - 1)
    sides = {key: decided[key] for key in own if key in decided}
    free = sorted(key for key in own if key not in decided)
    test = sum(own[key] for key, side in sides.items() if side == "test")
    for i, key in enumerate(free):
        only_left = i == len(free) - 1 and "train" not in sides.values()  # and train needs one
        sides[key] = "test" if test < wanted and not only_left else "train"
        test += own[key] if sides[key] == "test" else 0
    return sides


def _keys(pictures: Sequence[Picture], seed: int) -> list[str]:
    """A seeded hash for each picture, the same for those of equal pixels: of the least of their files' hashes."""
    least: dict[bytes, str] = {}
    contents = [hashlib.sha256(one.pixels).digest() for one in pictures]
    for one, content in zip(pictures, contents, strict=True):
        least[content] = min(least.get(content, one.digest), one.digest)
    return [hashlib.sha256(f"{seed}/{least[content]}".encode()).hexdigest() for content in contents]
