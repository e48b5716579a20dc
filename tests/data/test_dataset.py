"""Canonical order, fingerprint, checks, class-balanced subsets; images and texts."""

import hashlib

import numpy as np
import pytest

from convscope.data.dataset import Dataset, Part, assemble, balanced_subset


def _images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 5), dtype=np.uint8)


def _parts() -> dict[str, Part]:
    return {"train": Part(_images(9), [2, 0, 1, 0, 2, 1, 1, 2, 0]), "test": Part(_images(4, 1), [1, 1, 0, 2])}


def test_samples_stand_by_class_then_content_hash():
    parts = _parts()
    data = assemble("toy", ["a", "b", "c"], parts)
    rows = sorted((label, hashlib.sha256(image.tobytes()).hexdigest(), image.tobytes())
                  for image, label in zip(*parts["train"][:2], strict=True))
    train = data.splits["train"]
    assert train.y.tolist() == [label for label, _, _ in rows]
    assert train.ids.tolist() == [digest[:16] for _, digest, _ in rows]
    assert [image.tobytes() for image in train.stored] == [content for _, _, content in rows]
    assert train.y.dtype == np.int64
    assert (data.kind, data.n_classes, data.input_shape, len(train)) == ("image", 3, (3, 4, 5), 9)


def test_x_is_float32_in_the_unit_interval_and_a_copy():
    train = assemble("toy", ["a", "b", "c"], _parts()).splits["train"]
    x = train.x(np.array([3, 1]))
    assert x.dtype == np.float32
    assert np.array_equal(x, np.float32(train.stored[[3, 1]]) / np.float32(255))
    x[:] = 7
    assert train.x().max() <= 1
    assert train.x(slice(2, 5)).shape == (3, 3, 4, 5)


def test_the_fingerprint_depends_on_content_and_not_on_order_or_container():
    parts = _parts()
    reference = assemble("toy", ["a", "b", "c"], parts).fingerprint
    order = np.random.default_rng(5).permutation(9)
    images, labels = parts["train"].samples, np.array(parts["train"].labels)
    shuffled = {**parts, "train": Part([images[i] for i in order], labels[order])}
    assert assemble("other_name", ["a", "b", "c"], shuffled).fingerprint == reference

    changed = np.array(images)
    changed[4, 0, 0, 0] ^= 1
    others = [
        assemble("toy", ["a", "b", "d"], parts),
        assemble("toy", ["a", "b", "c"], {**parts, "train": Part(changed, labels)}),
        assemble("toy", ["a", "b", "c"], {**parts, "train": Part(images, np.roll(labels, 1))}),
        assemble("toy", ["a", "b", "c"], {**parts, "train": Part(np.reshape(images, (9, 3, 5, 4)), labels),
                                          "test": Part(np.reshape(parts["test"].samples, (4, 3, 5, 4)), [1, 1, 0, 2])}),
        assemble("toy", ["a", "b", "c"], {"train": parts["test"], "test": parts["train"]}),
    ]
    assert len({reference, *(other.fingerprint for other in others)}) == 6


def test_ids_of_equal_pixels_stay_unique():
    images = np.concatenate([_images(2), _images(2), _images(1)])
    ids = assemble("toy", ["a", "b"], {"train": Part(images, [0, 1, 0, 1, 1])}).splits["train"].ids
    first, second = (hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images[:2])
    assert sorted(ids) == sorted([first, f"{first}-2", f"{first}-3", second, f"{second}-2"])


@pytest.mark.parametrize(("classes", "train", "sentence"), [
    (["a"], Part(_images(2), [0, 0]), "at least two classes, got a"),
    (["a", "a"], Part(_images(2), [0, 1]), "got a twice"),
    (["a", "b"], Part(_images(2), [0, 0]), "class b has no image in train"),
    (["a", "b"], Part(_images(2), [0, 2], ["x.png", "y.png"]), "0..1, got 2 for y.png"),
    (["a", "b"], Part(_images(2), [0, -1]), "0..1, got -1 for image 1 of train"),
    (["a", "b"], Part(_images(2), np.array([0.0, 1.0])), "whole numbers, got float64"),
    (["a", "b"], Part(_images(2), [0]), "2 images and 1 labels"),
    (["a", "b"], Part([_images(1)[0], _images(1)[0, :, :3]], [0, 1], ["x.png", "y.png"]), r"\(3, 3, 5\) for y.png"),
    (["a", "b"], Part(_images(2).astype(np.float32), [0, 1]), "uint8 .* got float32"),
    (["a", "b"], Part(_images(2)[:, 0], [0, 1]), r"must be \[C, H, W\]"),
])
def test_what_cannot_be_used_is_refused(classes, train, sentence):
    with pytest.raises(ValueError, match=sentence):
        assemble("toy", classes, {"train": train})


def test_a_mixed_size_in_test_is_refused_too():
    with pytest.raises(ValueError, match=r"\(3, 5, 4\) for image 0 of test"):
        assemble("toy", ["a", "b"], {"train": Part(_images(2), [0, 1]),
                                     "test": Part(_images(1).reshape(1, 3, 5, 4), [0])})


def test_the_fingerprint_of_images_is_a_constant():
    """Runs that are done, and caches, know their data by it."""
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    data = assemble("toy", ["a", "b"], {"train": Part(images, [1, 0]), "test": Part(images[:1] + np.uint8(1), [1])})
    assert data.fingerprint == "3a20ce6fee4d267c20afd7f692544a5a95dfe77bb2953c0c039aa2d9002fa6d7"
    assert (data.kind, data.alphabet, data.splits["train"].kind) == ("image", "", "image")


ALPHABET = " abcd"


def _texts(n: int = 40, seed: int = 0) -> np.ndarray:
    """uint8 [n, 6], every third one as the one before it."""
    texts = np.random.default_rng(seed).integers(0, len(ALPHABET) + 1, (n, 6), dtype=np.uint8)
    texts[2::3] = texts[1::3][:len(texts[2::3])]
    return texts


def _assemble(texts, labels, alphabet: str = ALPHABET):
    return assemble("toy", ["a", "b"], {"train": Part(texts, labels)}, alphabet=alphabet)


def test_texts_have_a_kind_an_alphabet_and_one_dimension():
    data = _assemble(_texts(), [0, 1] * 20)
    train = data.splits["train"]
    assert (data.kind, train.kind, data.alphabet, data.input_shape, len(train)) == ("text", "text", " abcd", (6,), 40)
    assert (train.stored.dtype, train.stored.shape) == (np.uint8, (40, 6))
    for index in (slice(None), slice(2, 5), np.array([3, 1]), [7]):
        x = train.x(index)
        assert x.dtype == np.uint8
        assert np.array_equal(x, train.stored[index])
        assert not np.shares_memory(x, train.stored)
        assert x.flags.writeable


@pytest.mark.parametrize("n", [2, 3, 40, 500])
def test_bringing_texts_into_order_in_place_is_fancy_indexing(n):
    texts = _texts(n, n)
    labels = np.random.default_rng(1).permutation(np.arange(n) % 2)
    digests = [hashlib.sha256(text.tobytes()).hexdigest() for text in texts]
    order = sorted(range(n), key=lambda i: (labels[i], digests[i]))  # stable: equal ones stay as they come
    expected = texts[order]
    read_only, in_place = texts.copy(), texts.copy()
    read_only.setflags(write=False)
    as_bytes = np.frombuffer(bytearray(texts.tobytes()), dtype=np.uint8).reshape(n, 6)
    made = {name: _assemble(given, labels) for name, given in
            (("read-only", read_only), ("list", list(texts)), ("in place", in_place), ("buffer", as_bytes))}
    for data in made.values():
        assert np.array_equal(data.splits["train"].stored, expected)
        assert np.array_equal(data.splits["train"].y, labels[order])
        assert data.splits["train"].ids.tolist() == made["list"].splits["train"].ids.tolist()
        assert data.fingerprint == made["list"].fingerprint
    assert np.array_equal(read_only, texts)
    assert np.shares_memory(made["in place"].splits["train"].stored, in_place)
    assert np.shares_memory(made["buffer"].splits["train"].stored, as_bytes)


def _both(train: tuple, test: tuple) -> Dataset:
    return assemble("toy", ["a", "b", "c"], {"train": Part(*train), "test": Part(*test)}, alphabet=ALPHABET)


def test_splits_that_share_memory_keep_their_labels():
    """Reordered in place, one split would mix up the other's texts."""
    x, y = np.random.default_rng(3).integers(0, 6, (60, 6), dtype=np.uint8), np.arange(60) % 3
    x[:, 0] = y
    views = {"the same": (slice(None), slice(None)), "overlapping": (slice(40), slice(20, 60)),
             "halves": (slice(30), slice(30, 60)), "every other": (slice(0, 60, 2), slice(1, 60, 2))}
    for name, (one, other) in views.items():
        expected = _both((list(x[one].copy()), y[one]), (list(x[other].copy()), y[other]))
        whole = x.copy()
        rows = list(whole[other])
        for test in (whole[other], rows):
            whole[:] = x
            data = _both((whole[one], y[one]), (test, y[other]))
            assert data.fingerprint == expected.fingerprint, name
            for split in ("train", "test"):  # also once all of them are made
                part = data.splits[split]
                assert np.array_equal(part.stored, expected.splits[split].stored), name
                assert part.stored[:, 0].tolist() == part.y.tolist(), name
        assert np.array_equal(whole, x) == (name != "halves")


def test_rows_that_overlap_are_not_reordered_in_place():
    content = np.array([3, 1, 4, 1, 5, 2, 0, 5, 3, 5, 4], np.uint8)
    rows = np.lib.stride_tricks.sliding_window_view(content, 6, writeable=True)
    expected = _assemble(list(rows.copy()), [0, 1, 0, 1, 0, 1]).fingerprint
    assert _assemble(rows, [0, 1, 0, 1, 0, 1]).fingerprint == expected
    assert content.tolist() == [3, 1, 4, 1, 5, 2, 0, 5, 3, 5, 4]


def test_images_are_never_reordered_in_place():
    images = _images(9)
    assemble("toy", ["a", "b", "c"], {"train": Part(images, [2, 0, 1, 0, 2, 1, 1, 2, 0])})
    assert np.array_equal(images, _images(9))


def test_the_fingerprint_of_texts_depends_on_content_labels_and_alphabet():
    texts, labels = _texts(), np.array([0, 1] * 20)
    order = np.random.default_rng(2).permutation(40)
    reference = _assemble(list(texts), labels).fingerprint
    assert _assemble(texts[order], labels[order]).fingerprint == reference
    changed = texts.copy()
    changed[7, 3] = (changed[7, 3] + 1) % 6
    others = [_assemble(list(texts), labels, " abdc"), _assemble(list(texts), labels, " abcde"),
              _assemble(changed, labels), _assemble(list(texts), 1 - labels)]
    assert len({reference, *(data.fingerprint for data in others)}) == 5


@pytest.mark.parametrize(("texts", "sentence"), [
    (np.full((2, 6), 6, np.uint8), r"toy: characters must be in 0..5 \(5: none of the alphabet\), got 6 in train"),
    (list(np.full((2, 6), 255, np.uint8)), "characters must be in 0..5 .* got 255 in train"),
    (np.zeros((2, 6), np.int64), r"every text must be uint8 \(6,\) as the first one, got int64 \(6,\) for text 0 of t"),
    ([np.zeros(6, np.uint8), np.zeros(5, np.uint8)], r"got uint8 \(5,\) for text 1 of train; bring all texts to one"),
    (_images(2), r"texts must be \[T\], got shape \(3, 4, 5\)"),
])
def test_texts_that_cannot_be_used_are_refused(texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        _assemble(texts, [0, 1])


def test_errors_about_texts_speak_of_texts():
    for labels, sentence in (([0, 0], "class b has no text in train"), ([0], "2 texts and 1 labels"),
                             ([0, 2], "got 2 for text 1 of train")):
        with pytest.raises(ValueError, match=sentence):
            _assemble(_texts(2), labels)
    with pytest.raises(ValueError, match="got 6 in test"):
        assemble("toy", ["a", "b"], {"train": Part(_texts(2), [0, 1]), "test": Part(_texts(2) * 0 + 6, [0, 1])},
                 alphabet=ALPHABET)


def test_a_subset_takes_each_class_in_proportion():
    y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [500, 300, 200]))
    for n in (3, 10, 77, 500, 999, 1000):
        index = balanced_subset(y, n, np.random.default_rng(n))
        assert index.dtype == np.int64
        assert index.tolist() == sorted(set(index.tolist()))
        assert len(index) == n
        assert np.all(np.abs(np.bincount(y[index], minlength=3) - n * np.array([0.5, 0.3, 0.2])) < 1)


def test_a_subset_of_equal_classes_is_equal_and_random():
    y = np.repeat(np.arange(10), 50)
    first, again, other = (balanced_subset(y, 40, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.bincount(y[first]).tolist() == [4] * 10
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    left_over = {tuple(np.bincount(y[balanced_subset(y, 13, np.random.default_rng(s))]).tolist()) for s in range(5)}
    assert len(left_over) > 1  # which classes get the three left over is drawn, not always the first ones
    assert all(sorted(counts) == [1] * 7 + [2] * 3 for counts in left_over)


def test_a_rare_class_stays_in_a_subset_that_has_room_for_it():
    y = np.repeat([0, 1, 2, 3], [997, 1, 1, 1])
    assert np.bincount(y[balanced_subset(y, 4, np.random.default_rng(0))]).tolist() == [1, 1, 1, 1]
    assert np.bincount(y[balanced_subset(y, 100, np.random.default_rng(0))]).tolist() == [97, 1, 1, 1]


@pytest.mark.parametrize("n", [0, -1, 11])
def test_a_subset_larger_than_the_whole_is_refused(n):
    with pytest.raises(ValueError, match=f"between 1 and 10 samples .* got {n}"):
        balanced_subset(np.repeat([0, 1], 5), n, np.random.default_rng(0))
