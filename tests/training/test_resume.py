import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from convscope.rng import seeded
from convscope.training.fit import fit, remove_resume_point
from convscope.training.objective import SquaredError

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


def assert_same_result(model, expected, other, fitted):
    assert same(model, other)
    assert fitted.curve == expected.curve
    assert fitted.best_epoch == expected.best_epoch
    if expected.best_state is not None:
        assert all(torch.equal(v, fitted.best_state[k]) for k, v in expected.best_state.items())


SCRIPT = """
import sys, time
from pathlib import Path
import test_resume
from convscope.training.fit import fit

def slow(numbers):
    print(numbers["epoch"], flush=True)
    time.sleep(0.3)

x, y = test_resume.images()
fit(test_resume.network(), x, y, seed=0, env=test_resume.ENV, folder=Path(sys.argv[1]), on_epoch=slow, holdout=0.2,
    **test_resume.SHORT)
"""


def test_a_killed_training_ends_in_the_same_bits(tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])})
    assert process.stdout is not None and process.stderr is not None
    assert [process.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
    process.kill()
    rest, chatter = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert rest in ("", "4\n")
    assert chatter == ""  # Lightning says nothing
    assert [p.name for p in tmp_path.iterdir()] == ["run"]  # and leaves nothing
    x, y = images()
    whole, cut = network(), network()
    expected = fit(whole, x, y, seed=0, env=ENV, holdout=0.2, **SHORT)
    fitted = fit(cut, x, y, seed=0, env=ENV, folder=folder, holdout=0.2, **SHORT)
    assert fitted.resumed_from_step in (8, 12)
    assert_same_result(whole, expected, cut, fitted)


def test_ctrl_c_reaches_the_caller_and_the_run_goes_on_from_there(tmp_path, capfd):
    x, y = images()
    whole, cut = network(), network()
    expected = fit(whole, x, y, seed=0, env=ENV, holdout=0.2, **SHORT)

    def press(numbers):
        if numbers["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, x, y, seed=0, env=ENV, folder=tmp_path, on_epoch=press, holdout=0.2, **SHORT)
    assert signal.getsignal(signal.SIGINT) is handler
    assert capfd.readouterr() == ("", "")
    cut = network()
    fitted = fit(cut, x, y, seed=0, env=ENV, folder=tmp_path, holdout=0.2, **SHORT)
    assert fitted.resumed_from_step == 8  # 72 images, 4 batches, two whole epochs
    assert_same_result(whole, expected, cut, fitted)


def test_ctrl_c_within_a_block_of_minibatches(tmp_path):
    class Pressed(nn.Module):
        def __init__(self, at):
            super().__init__()
            self.net, self.at = network(), at

        def forward(self, x):
            self.at -= self.training
            if self.at == 0:
                signal.raise_signal(signal.SIGINT)
            return self.net(x)

    x, y = images()
    whole, cut = Pressed(-1), Pressed(-1)
    expected = fit(whole, x, y, seed=0, env=ENV, holdout=0.2, **SHORT)
    with pytest.raises(KeyboardInterrupt):
        fit(Pressed(11), x, y, seed=0, env=ENV, folder=tmp_path, holdout=0.2, **SHORT)
    fitted = fit(cut, x, y, seed=0, env=ENV, folder=tmp_path, holdout=0.2, **SHORT)
    assert fitted.resumed_from_step == 8
    assert_same_result(whole, expected, cut, fitted)


class Cut(Exception):
    pass


def forecaster() -> nn.Sequential:
    with seeded(0, "init"):
        return nn.Sequential(nn.Flatten(), nn.Linear(20, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1))


def series() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(400, 1, 20, generator=torch.Generator().manual_seed(0))
    return x, x[:, 0, :3].sum(dim=1)


def cuts(make, data, folder, **given):
    """Cut in each of its epochs as that is reported, and when it is over: the same bits, no epoch too many."""
    x, y = data()
    whole = make()
    expected = fit(whole, x, y, seed=0, env=ENV, **given)
    for epoch in range(1, len(expected.curve) + 2):
        seen = []

        def report(numbers, epoch=epoch, seen=seen):
            seen.append(numbers["epoch"])
            if numbers["epoch"] == epoch:
                raise Cut

        if epoch <= len(expected.curve):
            with pytest.raises(Cut):
                fit(make(), x, y, seed=0, env=ENV, folder=folder / str(epoch), on_epoch=report, **given)
        else:
            fit(make(), x, y, seed=0, env=ENV, folder=folder / str(epoch), on_epoch=report, **given)
        seen.clear()
        model = make()
        fitted = fit(model, x, y, seed=0, env=ENV, folder=folder / str(epoch), on_epoch=seen.append, **given)
        assert [numbers["epoch"] for numbers in seen] == list(range(epoch, len(expected.curve) + 1))
        assert_same_result(whole, expected, model, fitted)
    return expected


def test_a_classifier_with_dropout_is_the_same_wherever_it_was_cut(tmp_path):
    cuts(network, images, tmp_path, holdout=0.2, **SHORT)


def test_a_classifier_whose_patience_ran_out(tmp_path):
    expected = cuts(network, images, tmp_path, holdout=0.2, patience=2, **{**SHORT, "iterations": 400})
    assert expected.best_epoch is not None and len(expected.curve) == expected.best_epoch + 2


@pytest.mark.parametrize("given", [
    {"validation": 50}, {"validation": 0}, {"validation": 50, "schedule": "inverse", "decay": 0.1},
    {"validation": 50, "patience": 2, "lr": 0.02, "iterations": 4000}], ids=str)
def test_a_forecaster_with_dropout_is_the_same_wherever_it_was_cut(tmp_path, given):
    settings = {"iterations": 33, "batch_size": 64, "optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0,
                "schedule": "constant", **given}
    expected = cuts(forecaster, series, tmp_path, objective=SquaredError(), **settings)
    assert "patience" not in given or len(expected.curve) == (expected.best_epoch or 0) + 2


def test_an_error_passes_through_and_the_run_goes_on_from_there(tmp_path):
    x, y = images()
    whole, cut = network(), network()
    expected = fit(whole, x, y, seed=1, env=ENV, holdout=0.2, **SHORT)
    assert expected.best_epoch == 1  # before the break, and later only reached again
    seen = []

    def fail(numbers):
        seen.append(numbers)
        if len(seen) == 2:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fit(cut, x, y, seed=1, env=ENV, folder=tmp_path, on_epoch=fail, holdout=0.2, **SHORT)
    cut = network()
    fitted = fit(cut, x, y, seed=1, env=ENV, folder=tmp_path, on_epoch=fail, holdout=0.2, **SHORT)
    assert fitted.resumed_from_step == 4
    assert [e["epoch"] for e in seen] == [1, 2, 2, 3, 4, 5, 6]  # reported before it is stored: again rather than never
    assert_same_result(whole, expected, cut, fitted)


def test_a_complete_run_is_read_back_until_its_resume_point_is_removed(tmp_path):
    x, y = images()
    first, again, anew = network(), network(), network()
    expected = fit(first, x, y, seed=0, env=ENV, folder=tmp_path, holdout=0.2, **SHORT)
    fitted = fit(again, x, y, seed=0, env=ENV, folder=tmp_path, holdout=0.2, **SHORT)
    assert fitted.resumed_from_step == 23
    assert fitted.seconds > 0
    assert_same_result(first, expected, again, fitted)
    remove_resume_point(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert fit(anew, x, y, seed=0, env=ENV, folder=tmp_path, holdout=0.2, **SHORT).resumed_from_step == 0


@pytest.mark.parametrize("damage", ["flip", "cut", "text", "pickle"])
def test_a_damaged_resume_point_is_not_trusted(tmp_path, capfd, damage):
    x, y = images()
    whole, cut = network(), network()
    fit(whole, x, y, seed=0, env=ENV, **SHORT)
    fit(cut, x, y, seed=0, env=ENV, folder=tmp_path, **SHORT)
    path = tmp_path / "resume.ckpt"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        at = content.find(whole.state_dict()["8.weight"].numpy().tobytes())
        assert at > 0
        content[at + 5] ^= 255
    path.write_bytes({"flip": content, "cut": content[:len(content) // 2], "text": b"not a checkpoint",
                      "pickle": b"cos\nsystem\n(S'touch broken'\ntR."}[damage])
    cut = network()
    fitted = fit(cut, x, y, seed=0, env=ENV, folder=tmp_path, **SHORT)
    assert fitted.resumed_from_step == 0
    assert same(whole, cut)
    error = capfd.readouterr().err
    assert "damaged: training starts from the beginning" in error
    assert error.count("\n") == 1


def test_a_resume_point_of_another_training_is_not_used(tmp_path, capfd):
    x, y = images()
    fit(network(), x, y, seed=0, env=ENV, folder=tmp_path, **SHORT)
    fitted = fit(network(), x, y, seed=1, env=ENV, folder=tmp_path, **SHORT)
    assert fitted.resumed_from_step == 0
    assert "another training" in capfd.readouterr().err
