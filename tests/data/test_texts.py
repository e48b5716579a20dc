"""The fast encoder against one that looks up character by character; the alphabet; what is no alphabet."""

import random

import pytest

from convscope.data.texts import ALPHABET, check_alphabet, encoder

HOSTILE = [
    "", " ", "a", "plain ascii, with 3 marks!?", "CAPITALS And \\n \n\t\r", "nul \0 \x7f\x80\xff", "x" * 300,
    "stra\u00dfe STRASSE \u1e9e", "\u0130stanbul \u0130\u0130\u0130", "\u0130" * 300, "\u039f\u0394\u039f\u03a3.",
    "\U0001f600 smile \U0001f469\u200d\U0001f4bb", "lone \ud800 and \udfff surrogates", "\U0010ffff\U00010000\uffff",
    "e\u0301 \u00e9 \u00c9", "\u212a is Kelvin", "\u201cquoted\u201d \u2014 dash"]
LARGEST = " " + "".join(map(chr, range(0x4e00, 0x4e00 + 254)))
ALPHABETS = [ALPHABET, " ab", " \u00df\u00e9\u20ac\U0001f600z", " \0\ta", " \u0307i", " \ud800\udfff", LARGEST]


def _naive(text: str, alphabet: str, length: int, backwards: bool) -> list[int]:
    """One character after the other: lower-cased whole, looked up, filled with the space's index."""
    numbers = {character: number for number, character in enumerate(alphabet)}
    characters = list(text.lower())
    if backwards:
        characters.reverse()
    codes = []
    for position in range(length):
        codes.append(numbers.get(characters[position], len(alphabet)) if position < len(characters) else 0)
    return codes


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=ascii)
def test_the_fast_encoder_is_the_slow_one(alphabet, backwards):
    draw = random.Random(0)
    pool = "".join(HOSTILE) + alphabet + ALPHABET
    texts = [*HOSTILE, *("".join(draw.choices(pool, k=draw.randrange(60))) for _ in range(200))]
    for length in (1, 7, 40, 299, 301):
        encode = encoder(alphabet, length, backwards=backwards)
        for text in texts:
            assert list(encode(text)) == _naive(text, alphabet, length, backwards), (text, length)


def test_what_the_codes_say():
    assert list(encoder(ALPHABET, 6)("Az9\n")) == [1, 26, 36, 69, 0, 0]
    assert list(encoder(ALPHABET, 3, backwards=True)("Az9\n")) == [69, 36, 26]
    assert list(encoder(ALPHABET, 3)("a\u00e9\t")) == [1, 70, 70]
    assert list(encoder(" ab", 4)("\u0130b")) == [3, 3, 2, 0]  # its lower case has two characters


def test_every_character_of_every_alphabet_has_its_index():
    for alphabet in ALPHABETS:
        assert list(encoder(alphabet, len(alphabet))(alphabet)) == list(range(len(alphabet)))


def test_the_alphabet_is_zhangs_with_the_space():
    check_alphabet(ALPHABET)
    assert len(ALPHABET) == len(set(ALPHABET)) == 70
    assert ALPHABET[0] == " "
    assert ALPHABET[-1] == "\n"
    # Zhang et al. 2015, section 2.2: 26 letters, 10 digits, 33 others, the hyphen twice among them, and the newline.
    theirs = "abcdefghijklmnopqrstuvwxyz0123456789" + "-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{}" + "\n"
    assert len(theirs) == 70
    assert set(ALPHABET) == set(theirs) | {" "}


@pytest.mark.parametrize(("alphabet", "sentence"), [
    ("", "must have the space, which also fills what follows a text's end, got ''; put it first"),
    ("abc", "must have the space, which also fills what follows a text's end, got 'abc'; put it first"),
    ("ab ", "must begin with the space, index 0, got 'a' first"),
    (" aba", "must differ, got 'a' twice"),
    (" a  ", "must differ, got ' ' twice"),
    (" abC", "texts are lower-cased, so an alphabet has no capital letters, got 'C'"),
    (" \u0130", "no capital letters, got '\u0130'"),
    (" ", "has 2 to 255 characters, as many as a byte can number, got 1"),
    (LARGEST + "z", "has 2 to 255 characters, .* got 256"),
])
def test_what_is_no_alphabet_is_refused_in_one_sentence(alphabet, sentence):
    for refuse in (check_alphabet, lambda alphabet: encoder(alphabet, 5)):
        with pytest.raises(ValueError, match=sentence) as caught:
            refuse(alphabet)
        assert "\n" not in str(caught.value)


def test_255_characters_are_numbered_and_the_unknown_still_fits_a_byte():
    assert list(encoder(LARGEST, 3)(LARGEST[-1] + "x")) == [254, 255, 0]
