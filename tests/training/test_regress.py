"""Training of forecasters: it learns, stops early at its best, goes on where it was killed, refuses nonsense."""

import copy

import pytest
import torch
from torch import Tensor, nn

from convscope.rng import seeded, torch_rng
from convscope.training.regress import fit

ENV = {"device": "cpu", "threads": 1, "progress": False, "checkpoint_seconds": 0}


def data(n: int = 300) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 2, 6, generator=torch_rng(0, "x"))
    return x, x[:, 0, -1] - 0.5 * x[:, 1, 0] + 0.1 * torch.randn(n, generator=torch_rng(0, "noise"))


def network() -> nn.Module:
    with seeded(0, "init"):
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1))


def trained(folder=None, on_epoch=None, **settings):
    x, y = data()
    model = network()
    fitted = fit(model, x, y, seed=0, env=ENV, folder=folder, on_epoch=on_epoch,
                 **{"iterations": 300, "batch_size": 20, "lr": 0.01, "validation": 60, "patience": None, **settings})
    return model, fitted


def loss(model: nn.Module, part: slice) -> float:
    x, y = data()
    with torch.no_grad():
        return float(((model(x[part])[:, 0] - y[part]) ** 2).mean())


def test_it_learns_and_ends_with_the_weights_best_on_the_last_windows() -> None:
    model, fitted = trained()
    held = [e["validation_loss"] for e in fitted.curve]
    assert fitted.n_train == 240 and fitted.n_held == 60 and len(held) == 25
    assert min(held) < 0.1 * held[0] and fitted.best_epoch == 1 + held.index(min(held))
    assert loss(model, slice(240, None)) == pytest.approx(min(held), rel=1e-5)


def test_patience_ends_it() -> None:
    _, long = trained(iterations=3000)
    _, short = trained(iterations=3000, patience=3)
    assert long.best_epoch is not None and short.best_epoch is not None
    assert len(short.curve) == short.best_epoch + 3 < len(long.curve)
    assert short.curve == long.curve[:len(short.curve)]


def test_without_validation_the_last_weights_stay() -> None:
    model, fitted = trained(validation=0)
    assert fitted.best_epoch is None and "validation_loss" not in fitted.curve[0] and fitted.n_train == 300
    x, y = data()
    again = network()
    optimizer = torch.optim.Adam(again.parameters(), 0.01)
    from convscope.training.batches import DeviceBatches

    for epoch in range(20):
        batches = DeviceBatches(x, y, batch_size=20, iterations=300, seed=0)
        batches.step = 15 * epoch
        for _, part, target in batches:
            optimizer.zero_grad()
            ((again(part)[:, 0] - target) ** 2).mean().backward()
            optimizer.step()
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_inverse_decay_is_the_authors_rate() -> None:
    _, fitted = trained(schedule="inverse", decay=0.1)
    assert [e["lr"] for e in fitted.curve] == [pytest.approx(0.01 / (1 + 0.1 * (e["step"] - 1))) for e in fitted.curve]


class Killed(Exception):
    pass


@pytest.mark.parametrize("damage", [False, True])
def test_killed_and_run_again_it_ends_the_same(tmp_path, capsys, damage) -> None:
    whole, fitted = trained(validation=0)

    def kill(numbers) -> None:
        if numbers["epoch"] == 7:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path, kill, validation=0)
    if damage:
        (tmp_path / "resume.ckpt").write_bytes(b"no checkpoint")
    epochs = []
    model, again = trained(tmp_path, lambda e: epochs.append(e["epoch"]), validation=0)
    assert epochs[0] == (1 if damage else 7) and again.curve == fitted.curve  # the sixth epoch was the last one saved
    assert ("is damaged" in capsys.readouterr().err) is damage
    for a, b in zip(model.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a, b)


def test_another_trainings_point_is_not_taken(tmp_path, capsys) -> None:
    trained(tmp_path)
    model, _ = trained(tmp_path, lr=0.02)
    assert "belongs to another training" in capsys.readouterr().err
    plain, _ = trained(lr=0.02)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))


def test_global_state_and_modes_stay() -> None:
    state = copy.deepcopy(torch.get_rng_state())
    model, _ = trained()
    assert torch.equal(state, torch.get_rng_state()) and model.training


@pytest.mark.parametrize(("change", "error", "sentence"), [
    ({"validation": 300}, ValueError, "leaves none of the 300 windows"),
    ({"lr": 1e30, "optimizer": "sgd"}, FloatingPointError, "try a lower lr"),
    ({"warmup": 500}, ValueError, "warmup must be"),
])
def test_one_sentence(change, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        trained(**change)


def test_shapes_are_checked() -> None:
    x, y = data()
    with pytest.raises(ValueError, match=r"expected windows \[N, C, T\]"):
        fit(network(), x, y.long(), seed=0, env=ENV)
    with pytest.raises(ValueError, match=r"must return \[B, 1\]"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), x, y, seed=0, env=ENV, validation=0)
