"""What cannot be run for its shapes or kinds is refused before a cell runs; a batch larger than the data is told."""

import pytest

from convscope import rehearsal, sweep
from convscope.family import ConfigError


@pytest.fixture
def cell(compose, tmp_path):
    return lambda *given, preset="blindspots": sweep.check(compose(*given, preset=preset, runs=tmp_path / "runs"))


def test_cells_that_can_be_run_are_silent_and_leave_nothing(cell, tmp_path):
    cells = [cell(f"model={model}", f"signal={signal}", f"seed={seed}") for model in ("resnet8", "gaussian_nb")
             for signal in ("clean", "noise") for seed in (0, 1)]
    assert rehearsal.rehearse(cells) == [] and not (tmp_path / "runs").exists()


def test_each_network_is_built_once_whatever_its_signal_and_seed(cell, monkeypatch):
    built = []
    monkeypatch.setattr(rehearsal, "_network", lambda one: built.append(one.subject.model_label))
    rehearsal.rehearse([cell(f"model={model}", f"signal={signal}", f"seed={seed}") for model in (
        "resnet8", "linear_softmax") for signal in ("clean", "noise") for seed in (0, 1)])
    assert len(built) == 2


@pytest.mark.parametrize(("given", "told"), [
    (("attribution_truth", "signal=mean"), r"digits .*mean amplitude=1 lies on \d+% of the pixels, nowhere in particu"),
    (("attribution_truth", "signal=noise"), r"noise amplitude=1 lies on \d+% of the pixels"),
    (("attribution_truth", "model=linear_softmax"), "has no ReLU"),
    (("under_the_hood", "model=linear_softmax"), "linear_softmax .* has no ReLU"),
    (("under_the_hood", "model=mlp"), "has no layer whose output is a map")])
def test_what_cannot_be_run_is_refused_with_the_cells_name(cell, given, told, tmp_path):
    preset, *more = given
    asked = cell(*more, *(["data.copies=1"] if preset != "blindspots" else []), preset=preset)
    with pytest.raises(ConfigError, match=told):
        rehearsal.rehearse([asked])
    assert not (tmp_path / "runs").exists()


def test_without_the_attributions_a_network_that_they_are_not_for_is_looked_into(cell):
    for model in ("linear_softmax", "mlp"):
        rehearsal.rehearse([cell(f"model={model}", "techniques=[activations]", preset="under_the_hood")])


def test_a_batch_larger_than_the_data_is_told_once(cell):
    cells = [cell("model=resnet8", "signal=noise", "fit.n_train=40", f"seed={seed}") for seed in (0, 1)]
    (told,) = rehearsal.rehearse(cells)
    assert "batch_size 128 is more than the 40 samples to train on" in told and told.startswith("resnet")


NETWORK = '''"""A network of a user's own."""

from torch import nn


def build(*, n_classes, input_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear({size}, n_classes))
'''


def test_a_network_that_does_not_take_the_data_is_refused_and_the_command_runs_nothing(warm, tmp_path):
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "lab").mkdir()
    for name, size in (("fits", "64 * input_shape[0] * input_shape[1] * input_shape[2] // 64"), ("odd", "7")):
        (tmp_path / "lab" / f"{name}.py").write_text(NETWORK.format(size=size))
    given = ("signal=clean", "seed=0", "data.copies=1", "fit.iterations=4", "fit.warmup=0", "hydra/launcher=basic")
    done = warm("blindspots.py", "model=resnet8", "model.name=lab.fits,lab.odd", "~model.depth", "~model.width", *given,
                cwd=tmp_path)
    assert done.code == 2 and len(done.lines) == 1, done.err
    assert "lab.odd | seed 0: the network does not take inputs [B, " in done.err
    assert not list(tmp_path.glob("runs/*/*/config.json"))
