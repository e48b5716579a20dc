"""Characters to words, for the baselines of Zhang, Zhao, LeCun 2015, section 3.1."""

from collections.abc import Iterator

import numpy as np

UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # no part of a word: it splits them
ROWS = 4096  # decoded at a time, so that the characters need little memory beside the indices


def texts(indices: np.ndarray, *, alphabet: str) -> Iterator[str]:
    """The texts of character indices [N, T], one after the other, without the spaces at their end.

    Every index from len(alphabet) on is an unknown character and becomes U+FFFD.
    """
    table = np.full(256, ord(UNKNOWN), dtype="<u4")
    table[:len(alphabet)] = [ord(character) for character in alphabet]
    for start in range(0, len(indices), ROWS):
        for row in table[indices[start:start + ROWS]]:
            yield row.tobytes().decode("utf-32-le").rstrip(" ")
