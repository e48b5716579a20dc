"""Every signal keeps the family's contract; image signals: the label can be read back, a naive loop gives the same."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from convscope import family
from convscope.rng import torch_rng
from convscope.signals.noise import directions
from convscope.signals.paired_pixels import pairs

KEY = 7
SIGNALS = family.names("signals")
KINDS = {name: family.describe("signals", name).constants["KINDS"] for name in SIGNALS}
SERVED = [(name, kind) for name in SIGNALS for kind in KINDS[name]]
IMAGES = [name for name in SIGNALS if "image" in KINDS[name]]
AMPLITUDES = [name for name in SIGNALS if "amplitude" in family.describe("signals", name).defaults]


def carriers(n: int = 60, n_classes: int = 10, shape: tuple[int, ...] = (3, 16, 16)) -> tuple[Tensor, Tensor]:
    rng = torch_rng(0, "carriers")
    return torch.rand(n, *shape, generator=rng), torch.arange(n) % n_classes


def samples(kind: str, large: bool = False) -> tuple[Tensor, Tensor]:
    """Carriers of this kind with labels 0..4: images, windows, a table's rows, or texts with the unknown character."""
    if kind == "image":
        return carriers(n_classes=5, shape=(3, 16, 16) if large else (1, 8, 12))
    if kind == "table":
        return carriers(n_classes=5, shape=(40 if large else 7,))
    if kind == "windows":
        return carriers(n_classes=5, shape=(2, 50) if large else (1, 9))
    x = torch.randint(71, (60, 230 if large else 200), generator=torch_rng(0, "texts"))
    return x.to(torch.uint8), torch.arange(60) % 5


def encode(name: str, x: Tensor, y: Tensor, n_classes: int = 10, key: int = KEY, **settings: Any) -> Tensor:
    return family.find("signals", name)(x, y, n_classes=n_classes, key=key, rng=torch_rng(3, "test"), **settings)


def test_kinds_of_signals() -> None:
    assert set(SIGNALS) - set(IMAGES) == {"mnemonic", "length", "pattern_char"}
    assert {name: KINDS[name] for name in SIGNALS if len(KINDS[name]) > 1} == {
        "clean": ("image", "table", "text", "windows")}
    assert {kind for _, kind in SERVED} == {"image", "table", "text", "windows"}


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize(("name", "kind"), SERVED)
def test_contract(name: str, kind: str, large: bool) -> None:
    x, y = samples(kind, large)
    x_before, y_before = x.clone(), y.clone()
    encoded = encode(name, x, y, n_classes=5)
    assert encoded.shape == x.shape and encoded.dtype == x.dtype and bool(encoded.isfinite().all())
    assert torch.equal(x, x_before) and torch.equal(y, y_before)
    assert encoded.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert torch.equal(encoded, x) == (name == "clean")
    assert torch.equal(encoded, encode(name, x, y, n_classes=5))


@pytest.mark.parametrize(("name", "kind"), SERVED)
def test_layout_of_memory_changes_nothing(name: str, kind: str) -> None:
    x, y = samples(kind, large=True)
    expected = encode(name, x, y, n_classes=5)
    turned = x.transpose(0, -1).contiguous().transpose(0, -1)
    other = x.contiguous(memory_format=torch.channels_last) if kind == "image" else turned
    assert other.stride() != x.stride()
    assert torch.equal(encode(name, other, y, n_classes=5), expected)
    assert torch.equal(encode(name, x, y.to(torch.uint8), n_classes=5), expected)


@pytest.mark.parametrize("name", AMPLITUDES)
def test_at_amplitude_0_the_label_is_not_there(name: str) -> None:
    x, y = carriers()
    assert torch.equal(encode(name, x, y, amplitude=0.0), encode(name, x, (y + 3) % 10, amplitude=0.0))
    assert not torch.equal(encode(name, x, y), encode(name, x, (y + 3) % 10))


def test_paired_pixels_without_decoys_at_amplitude_0_is_the_carrier() -> None:
    x, y = carriers()
    assert torch.equal(encode("paired_pixels", x, y, amplitude=0.0, decoy=False), x)


@pytest.mark.parametrize("name", ["noise", "paired_pixels"])
def test_key_fixes_the_code(name: str) -> None:
    x, y = carriers()
    assert not torch.equal(encode(name, x, y), encode(name, x, y, key=KEY + 1))


@pytest.mark.parametrize("name", ["random_pixel", "paired_pixels"])
def test_rng_draws_what_varies_by_image(name: str) -> None:
    x, y = carriers()
    function = family.find("signals", name)
    first, second = (function(x, y, n_classes=10, key=KEY, rng=torch_rng(seed, "draw")) for seed in (0, 1))
    assert not torch.equal(first, second)


# Each signal's formula inverted by hand: the label from the encoded image alone.
def read_one_pixel(e: Tensor) -> int:
    return round(float(e[1, 8, 8]) / 1e-3)


def read_pattern_pixels(e: Tensor) -> int:
    return sum(2**b for b, (r, c) in enumerate([(0, 0), (0, 15), (15, 0), (15, 15)]) if float(e[2, r, c]) > 5e-4)


def read_random_pixel(e: Tensor) -> int:
    return round((float(e.max()) - 1) / 1e-3)


def read_paired_pixels(e: Tensor) -> int:
    flat = e.reshape(3, -1)
    equal = [k for k, (a, b) in enumerate(zip(*pairs(16, 16, 10, KEY), strict=True)) if flat[:, a].equal(flat[:, b])]
    assert len(equal) == 1  # carriers of continuous noise have no chance equality
    return equal[0]


def read_noise(e: Tensor) -> int:
    # At amplitude 1e-2 the carrier drowns one image's code; the test encodes with amplitude 1.
    return int((directions(e.numel(), 10, KEY) @ (e.double().flatten() - 0.5)).argmax())


def read_mean(e: Tensor) -> int:
    return round(float(e.double().mean()) / 1e-3)


READERS: dict[str, tuple[Callable[[Tensor], int], dict[str, Any]]] = {
    "one_pixel": (read_one_pixel, {}), "pattern_pixels": (read_pattern_pixels, {}), "mean": (read_mean, {}),
    "random_pixel": (read_random_pixel, {}), "paired_pixels": (read_paired_pixels, {}),
    "noise": (read_noise, {"amplitude": 1.0}),
}


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "clean"])
def test_label_can_be_read_back(name: str) -> None:
    reader, settings = READERS[name]
    x, y = carriers()
    assert [reader(e) for e in encode(name, x, y, **settings)] == y.tolist()


# A second version of each, image by image and pixel by pixel.
def naive(name: str, x: Tensor, y: Tensor, s: float) -> Tensor:
    out = x.clone()
    n, channels, height, width = x.shape
    rng = torch_rng(3, "test")
    places = torch.randint(height * width, (n,), generator=rng).tolist() if name == "random_pixel" else []
    for i in range(n):
        label = int(y[i])
        if name == "one_pixel":
            for c in range(channels):
                out[i, c, height // 2, width // 2] = s * label
        elif name == "pattern_pixels":
            corners = {0: (0, 0), 1: (0, width - 1), 2: (height - 1, 0), 3: (height - 1, width - 1)}
            for b in range(math.ceil(math.log2(10))):
                for c in range(channels):
                    out[i, c, corners[b][0], corners[b][1]] = s if f"{label:04b}"[::-1][b] == "1" else 0.0
        elif name == "random_pixel":
            for c in range(channels):
                out[i, c, places[i] // width, places[i] % width] = 1 + s * label
        elif name == "mean":
            total = math.fsum(x[i].flatten().tolist())
            out[i] = (x[i].double() - total / x[i].numel() + s * label).float()
        elif name == "noise":
            q = directions(x[i].numel(), 10, KEY)[label].reshape(x[i].shape)
            out[i] = (x[i].double() + s * q).float()
    return out


@pytest.mark.parametrize("name", ["one_pixel", "pattern_pixels", "random_pixel", "mean", "noise"])
@pytest.mark.parametrize("amplitude", [1e-3, 0.25])
def test_naive_loop(name: str, amplitude: float) -> None:
    x, y = carriers(n=20)
    expected = naive(name, x, y, amplitude)
    torch.testing.assert_close(encode(name, x, y, amplitude=amplitude), expected, rtol=0, atol=5e-7)


@pytest.mark.parametrize("amplitude", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("decoy", [True, False])
def test_naive_loop_of_pairs(decoy: bool, amplitude: float) -> None:
    x, y = carriers(n=20)
    encoded = encode("paired_pixels", x, y, amplitude=amplitude, decoy=decoy)
    first, second = (place.tolist() for place in pairs(16, 16, 10, KEY))
    step = torch.randint(1, 20, (20, 10), generator=torch_rng(3, "test")).tolist()
    for i in range(20):
        expected = x[i].clone()
        for k in range(10):
            (ra, ca), (rb, cb) = divmod(first[k], 16), divmod(second[k], 16)
            other = x[(i + step[i][k]) % 20, :, ra, ca] if decoy else x[i, :, rb, cb]
            weight = amplitude if k == int(y[i]) else 0.0
            expected[:, rb, cb] = other + weight * (x[i, :, ra, ca] - other)
        torch.testing.assert_close(encoded[i], expected, rtol=0, atol=1e-7)


def test_decoys_have_the_marginals_of_the_pair_and_come_from_another_image() -> None:
    x, y = carriers(n=3000, shape=(1, 8, 8))
    encoded = encode("paired_pixels", x, y).flatten(1)
    first, second = pairs(8, 8, 10, KEY)
    decoy = y[:, None] != torch.arange(10)
    assert not bool((encoded[:, first] == encoded[:, second])[decoy].any())
    assert set(encoded[:, second[4]].tolist()) <= set(x.flatten(1)[:, first[4]].tolist())
    two = encode("paired_pixels", x[:2], y[:2]).flatten(1)
    assert torch.equal(two[0, second[1:]], x.flatten(1)[1, first[1:]])  # of two images, the other one is the donor


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (8, 12)])
def test_pairs_are_disjoint_and_distant(size: tuple[int, int]) -> None:
    first, second = (place.tolist() for place in pairs(*size, 10, KEY))
    assert len(set(first + second)) == 20
    for a, b in zip(first, second, strict=True):
        assert math.dist(divmod(a, size[1]), divmod(b, size[1])) >= size[0] / 2


def test_directions_are_orthogonal_with_rms_1() -> None:
    q = directions(768, 10, KEY)
    torch.testing.assert_close(q @ q.T / 768, torch.eye(10, dtype=torch.float64), rtol=0, atol=1e-12)


def test_default_amplitudes_are_those_of_the_specification() -> None:
    defaults = {name: family.describe("signals", name).defaults["amplitude"] for name in AMPLITUDES}
    assert defaults == {"one_pixel": 1e-3, "pattern_pixels": 1e-3, "random_pixel": 1e-3, "paired_pixels": 1.0,
                        "noise": 1e-2, "mean": 1e-3}


@pytest.mark.parametrize(("name", "kind"), SERVED)
def test_bad_input_is_refused(name: str, kind: str) -> None:
    x, y = samples(kind)
    expected = {"image": r"float32 \[N, C, H, W\]", "table": r"float32 \[N, D\]", "text": r"uint8 \[N, T\]",
                "windows": r"float32 \[N, C, T\]"}
    # clean goes by what arrives: two axes of numbers are a table, of whole ones a text, three a window, else an image.
    bad_type = x.double() if kind != "text" else x.long()
    bad_shape = x[:, 0, 0, 0] if kind == "image" else x[:, 0, 0] if kind == "windows" else x[:, 0]
    for bad_x, bad_y, message in [
        (bad_type, y, expected[kind]), (bad_shape, y, expected[KINDS[name][0]]), (x, y + 1, "0..4, got 1..5"),
        (x, y - 1, "0..4, got -1..3"), (x, y[:5], f"one per { {'table': 'row', 'windows': 'window'}.get(kind, kind)}"),
        (x, y.float(), "whole numbers"), (x, y > 1, "whole numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            encode(name, bad_x, bad_y, n_classes=5)


def test_what_does_not_fit_is_refused() -> None:
    x, y = carriers(n=10)
    with pytest.raises(ValueError, match="16 classes, got 17"):
        encode("pattern_pixels", x, y, n_classes=17)
    with pytest.raises(ValueError, match="four distinct corners"):
        encode("pattern_pixels", x[:, :, :1], y)
    with pytest.raises(ValueError, match="larger images"):
        encode("paired_pixels", x[:, :, :4, :4], y)
    with pytest.raises(ValueError, match="other images"):
        encode("paired_pixels", x[:1], y[:1])
    with pytest.raises(ValueError, match="10 classes for 9 elements"):
        encode("noise", x[:, :1, :3, :3], y)
