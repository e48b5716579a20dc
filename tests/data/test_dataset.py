"""Canonical order, fingerprint, checks, and class-balanced subsets."""

import hashlib

import numpy as np
import pytest

from convscope.data.dataset import Part, assemble, balanced_subset


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
