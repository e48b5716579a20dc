"""The signals of texts: labels read back, naive loops, what the controls leave, and the ceiling of pattern_char."""

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope import family
from convscope.rng import torch_rng
from convscope.signals.pattern_char import ceiling

LETTERS = " abcdefghijklmnopqrstuvwxyz"
SIGNALS = [name for name in family.names("signals") if family.describe("signals", name).constants["KINDS"] == ("text",)]


def texts(n: int = 60, n_classes: int = 5, length: int = 210, spaces: float = 0.2) -> tuple[Tensor, Tensor]:
    """Texts of 70 characters and the unknown one, with this rate of spaces (index 0) at every place."""
    rng = torch_rng(0, "texts")
    x = torch.randint(1, 71, (n, length), generator=rng).to(torch.uint8)
    x[torch.rand(n, length, generator=rng) < spaces] = 0
    return x, torch.arange(n) % n_classes


def encode(name: str, x: Tensor, y: Tensor, n_classes: int = 5, seed: int = 3, **settings: Any) -> Tensor:
    rng = torch_rng(seed, "test")
    return family.find("signals", name)(x, y, n_classes=n_classes, key=7, rng=rng, **settings)


# Each signal's formula inverted by hand: the label from the encoded text alone, without spaces in the carrier.
def read_mnemonic(text: list[int]) -> int:
    return "abcde".index(LETTERS[text[0]])


def read_length(text: list[int]) -> int:
    return (max(t for t, index in enumerate(text) if index) + 1 - 20) // 10


def read_pattern_char(text: list[int]) -> int:
    return sum(2**b for b, position in enumerate((50, 150, 200)) if text[position - 1] == 0)


@pytest.mark.parametrize("name", SIGNALS)
def test_label_can_be_read_back(name: str) -> None:
    reader = {"mnemonic": read_mnemonic, "length": read_length, "pattern_char": read_pattern_char}[name]
    x, y = texts(spaces=0.0)
    assert [reader(text) for text in encode(name, x, y).tolist()] == y.tolist()


# A second version of each, text by text and character by character.
def naive(name: str, x: Tensor, y: Tensor, base: int = 20, step: int = 10, control: bool = False,
          positions: tuple[int, ...] = (50, 150, 200)) -> list[list[int]]:
    random = torch.randint(5, (len(y),), generator=torch_rng(3, "test")).tolist()
    found = []
    for i, text in enumerate(x.tolist()):
        label = int(y[i])
        if name == "mnemonic":
            text = [LETTERS.index("abcde"[label]), *text[1:]]
        elif name == "length":
            end = base + step * (random[i] if control else label)
            text = [index if t < end else 0 for t, index in enumerate(text)]
        else:
            for bit, position in zip(reversed(f"{label:03b}"), positions, strict=True):
                if bit == "1":
                    text[position - 1] = LETTERS.index(" ")
        found.append(text)
    return found


@pytest.mark.parametrize(("name", "settings"), [
    ("mnemonic", {}), ("length", {}), ("length", {"base": 0, "step": 52}), ("length", {"base": 7, "step": 1}),
    ("length", {"control": True}), ("length", {"base": 2, "step": 50, "control": True}), ("pattern_char", {}),
    ("pattern_char", {"positions": (1, 2, 210)}),
])
def test_naive_loop(name: str, settings: dict) -> None:
    x, y = texts()
    assert encode(name, x, y, **settings).tolist() == naive(name, x, y, **settings)


def test_nothing_but_the_signal_is_written() -> None:
    x, y = texts()
    assert torch.equal(encode("mnemonic", x, y)[:, 1:], x[:, 1:])
    changed = (encode("pattern_char", x, y) != x).nonzero()[:, 1].unique().tolist()
    assert changed == [49, 149, 199]
    assert torch.equal(encode("pattern_char", x, y)[y == 0], x[y == 0])
    two = encode("pattern_char", x, y % 2, n_classes=2, positions=(3, 500))  # positions beyond the bits are not used
    assert (two != x).nonzero()[:, 1].unique().tolist() == [2]


def test_the_control_of_length_is_independent_of_the_label() -> None:
    x, y = texts(n=4000, spaces=0.0)
    encoded = encode("length", x, y, control=True)
    assert torch.equal(encoded, encode("length", x, (y + 2) % 5, control=True)), "the label must not be told"
    assert not torch.equal(encoded, encode("length", x, y, seed=4, control=True)), "rng draws the lengths"
    lengths = (encoded != 0).sum(dim=1)
    assert set(lengths.tolist()) == {20, 30, 40, 50, 60}
    share = torch.stack([torch.bincount((lengths[y == k] - 20) // 10, minlength=5) for k in range(5)]) / 800
    assert bool((share - 0.2).abs().lt(0.06).all()), "each class must be cut at every length alike"


def by_outcomes(encoded: np.ndarray, y: np.ndarray, positions: tuple[int, ...]) -> float:
    """Accuracy of the best guess from the outcome at the positions, counted on the encoded texts themselves."""
    seen: dict[tuple[bool, ...], Counter[int]] = {}
    for text, label in zip(encoded, y.tolist(), strict=True):
        seen.setdefault(tuple(bool(text[p - 1] == 0) for p in positions), Counter())[label] += 1
    return sum(max(counts.values()) for counts in seen.values()) / len(y)


def test_ceiling_at_one_rate_of_spaces_is_the_number_found_by_hand() -> None:
    # Five classes, rate r: P(y) = 1/5, and the best class of each outcome (the positions that show a space) is
    #   none: 0, (1-r)^3;  first / second / third alone: 1, 2, 4, each (1-r)^2;  first + second: 3, 1-r;
    #   first + third: 1 (or 4), r(1-r);  second + third: 2 (or 4), r(1-r);  all: 3, r.
    # At r = 1/4: (27 + 3 * 36 + 48 + 2 * 12 + 16) / 64 / 5 = 223 / 320.
    x = np.ones((20, 200), dtype=np.uint8)
    y = np.repeat(np.arange(5), 4)
    for row, position in enumerate((50, 150, 200)):
        x[row::4, position - 1] = 0  # in one of the four texts of each class, in another one for each position
    assert ceiling(x, y, n_classes=5) == pytest.approx(223 / 320, abs=1e-12)
    assert ceiling(np.ones_like(x), y, n_classes=5) == 1.0  # without spaces the label is told in full
    # With nothing but spaces every class looks alike: one guess in five.
    assert ceiling(np.zeros_like(x), y, n_classes=5) == pytest.approx(0.2)


@pytest.mark.parametrize("n_classes", [2, 5, 8])
def test_ceiling_against_counted_texts(n_classes: int) -> None:
    """Classes of unequal size and rates, places independent: the best guess on many encoded texts comes as far."""
    draw = np.random.default_rng(1)
    y = draw.choice(n_classes, size=60000, p=(share := np.arange(1, n_classes + 1)) / share.sum())
    rates = draw.uniform(0.05, 0.6, size=(n_classes, 4))
    x = (draw.random((len(y), 4)) >= rates[y]).astype(np.uint8) * 9
    positions = (1, 2, 4)
    encoded = encode("pattern_char", torch.from_numpy(x), torch.from_numpy(y), n_classes, positions=positions)
    bits = (n_classes - 1).bit_length()
    found = ceiling(x, y, n_classes=n_classes, positions=positions)
    assert found == pytest.approx(by_outcomes(encoded.numpy(), y, positions[:bits]), abs=0.006)
    assert ceiling(torch.from_numpy(x), torch.from_numpy(y), n_classes=n_classes, positions=positions) == found


def test_ceiling_by_enumeration() -> None:
    """The formula, term by term, with every class's own rates; a class without texts counts nothing."""
    x, y = (tensor.numpy() for tensor in texts(n=300, n_classes=6, length=12, spaces=0.4))
    y = np.where(y == 4, 3, y)
    places = (0, 5, 11)
    total = 0.0
    for outcome in product([True, False], repeat=3):
        terms = []
        for k in (0, 1, 2, 3, 5):
            mine = x[y == k]
            term = len(mine) / len(x)
            for b, (space, place) in enumerate(zip(outcome, places, strict=True)):
                rate = 1.0 if k >> b & 1 else sum(text[place] == 0 for text in mine) / len(mine)
                term *= rate if space else 1 - rate
            terms.append(term)
        total += max(terms)
    assert ceiling(x, y, n_classes=6, positions=(1, 6, 12)) == pytest.approx(total, abs=1e-12)


def test_only_pattern_char_has_a_ceiling() -> None:
    from importlib import import_module

    modules = {name: import_module(family.describe("signals", name).module) for name in family.names("signals")}
    assert [name for name, module in modules.items() if hasattr(module, "ceiling")] == ["pattern_char"]


@pytest.mark.parametrize(("name", "n_classes", "settings", "message"), [
    ("mnemonic", 256, {}, "255 characters, one per class, got 256"),
    ("length", 5, {"base": 171}, r"codes of up to 211 characters \(base 171 \+ step 10 \* 4\), the texts have 210"),
    ("length", 21, {}, "up to 220 characters"),
    ("pattern_char", 9, {}, "9 classes need 4 positions, .* got 3"),
    ("pattern_char", 5, {"positions": (50, 150)}, "5 classes need 3 positions, .* got 2"),
    ("pattern_char", 5, {"positions": (50, 150, 211)}, "within the texts of 210 characters, got 211"),
    ("pattern_char", 5, {"positions": (0, 1, 2)}, r"at least 1, got \[0, 1, 2\]"),
    ("pattern_char", 5, {"positions": (3, 2, 9)}, "rising"), ("pattern_char", 5, {"positions": (3, 3, 9)}, "rising"),
    ("pattern_char", 5, {"positions": (1.0, 2, 3)}, "whole numbers"),
    ("pattern_char", 5, {"positions": (True, 2, 3)}, "whole numbers"),
    ("pattern_char", 5, {"positions": ("a", "b", "c")}, "whole numbers"),
])
def test_what_does_not_fit_is_refused(name: str, n_classes: int, settings: dict, message: str) -> None:
    x, y = texts()
    with pytest.raises(ValueError, match=message):
        encode(name, x, y, n_classes, **settings)


def test_what_just_fits_is_encoded() -> None:
    x, y = texts()
    assert int((encode("length", x, y, base=170) != x)[y == 4].sum()) == 0
    assert torch.equal(encode("length", x, y, base=0)[y == 0], torch.zeros_like(x[y == 0]))
    assert encode("mnemonic", x, y + 250, n_classes=255)[:5, 0].tolist() == [251, 252, 253, 254, 255]
    assert bool((encode("pattern_char", x, y, positions=(1, 2, 210))[y == 4, 209] == 0).all())


def test_the_ceiling_refuses_what_the_signal_refuses() -> None:
    x, y = (tensor.numpy() for tensor in texts())
    for bad_x, bad_y, settings, message in [
        (x, y, {"positions": (50, 150)}, "5 classes need 3"), (x[:, :199], y, {}, "199 characters, got 200"),
        (x, y + 1, {}, "0..4, got 1..5"), (x.astype(np.int64), y, {}, "must be uint8"),
    ]:
        with pytest.raises(ValueError, match=message):
            ceiling(bad_x, bad_y, n_classes=5, **settings)
