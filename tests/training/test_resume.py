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
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)})
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
