"""Names that mean the same: of classes, and of the kinds in a column of texts."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from convscope.data.numbers import exact

TRUTHS = {"true": True, "yes": True, "t": True, "y": True, "false": False, "no": False, "f": False, "n": False}
UNSEEN = "\u00ad\u200b\u2060\ufeff"  # hyphens and spaces of no width
PAIRS = [{"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}]


def tidy(text: str) -> str:
    """One spelling of what looks the same: composed letters, single spaces, nothing unseen, no control characters."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if text.isprintable():
        return text
    return "".join(c for c in text if c not in UNSEEN and unicodedata.category(c) != "Cc")


def truths(texts: set[str]) -> bool:
    """Whether these are true and false, in one of the pairs of words for it."""
    return any({text.casefold() for text in texts} <= pair for pair in PAIRS)


def grouped(places: Mapping[str, str], *, what: str, mark: str, alike: str) -> dict[str, str]:
    """Each text that occurs -> the name of what it means; `places` says where it is first.

    1, 1.0 and 01 are one number, of the shortest spelling. Texts that differ in case, or in what joins their words, and
    words for true and false beside 1 and 0 may or may not mean the same: `alike` is to refuse, keep or merge them. With
    keep every spelling is a name. Raises ValueError naming two and their places.
    """
    if alike == "keep":
        return {text: text for text in places}
    told: dict[object, list[str]] = {}
    truth = all(_truth(text) is not None for text in places) and any(text.casefold() in TRUTHS for text in places)
    for text in places:
        told.setdefault(_truth(text) if truth else _key(text, mark), []).append(text)
    for key, texts in told.items():
        certain = isinstance(key, Decimal)
        if len(texts) > 1 and not certain and alike == "refuse":
            _refuse(what, texts[0], texts[1], places)
    if alike == "refuse":
        _check_marks(told, what, mark, places)
    return {text: min(texts, key=lambda one: (len(one), one)) for texts in told.values() for text in texts}


def _key(text: str, mark: str) -> object:
    text = unicodedata.normalize("NFKC", text).strip("'\"")  # full-width letters and digits
    found = exact(text, mark)
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", text).casefold() if found is None else found


def _truth(text: str) -> bool | None:
    found = exact(text, "")
    return TRUTHS.get(text.casefold()) if found is None else bool(found) if found in (0, 1) else None


def _check_marks(told: Mapping[object, list[str]], what: str, mark: str, places: Mapping[str, str]) -> None:
    """Refuses a name that is another's number under the other decimal mark: 1 and 1,0."""
    other = "." if mark == "," else ","
    for key, texts in told.items():
        if isinstance(key, str) and (found := exact(texts[0], other)) is not None and found in told:
            _refuse(what, told[found][0], texts[0], places, "say which decimal mark: data.decimal=point or comma")


def _refuse(what: str, one: str, other: str, places: Mapping[str, str], remedy: str = "") -> None:
    remedy = remedy or "write them alike, or say data.alike=merge (one) or data.alike=keep (two)"
    raise ValueError(f"{what} {one[:40]!r} ({places[one]}) and {other[:40]!r} ({places[other]}) may mean the same; "
                     f"{remedy}")
