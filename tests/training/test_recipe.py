"""Recipes: checked before anything runs, and the same images whatever asks for them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope.family import ConfigError, bind
from convscope.training.recipe import load_data, read_recipe, test_set, training_set

test_set.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # a function of the package, not a test


@pytest.fixture
def cfg(compose, tmp_path):
    return lambda *overrides, **more: {**compose(*overrides, runs=tmp_path), **more}


def splits(cfg: dict):
    recipe = read_recipe(cfg)
    return recipe, load_data(recipe, cfg["env"])


def test_each_kind_of_model_is_trained_its_own_way(cfg):
    net = read_recipe(cfg("model=resnet8", baseline_fraction=0.25))
    assert net.fit and (net.kind, net.fraction, net.normalise) == ("convnet", 1.0, True)
    assert net.fit.arguments["lr"] == 0.4
    shallow = read_recipe(cfg("model=linear_softmax", baseline_fraction=0.25))
    assert shallow.fit and (shallow.kind, shallow.fraction, shallow.normalise) == ("shallow", 0.25, False)
    assert shallow.fit.arguments["lr"] == 0.01
    tree = read_recipe(cfg("model=decision_tree", baseline_fraction=0.25))
    assert (tree.kind, tree.fraction, tree.normalise, tree.fit) == ("classical", 0.25, False, None)


@pytest.mark.parametrize(("overrides", "more", "title"), [
    (("signal=clean",), {}, "digits copies=1 | resnet depth=8 width=0.5 | seed 0"),
    (("signal=noise",), {"seed": 3}, "digits copies=1 | noise | resnet depth=8 width=0.5 | seed 3"),
    (("signal=noise", "condition=blank"), {},
     "digits copies=1 | noise on blank images | resnet depth=8 width=0.5 | seed 0"),
    (("signal=clean",), {"normalise": False}, "digits copies=1 | resnet depth=8 width=0.5 (raw pixels) | seed 0")])
def test_its_title_says_what_is_not_as_usual(cfg, overrides, more, title):
    assert read_recipe(cfg("model=resnet8", *overrides, **more)).title == title


def test_loading_refuses_data_of_another_kind(cfg):
    recipe = read_recipe(cfg("model=resnet8"))
    assert recipe.load(cfg()["env"]).kind == "image"
    with pytest.raises(ConfigError, match="the model traffic_cnn is for series and windows data; digits is image data"):
        replace(recipe, model=bind("models", {"name": "traffic_cnn"})).load(cfg()["env"])


@pytest.mark.parametrize(("overrides", "more", "told"), [
    ((), {"seed": -1}, "seed must be a whole number, at least 0, got -1"),
    ((), {"seed": 1.5}, "seed"), ((), {"seed": True}, "seed"), ((), {"seed": "a"}, "seed"),
    (("model=lda",), {"baseline_fraction": 0}, "baseline_fraction must be a number above 0 and at most 1, got 0"),
    (("model=lda",), {"baseline_fraction": 1.5}, "at most 1, got 1.5"),
    (("model=lda",), {"baseline_fraction": "all"}, "baseline_fraction"),
    (("condition=blank", "condition.magnitude=2"), {}, "magnitude must be a number between 0 and 1, got 2"),
    (("condition=blank", "condition.depth=2"), {}, "blank has no parameter depth"),
    (("signal=noise", "signal.amplitude=-1"), {}, "amplitude must be a number, at least 0, got -1"),
    (("signal=noise", "signal.amplitude=big"), {}, "amplitude must be a number, at least 0, got 'big'"),
    ((), {"normalise": "perhaps"}, "normalise must be true or false, got 'perhaps'"),
    (("fit.iterations=8", "fit.warmup=60"), {}, "warmup must be at least 0 and below iterations (8), got 60"),
    (("fit.validation=9",), {}, "take holdout, a share of each class"),
    (("fit.optimizer=lion",), {}, "optimizer must be one of sgd, adam, adamw, got 'lion'"),
    (("fit.iterations=0",), {}, "iterations must be a whole number, at least 1, got 0"),
    (("model=resnet8", "model.with=2"), {}, "resnet has no parameter with (did you mean width?)"),
    ((), {"model": {"name": "resnt"}}, "no resnt in models (did you mean resnet?)")])
def test_a_wrong_value_is_refused_in_one_sentence(cfg, overrides, more, told):
    with pytest.raises(ValueError) as caught:  # ConfigError, or what the regime itself says
        read_recipe(cfg(*overrides, **more))
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_part_of_the_training_split_is_balanced_and_drawn_by_the_seed(cfg):
    recipe, data = splits(cfg("model=lda", baseline_fraction=0.25))
    _, x, y = training_set(recipe, data)
    assert x.shape == (300, 1, 16, 16)
    assert (abs(np.bincount(y) - np.bincount(data.splits["train"].y) / 4) < 1).all()
    other, _ = splits(cfg("model=lda", baseline_fraction=0.25, seed=1))
    assert not torch.equal(training_set(other, data)[0], x)
    again, _ = splits(cfg("model=lda", "signal=noise", baseline_fraction=0.25))
    assert torch.equal(training_set(again, data)[0], training_set(recipe, data)[0])  # the signal draws nothing of it


def test_carriers_labels_and_encoded_images(cfg):
    recipe, data = splits(cfg("model=resnet8", "signal=one_pixel"))
    for found, split in ((training_set(recipe, data), data.splits["train"]),
                         (test_set(recipe, data), data.splits["test"])):
        carriers, encoded, y = found
        assert np.array_equal(carriers, split.x()) and np.array_equal(y, split.y) and encoded.dtype == torch.float32
        assert ((encoded != carriers).sum(dim=(1, 2, 3)) == 1).all()
        assert encoded[:, 0, 8, 8] == pytest.approx(0.001 * y.numpy())


@pytest.mark.parametrize("signal", ["paired_pixels", "random_pixel", "noise"])
def test_two_encodings_of_the_test_images_differ_by_the_label_alone(cfg, signal):
    recipe, data = splits(cfg("model=resnet8", f"signal={signal}"))
    _, encoded, y = test_set(recipe, data)
    _, same, _ = test_set(recipe, data, y)
    _, shifted, unchanged = test_set(recipe, data, (y + 1) % 10)
    assert torch.equal(encoded, same) and torch.equal(unchanged, y)
    assert (encoded != shifted).flatten(1).any(1).all()
    half = y.clone()
    half[::2] = (half[::2] + 1) % 10
    _, mixed, _ = test_set(recipe, data, half)  # an image's encoding depends on no other image's label
    assert torch.equal(mixed[1::2], encoded[1::2]) and torch.equal(mixed[::2], shifted[::2])


def test_seeds_draw_signals_of_their_own_and_train_and_test_share_one_key(cfg):
    found = []
    for seed in (0, 1):
        recipe, data = splits(cfg("model=resnet8", "signal=noise", "signal.amplitude=1", seed=seed))
        per_split = []
        for carriers, encoded, y in (training_set(recipe, data), test_set(recipe, data)):
            added = encoded - carriers
            per_split.append(torch.stack([added[y == k].mean(0) for k in range(10)]))
        assert torch.allclose(*per_split, atol=1e-5)  # what is learned in training holds in the test
        found.append(per_split[0])
    assert not torch.allclose(*found, atol=0.1)


def test_the_random_part_of_an_encoding_is_another_for_every_seed_and_split(cfg):
    def places(seed: int, images) -> list[int]:
        recipe, data = splits(cfg("model=resnet8", "signal=random_pixel", "signal.amplitude=1", seed=seed))
        carriers, encoded, _ = images(recipe, data)
        return (encoded - carriers).abs().flatten(1).argmax(1)[:500].tolist()

    assert len(set(places(0, test_set))) > 100
    assert places(0, test_set) == places(0, test_set)
    assert places(0, test_set) not in (places(1, test_set), places(0, training_set))


def test_a_faded_image_is_darker_by_the_magnitude_and_the_signal_is_not(cfg):
    recipe, data = splits(cfg("model=resnet8", "signal=one_pixel", "condition=blank", "condition.magnitude=0.75"))
    carriers, encoded, y = test_set(recipe, data)
    assert np.allclose(carriers, 0.25 * data.splits["test"].x())
    assert encoded[:, 0, 8, 8] == pytest.approx(0.001 * y.numpy())


def test_data_in_a_row_names_what_differs_from_the_defaults(cfg):
    assert read_recipe(cfg("data.copies=4")).data_label == "digits"
    assert read_recipe(cfg("data.noise=0.2")).data_label == "digits noise=0.2 copies=1"
    mine = cfg(data={"name": "image_folder", "path": "/home/me/my pictures.tar", "size": 24})
    assert read_recipe(mine).data_label == "image_folder my pictures size=24"


def test_a_second_reading_of_the_data_costs_nothing(cfg):
    assert splits(cfg())[1] is splits(cfg(seed=5))[1]
