"""Texts as character indices: the alphabet of Zhang et al. 2015, and a fast encoder."""

from collections import Counter
from collections.abc import Callable

import numpy as np

# Zhang et al.'s 70 characters, with the space for their second hyphen: "70 characters (including space)", as Hoffer et
# al. count. Index 0 is also what follows a text's end.
ALPHABET = " abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{}\n"


def check_alphabet(alphabet: str) -> None:
    """Raises ValueError for an alphabet whose characters cannot be indices 0..len - 1 of lower-cased texts."""
    if " " not in alphabet:
        raise ValueError("an alphabet must have the space, which also fills what follows a text's end, got "
                         f"{alphabet!r}; put it first")
    if alphabet[0] != " ":
        raise ValueError(f"an alphabet must begin with the space, index 0, got {alphabet[0]!r} first")
    if repeated := [c for c, count in Counter(alphabet).items() if count > 1]:
        raise ValueError(f"the characters of an alphabet must differ, got {repeated[0]!r} twice")
    if capitals := [c for c in alphabet if c != c.lower()]:
        raise ValueError(f"texts are lower-cased, so an alphabet has no capital letters, got {capitals[0]!r}")
    if not 2 <= len(alphabet) <= 255:
        raise ValueError(f"an alphabet has 2 to 255 characters, as many as a byte can number, got {len(alphabet)}")


def encoder(alphabet: str, length: int, *, backwards: bool = False) -> Callable[[str], bytes]:
    """A function from a text to `length` bytes: the index of each of its first characters, lower-cased, then zeros.

    A character that the alphabet lacks becomes len(alphabet). `backwards` reads from the text's end, as Zhang et al.'s
    released code does. Raises ValueError for an alphabet that cannot be used.
    """
    check_alphabet(alphabet)
    codes = np.array([ord(c) for c in alphabet])
    table = np.full(max(128, codes.max() + 1) + 1, len(alphabet), dtype=np.uint8)  # the last entry: all beyond it
    table[codes] = np.arange(len(alphabet))
    of_ascii = bytes(table[:128]) + bytes([len(alphabet)]) * 128

    def encode(text: str) -> bytes:
        text = text.lower()  # before the cut: it may change a text's length
        text = text[:-length - 1:-1] if backwards else text[:length]
        if text.isascii():
            found = text.encode("ascii").translate(of_ascii)
        else:
            points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
            found = table[np.minimum(points, len(table) - 1)].tobytes()
        return found.ljust(length, b"\0")

    return encode
