"""Training runs in the store: trained once, read back the same, named by what can change the weights."""

import json

import numpy as np
import pytest
import torch

from convscope.rng import torch_rng
from convscope.runs import Store
from convscope.training.recipe import load_data, read_recipe
from convscope.training.shared import channel_statistics, curve, get_or_train, new_classifier


@pytest.fixture
def train(compose, tmp_path):
    """(network, its run if that is a new one, the epochs that on_epoch saw) of a recipe, in a store of its own."""
    store = Store(tmp_path)

    def get(*overrides: str):
        cfg = compose("model=resnet8", "signal=noise", "fit.iterations=14", *overrides, runs=tmp_path)
        recipe, seen, before = read_recipe(cfg), [], {run.id for run in store.runs("train")}
        data = load_data(recipe, cfg["env"])
        network = get_or_train(recipe, data, store, env=cfg["env"], on_epoch=seen.append)
        assert curve(recipe, data, store) == seen or not seen
        new = [run for run in store.runs("train") if run.id not in before]
        return network, new[0] if new else None, seen or curve(recipe, data, store)

    return get


def same(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_a_network_is_trained_once_and_then_read(train):
    network, run, seen = train()
    assert run is not None and run.state() == "done" and not network.training
    assert [(epoch["epoch"], epoch["step"]) for epoch in seen] == [(1, 9), (2, 14)]  # 9 whole batches of 1,200 images
    assert {"lr", "train_loss", "train_accuracy"} <= set(seen[0])
    assert {row.metric: row.value for row in run.rows()} == {k: seen[-1][k] for k in ("train_loss", "train_accuracy")}
    assert all((row.study, row.n, row.split) == ("train", 1200, "train") for row in run.rows())
    names = {file.name for file in run.folder.iterdir()}
    assert {"weights.safetensors", "network.json", "curve.csv"} <= names and "resume.ckpt" not in names
    done = (run.folder / "DONE").stat().st_mtime_ns
    again, new, replayed = train()
    assert new is None and (run.folder / "DONE").stat().st_mtime_ns == done
    assert same(network, again) and replayed == seen and not again.training
    x = torch.rand(5, 1, 16, 16, generator=torch_rng(0, "test"))
    assert torch.equal(network(x), again(x))


def test_what_can_change_the_weights_starts_another_training(train):
    network, first, _ = train()
    for change in ("signal.amplitude=0.2", "seed=1", "fit.lr=0.3", "normalise=false"):
        other, run, _ = train(change)
        assert run is not None and run.id != first.id
        assert change == "normalise=false" or not same(network, other)  # that one has no mean and std inside
    for change in ("env.device=cpu", "env.checkpoint_seconds=0", "baseline_fit.lr=0.3", "baseline_fraction=0.5"):
        assert train(change)[1] is None, change


def test_a_held_out_part_gives_best_weights_beside_the_last(train):
    _, run, seen = train("fit.holdout=0.1")
    assert (run.folder / "best.safetensors").is_file() and all("holdout_accuracy" in epoch for epoch in seen)
    assert {(row.metric, row.split, row.n) for row in run.rows()} == {
        ("train_loss", "train", 1080), ("train_accuracy", "train", 1080), ("holdout_accuracy", "holdout", 120)}


def test_a_network_sees_the_clean_carriers_in_units_of_their_spread(compose, tmp_path):
    cfg = compose("model=resnet8", "signal=noise", "signal.amplitude=5", runs=tmp_path)
    recipe = read_recipe(cfg)
    data = load_data(recipe, cfg["env"])
    pixels = data.splits["train"].stored.astype(np.float64) / 255
    network = new_classifier(recipe, data, data.splits["train"].x())
    assert network.mean is not None and network.std is not None
    assert network.mean.numpy() == pytest.approx([pixels.mean()], rel=1e-6)
    assert network.std.numpy() == pytest.approx([pixels.std()], rel=1e-6)
    raw = new_classifier(read_recipe({**cfg, "normalise": False}), data, data.splits["train"].x())
    assert raw.mean is None and raw.std is None
    blank = read_recipe({**cfg, "condition": {"name": "blank"}})
    faded = new_classifier(blank, data, np.zeros_like(pixels, dtype=np.float32))  # blank images have no spread
    assert faded.mean is not None and faded.std is not None
    assert torch.equal(faded.mean, network.mean) and torch.equal(faded.std, network.std)


def test_channel_statistics_by_hand():
    x = np.array([[[[0.0, 1.0]], [[0.5, 0.5]]], [[[0.0, 1.0]], [[0.5, 0.5]]]], np.float32)
    mean, std = channel_statistics(x)
    assert mean == [0.5, 0.5] and std == pytest.approx([0.5, 1e-6])  # a constant channel does not divide by zero


def test_initial_weights_come_from_the_seed_alone(compose, tmp_path):
    cfg = compose("model=resnet8", "signal=noise", runs=tmp_path)
    data = load_data(read_recipe(cfg), cfg["env"])

    def new(**changes):
        torch.rand(1)  # whatever torch drew before
        return new_classifier(read_recipe({**cfg, **changes}), data, data.splits["train"].x())

    assert same(new(), new()) and same(new(), new(signal={"name": "clean"})) and not same(new(), new(seed=1))


def test_the_checkpoint_tells_how_to_build_the_network(train):
    _, run, _ = train()
    told = json.loads((run.folder / "network.json").read_text())
    assert told["architecture"] == {"name": "resnet", "arguments": {"depth": 8, "width": 0.5, "residual": True}}
    assert told["class_names"] == [str(k) for k in range(10)] and told["input_shape"] == [1, 16, 16]
