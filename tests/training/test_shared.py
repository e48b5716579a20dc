"""Training runs in the store: trained once, read back the same, named by what can change the weights."""

import json

import numpy as np
import pytest
import torch

from convscope.rng import torch_rng
from convscope.runs import Store
from convscope.training.forecast import read_forecast
from convscope.training.recipe import channel_statistics, read_recipe
from convscope.training.shared import VERSION, curve, get_or_train


@pytest.fixture
def train(compose, tmp_path):
    """(network, its run if that is a new one, the epochs that on_epoch saw) of a recipe, in a store of its own."""
    store = Store(tmp_path)

    def get(*overrides: str):
        cfg = compose("model=resnet8", "signal=noise", "fit.iterations=14", *overrides, runs=tmp_path)
        recipe, seen, before = read_recipe(cfg), [], {run.id for run in store.runs("train")}
        task = recipe.task(recipe.load(cfg["env"]))
        network = get_or_train(task, store, env=cfg["env"], on_epoch=seen.append)
        assert curve(task, store) == seen or not seen
        new = [run for run in store.runs("train") if run.id not in before]
        return network, new[0] if new else None, seen or curve(task, store)

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
    data = recipe.load(cfg["env"])
    pixels = data.splits["train"].stored.astype(np.float64) / 255
    network = recipe.task(data).build()
    assert network.mean is not None and network.std is not None
    assert network.mean.numpy() == pytest.approx([pixels.mean()], rel=1e-6)
    assert network.std.numpy() == pytest.approx([pixels.std()], rel=1e-6)
    raw = read_recipe({**cfg, "normalise": False}).task(data).build()
    assert raw.mean is None and raw.std is None
    blank = read_recipe({**cfg, "condition": {"name": "blank"}})
    faded = blank.task(data).build()  # blank images have no spread of their own
    assert faded.mean is not None and faded.std is not None
    assert torch.equal(faded.mean, network.mean) and torch.equal(faded.std, network.std)


def test_channel_statistics_by_hand():
    x = np.array([[[[0.0, 1.0]], [[0.5, 0.5]]], [[[0.0, 1.0]], [[0.5, 0.5]]]], np.float32)
    mean, std = channel_statistics(x)
    assert mean == [0.5, 0.5] and std == pytest.approx([0.5, 1e-6])  # a constant channel does not divide by zero


def test_initial_weights_come_from_the_seed_alone(compose, tmp_path):
    cfg = compose("model=resnet8", "signal=noise", runs=tmp_path)
    data = read_recipe(cfg).load(cfg["env"])

    def new(**changes):
        torch.rand(1)  # whatever torch drew before
        return read_recipe({**cfg, **changes}).task(data).build()

    assert same(new(), new()) and same(new(), new(signal={"name": "clean"})) and not same(new(), new(seed=1))


def test_the_checkpoint_tells_how_to_build_the_network(train):
    _, run, _ = train()
    told = json.loads((run.folder / "network.json").read_text())
    assert told["architecture"] == {"name": "resnet", "arguments": {"depth": 8, "width": 0.5, "residual": True}}
    assert told["class_names"] == [str(k) for k in range(10)] and told["input_shape"] == [1, 16, 16]


def test_a_forecaster_is_trained_once_and_ends_with_its_best_weights(compose, tmp_path):
    given = ("model=traffic_cnn", "data.days=12", "fit.iterations=60", "fit.validation=200", "fit.lr=0.01")
    cfg, store, seen = compose(*given, preset="traffic", runs=tmp_path), Store(tmp_path), []
    recipe = read_forecast(cfg)
    task = recipe.task(recipe.load(cfg["env"]))
    assert curve(task, store) == []
    network = get_or_train(task, store, env=cfg["env"], on_epoch=seen.append)
    (run,) = store.runs("train")
    assert {file.name for file in run.folder.iterdir()} >= {"weights.safetensors", "curve.csv"}
    assert not (run.folder / "resume.ckpt").exists() and not network.training
    assert curve(task, store) == seen and set(seen[0]) == {"epoch", "step", "lr", "train_loss", "validation_loss"}
    best = min(seen, key=lambda epoch: epoch["validation_loss"])
    assert {row.metric: row.value for row in run.rows()} == {k: best[k] for k in ("train_loss", "validation_loss")}
    assert {(row.split, row.n, row.method, row.model, row.unit) for row in run.rows()} == {
        ("train", len(task.rows) - 200, "forecast", "traffic_cnn", ""),
        ("validation", 200, "forecast", "traffic_cnn", "")}
    held = task.rows[-200:]
    assert np.mean((task.forecast(network, held) - task.series.values[held]) ** 2) == pytest.approx(
        best["validation_loss"] * task.std**2, rel=1e-4)
    again = get_or_train(task, store, env=cfg["env"], on_epoch=lambda _: pytest.fail("trained twice"))
    assert same(network, again) and len(list(store.runs("train"))) == 1
    get_or_train(recipe.task(task.series, stop=task.stop - 100), store, env=cfg["env"])
    assert len(list(store.runs("train"))) == 2


def test_a_users_own_fit_need_not_know_objectives(compose, tmp_path, monkeypatch):
    (tmp_path / "some_lab").mkdir()
    (tmp_path / "some_lab" / "plain_fit.py").write_text(
        "from convscope.training.fit import fit as ours\n\n\n"
        "def fit(model, x, y, *, seed, env, folder=None, on_epoch=None, steps: int = 3):\n"
        "    return ours(model, x, y, seed=seed, env=env, folder=folder, on_epoch=on_epoch, iterations=steps)\n")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = compose("model=resnet8", "signal=clean", runs=tmp_path) | {
        "fit": {"name": "some_lab.plain_fit", "steps": 2}}
    recipe, store = read_recipe(cfg), Store(tmp_path)
    task = recipe.task(recipe.load(cfg["env"]))
    get_or_train(task, store, env=cfg["env"])
    assert [epoch["step"] for epoch in curve(task, store)] == [2]


def test_names_of_classifiers_runs_stay(compose, tmp_path):
    """A network that was trained before is found again: its run's name is a hash of what can change its weights."""
    cfg = compose("model=resnet8", runs=tmp_path)
    recipe = read_recipe({
        "data": {"name": "digits", "copies": 1}, "signal": {"name": "noise", "amplitude": 0.001}, "seed": 0,
        "model": {"name": "resnet", "depth": 8, "width": 0.5}, "fit": {
            "name": "fit", "iterations": 40, "lr": 0.4, "schedule": "cosine", "warmup": 5, "holdout": 0.1}})
    identity = {"version": VERSION, **recipe.task(recipe.load(cfg["env"])).identity()}
    assert Store(tmp_path).run("train", identity).id == "a5286668f8d9"
