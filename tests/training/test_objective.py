"""Training of forecasters: a plain loop, early stopping at the best, where it was killed, nonsense refused."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.models import day_attention, traffic_cnn
from convscope.rng import seeded, torch_rng
from convscope.training.fit import fit
from convscope.training.objective import CrossEntropy, SquaredError

ENV = {"device": "cpu", "threads": 1, "progress": False, "checkpoint_seconds": 0}
PLAIN = {"objective": SquaredError(), "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant"}


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
                 **{**PLAIN, "iterations": 300, "batch_size": 20, "lr": 0.01, "validation": 60, **settings})
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


def by_hand(model: nn.Module, x: Tensor, y: Tensor, optimizer, rate, *, iterations: int, batch_size: int,
            validation: int, patience: int | None = None) -> list[tuple[int, float, float | None]]:
    """The same training as a plain loop: (step, mean training loss, held-out loss if any) of each epoch."""
    n, curve, best, state, step, since = len(x) - validation, [], float("inf"), None, 0, 0  # since: epochs no better
    while step < iterations and (patience is None or since < patience):
        losses = []
        order = torch.randperm(n, generator=torch_rng(0, "batches", len(curve)))
        for rows in order.split(batch_size)[:min(n // batch_size, iterations - step)]:
            optimizer.param_groups[0]["lr"] = rate(step)
            loss = functional.mse_loss(model(x[:n][rows])[:, 0], y[:n][rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step += 1
        held = None
        if validation:
            with torch.no_grad():
                held = (model(x[n:])[:, 0] - y[n:]).double().square().mean().item()
            since = 0 if held < best else since + 1
            if held < best:
                best, state = held, copy.deepcopy(model.state_dict())
        curve.append((step, torch.tensor(losses).double().mean().item(), held))
    if state is not None:
        model.load_state_dict(state)
    return curve


@pytest.mark.parametrize(("network", "shape", "optimizer", "settings"), [
    (traffic_cnn, (2, 50), torch.optim.Adam, {"validation": 60, "patience": 2, "lr": 5e-3}),
    (traffic_cnn, (2, 50), torch.optim.Adam, {"validation": 60, "schedule": "inverse", "decay": 0.1, "iterations": 31}),
    (day_attention, (8, 53), torch.optim.AdamW, {"validation": 0, "patience": 3, "iterations": 31, "lr": 1e-2}),
    (day_attention, (8, 53), torch.optim.AdamW, {"validation": 60, "patience": 1, "lr": 0.1})])
def test_it_equals_a_plain_loop_bit_by_bit(network, shape, optimizer, settings) -> None:
    x = torch.randn(220, *shape, generator=torch_rng(0, "x"))
    y = x[:, 0, -5] + 0.1 * torch.randn(220, generator=torch_rng(0, "noise"))
    settings = {"iterations": 200, "batch_size": 32, "lr": 1e-3, **settings}
    models = []
    for _ in range(2):
        with seeded(0, "init"):
            models.append(network.build(input_shape=shape))
    fitted = fit(models[0], x, y, seed=0, env=ENV, **PLAIN | {"optimizer": optimizer.__name__.lower(), **settings})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    kept = {k: v for k, v in settings.items() if k in ("iterations", "batch_size", "validation", "patience")}
    curve = by_hand(models[1], x, y, optimizer(models[1].parameters(), weight_decay=0.0),
                    lambda step: settings["lr"] / (1 + settings.get("decay", 0.0) * step), **kept)
    torch.set_num_threads(threads)
    assert [(e["step"], e["train_loss"], e.get("validation_loss")) for e in fitted.curve] == curve
    assert settings["iterations"] == 31 or len(curve) == (fitted.best_epoch or 0) + settings["patience"] < 40
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_without_validation_the_last_weights_stay() -> None:
    _, fitted = trained(validation=0)
    assert fitted.best_epoch is None and "validation_loss" not in fitted.curve[0] and fitted.n_train == 300
    assert fitted.best_state is None


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
    ({"lr": 1e30, "optimizer": "sgd"}, FloatingPointError, "is (inf|nan) at step [23] of 300; try a lower lr"),
    ({"warmup": 500}, ValueError, "warmup must be"),
    ({"holdout": 0.1}, ValueError, "holdout=0.1 draws samples by their class, .* take validation"),
    ({"n_train": 100}, ValueError, "n_train=100 draws samples by their class, .* take validation"),
    ({"objective": CrossEntropy()}, ValueError, "validation=60 holds out the last windows .* take holdout"),
])
def test_one_sentence(change, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        trained(**change)


def test_shapes_are_checked() -> None:
    x, y = data()
    for wrong in ((x, y.long()), (x[:, 0], y), (x, y[1:]), (x.long(), y)):
        with pytest.raises(ValueError, match=r"expected windows \[N, C, T\]"):
            fit(network(), *wrong, seed=0, env=ENV, **PLAIN)
    with pytest.raises(ValueError, match=r"must return \[B, 1\]"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), x, y, seed=0, env=ENV, **PLAIN)
    with pytest.raises(ValueError, match="no weights to train"):
        fit(nn.Flatten(), x, y, seed=0, env=ENV, **PLAIN)


def test_one_thread_whatever_the_batch(monkeypatch) -> None:
    """Shared with a second one, forecasters are slower; large images are not."""
    seen = []

    class Asks(nn.Module):
        def __init__(self, values: int, outputs: int):
            super().__init__()
            self.linear = nn.Linear(values, outputs)

        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return self.linear(x.flatten(1))

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    env = {"device": "cpu", "progress": False}
    fit(Asks(400, 1), torch.zeros(512, 8, 50), torch.zeros(512), seed=0, env=env, **PLAIN, iterations=1, batch_size=512)
    fit(Asks(3072, 2), torch.zeros(64, 3, 32, 32), torch.zeros(64).long(), seed=0, env=env, iterations=1)
    torch.set_num_threads(threads)
    assert set(seen[:1]) == {1} and set(seen[1:]) == {2}
