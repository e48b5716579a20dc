import copy
import math
import signal

import pytest
import torch
from torch import nn
from torch.nn import functional

from convscope.rng import derive, seeded
from convscope.training import module, progress
from convscope.training.fit import fit
from convscope.training.objective import CrossEntropy

ENV = {"device": "cpu", "threads": 1, "progress": False, "checkpoint_seconds": 0}
SHORT = {"iterations": 23, "batch_size": 16, "milestones": (10, 18), "lr": 0.05}


def network(k: int = 3) -> nn.Sequential:
    with seeded(0, "init"):
        return nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, k))


def images(n: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(n) % 3
    x = torch.rand(n, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    x[:, 0] += y.view(-1, 1, 1) / 3
    return x, y


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_fit_equals_a_plain_loop_bit_by_bit(optimizer, channels_last):
    x, y = images()
    ours, plain = network(), network()
    fitted = fit(ours, x, y, seed=3, env={**ENV, "channels_last": channels_last}, optimizer=optimizer, **SHORT)
    losses, hits = [], 0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if channels_last:
        plain.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    kind = {"sgd": lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=1e-4),
            "adam": lambda p: torch.optim.Adam(p, 0.05, weight_decay=1e-4),
            "adamw": lambda p: torch.optim.AdamW(p, 0.05, weight_decay=1e-4)}[optimizer]
    optimiser = kind(plain.parameters())
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [10, 18], 0.1)
    with seeded(0, "anything"):
        for step in range(23):
            if step % 5 == 0:
                torch.manual_seed(derive(3, "epoch", step // 5))
                order = torch.randperm(90, generator=torch.Generator().manual_seed(derive(3, "batches", step // 5)))
            rows = order[step % 5 * 16:step % 5 * 16 + 16]
            batch = x[rows].to(memory_format=torch.channels_last) if channels_last else x[rows]
            logits = plain(batch)
            loss = functional.cross_entropy(logits, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            hits += int((logits.argmax(1) == y[rows]).sum()) if step >= 20 else 0
    torch.set_num_threads(threads)
    assert same(ours, plain)
    assert [e["step"] for e in fitted.curve] == [5, 10, 15, 20, 23]
    assert [e["epoch"] for e in fitted.curve] == [1, 2, 3, 4, 5]
    assert fitted.curve[-1]["train_loss"] == pytest.approx(sum(losses[20:]) / 3)
    assert fitted.curve[-1]["train_accuracy"] == hits / 48
    assert [e["lr"] for e in fitted.curve] == pytest.approx([0.05, 0.05, 0.005, 0.0005, 0.0005])
    assert fitted.best_state is None
    assert fitted.resumed_from_step == 0


def test_fit_learns_and_keeps_the_best_by_holdout():
    x, y = images()
    model = network()
    fitted = fit(model, x, y, seed=0, env=ENV, iterations=60, batch_size=27, milestones=(), holdout=0.1)
    assert fitted.curve[-1]["train_loss"] < fitted.curve[0]["train_loss"] / 2
    assert fitted.samples_per_second > 0
    assert {"epoch", "step", "lr", "train_loss", "train_accuracy", "holdout_accuracy"} == set(fitted.curve[0])
    scores = [e["holdout_accuracy"] for e in fitted.curve]
    assert fitted.best_epoch == scores.index(max(scores)) + 1
    assert len(fitted.curve) == 20  # 81 images in 3 batches: 9 of 90 are held out
    until = network()
    assert fitted.best_epoch is not None and fitted.best_state is not None
    fit(until, x, y, seed=0, env=ENV, iterations=3 * fitted.best_epoch, batch_size=27, milestones=(), holdout=0.1)
    assert all(torch.equal(v, fitted.best_state[k]) for k, v in until.state_dict().items())


def test_the_caller_gets_everything_back():
    x, y = images()
    kept_x, kept_y = x.clone(), y.clone()
    model = network().eval()
    model[0].train()
    before = (torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32,
              torch.are_deterministic_algorithms_enabled(), signal.getsignal(signal.SIGINT))
    torch.manual_seed(5)
    with torch.no_grad():
        fit(model, x, y, seed=0, env=ENV, precision="tf32", **SHORT)
        assert not torch.is_grad_enabled()
    assert torch.rand(1).item() == torch.rand(1, generator=torch.Generator().manual_seed(5)).item()
    assert before == (torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32,
                      torch.are_deterministic_algorithms_enabled(), signal.getsignal(signal.SIGINT))
    assert [m.training for m in model] == [True] + [False] * 8
    assert all(p.is_contiguous() and p.requires_grad for p in model.parameters())
    assert torch.equal(x, kept_x)
    assert torch.equal(y, kept_y)


def test_global_state_does_not_matter_and_the_seed_does():
    x, y = images()
    found = []
    for seed, state in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(state)
        found.append(network())
        fit(found[-1], x, y, seed=seed, env=ENV, **SHORT)
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_a_loss_that_is_not_finite_stops_with_its_step():
    x, y = images()

    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.calls = network(), 0

        def forward(self, x):
            self.calls += self.training
            return self.net(x) * (math.nan if self.calls == 8 else 1)

    with pytest.raises(FloatingPointError, match="loss is nan at step 8 of 23"):
        fit(Breaks(), x, y, seed=0, env=ENV, **SHORT)


@pytest.mark.parametrize("block", [1, 2, 4, 1000])
def test_how_many_minibatches_lightning_sees_at_once_changes_nothing(monkeypatch, block):
    x, y = images()
    expected, other = network(), network()
    curve = fit(expected, x, y, seed=0, env=ENV, holdout=0.1, **SHORT).curve  # 5 minibatches an epoch, 3 in the last
    monkeypatch.setattr(module, "BLOCK", block)
    assert fit(other, x, y, seed=0, env=ENV, holdout=0.1, **SHORT).curve == curve
    assert same(expected, other)


def test_the_live_line_is_not_kept_waiting_by_a_block(monkeypatch):
    x, y = images()
    shown = []
    monkeypatch.setattr(module, "LOOK", -1.0)  # seconds: a look after every minibatch
    monkeypatch.setattr(progress.Progress, "show", lambda self, step, numbers: shown.append((step, len(numbers))))
    fit(network(), x, y, seed=0, env=ENV, **SHORT)
    assert shown == [(step, 0 if step <= 5 else 5) for step in range(1, 24)]


def test_patience_ends_a_classifier_by_its_holdout():
    x, y = images()
    given = {"seed": 0, "env": ENV, "holdout": 0.2, "batch_size": 16, "milestones": (), "lr": 0.02}
    model, until = network(), network()
    fitted = fit(model, x, y, iterations=4000, patience=4, **given)
    assert fitted.best_epoch is not None and len(fitted.curve) == fitted.best_epoch + 4 < 100
    whole = fit(until, x, y, iterations=4 * len(fitted.curve), **given)
    assert whole.curve == fitted.curve and same(model, until)  # it ends with its last weights, by patience or not
    assert fit(network(), x, y, patience=1, **{**given, "holdout": 0.0}, iterations=40).best_epoch is None


def test_bf16_trains_in_bfloat16_and_leaves_float32_weights():
    x, y = images()
    seen = []
    model = network()
    model[-1].register_forward_hook(lambda module, inputs, output: seen.append((module.training, output.dtype)))
    fitted = fit(model, x, y, seed=0, env=ENV, precision="bf16", holdout=0.2, **SHORT)
    assert set(seen) >= {(True, torch.bfloat16), (False, torch.float32)}
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert math.isfinite(fitted.curve[-1]["train_loss"])


def test_n_train_and_holdout_are_class_balanced_and_disjoint():
    y = (torch.arange(120) % 3).numpy()
    given = {"n_train": 60, "holdout": 0.1, "validation": 0}
    kept, held = CrossEntropy().split(y, seed=7, **given)
    assert [(y[kept] == k).sum() for k in range(3)] == [18] * 3
    assert [(y[held] == k).sum() for k in range(3)] == [2] * 3
    assert not set(kept) & set(held)
    assert set(CrossEntropy().split(y, seed=8, **given)[1]) != set(held)


def test_adapt_sees_the_modules_own_inputs_once_and_only_what_is_trained_on():
    class Standardise(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def adapt(self, x):
            self.seen.append(x.clone())

        def forward(self, x):
            return x

    x, y = images()
    inner = Standardise()
    model = nn.Sequential(nn.Flatten(), inner, nn.Linear(128, 3))
    fit(model, x, y, seed=0, env=ENV, holdout=0.2, **SHORT)
    assert len(inner.seen) == 1
    assert inner.seen[0].shape == (72, 128)
    assert set(map(tuple, inner.seen[0].tolist())) < set(map(tuple, x.flatten(1).tolist()))


def test_compile_falls_back_with_a_line(monkeypatch, capfd):
    def broken(model):
        def call(x):
            model(x)  # statistics of batch norm move before the failure
            raise RuntimeError("no compiler here\nsecond line")
        return call

    x, y = images()
    plain, model = network(), network()
    fit(plain, x, y, seed=0, env=ENV, **SHORT)
    monkeypatch.setattr(torch, "compile", broken)
    fit(model, x, y, seed=0, env={**ENV, "compile": True}, **SHORT)
    assert same(plain, model)
    assert capfd.readouterr().err == "torch.compile failed, training goes on without it: no compiler here\n"


def test_a_compiled_call_is_used_and_its_weights_are_not_stored_twice(monkeypatch, tmp_path):
    calls = []

    class Compiled(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            calls.append(len(x))
            return self.model(x)

    x, y = images()
    plain, model = network(), network()
    fit(plain, x, y, seed=0, env=ENV, **SHORT)
    monkeypatch.setattr(torch, "compile", Compiled)
    fit(model, x, y, seed=0, env={**ENV, "compile": "true"}, folder=tmp_path, **SHORT)
    assert len(calls) == 24
    assert same(plain, model)
    stored = torch.load(tmp_path / "resume.ckpt", weights_only=True)["state_dict"]
    assert set(stored) == {f"model.{k}" for k in model.state_dict()}


@pytest.mark.parametrize(("change", "message"), [
    ({"n_train": 91}, "n_train must be between 1 and the 90"), ({"n_train": 0}, "n_train must be"),
    ({"holdout": 1.0}, "holds out 90"), ({"holdout": 0.001}, "holds out 0"),
    ({"milestones": (20, 10)}, "milestones must be rising"), ({"milestones": (0.5,)}, "milestones must be rising"),
    ({"validation": 9}, "validation=9 holds out the last windows of a series; .* take holdout"),
    ({"warmup": 23}, "warmup must be"), ({"warmup": -1}, "warmup must be"), ({"momentum": 1.5}, "momentum must be"),
    ({"env": {"device": "tpu"}}, "env.device must be"), ({"env": {"threads": 0}}, "env.threads must be"),
    ({"env": {"compile": "maybe"}}, "env.compile must be"), ({"env": {"progress": 3}}, "env.progress must be"),
    ({"env": {"channels_last": "no"}}, "env.channels_last must be"),
    ({"y": torch.zeros(89, dtype=torch.long)}, "as many inputs"), ({"y": torch.zeros(90)}, "whole labels"),
    ({"y": torch.full((90,), -1)}, "labels must be in 0"), ({"model": nn.Flatten()}, "no weights to train"),
    ({"x": torch.zeros(90, 2, 8, 8, dtype=torch.uint8)}, "floating point inputs"),
])
def test_bad_arguments_are_refused_in_one_sentence(change, message):
    x, y = images()
    arguments = {"model": network(), "x": x, "y": y, "seed": 0, "env": ENV, **SHORT, **change}
    with pytest.raises(ValueError, match=message):
        fit(arguments.pop("model"), arguments.pop("x"), arguments.pop("y"), **arguments)


def test_copies_are_independent():
    x, y = images()
    model = network()
    before = copy.deepcopy(model.state_dict())
    fitted = fit(model, x, y, seed=0, env=ENV, holdout=0.2, **SHORT)
    assert fitted.best_state is not None
    assert not any(torch.equal(before[k], v) for k, v in model.state_dict().items() if "weight" in k)
    last = {k: v.clone() for k, v in fitted.best_state.items()}
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    assert all(torch.equal(v, last[k]) for k, v in fitted.best_state.items())
