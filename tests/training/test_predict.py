import numpy as np
import pytest
import torch
from torch import nn

from convscope.training import machine
from convscope.training.predict import logits

ENV = {"device": "cpu"}


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, 5))


def test_logits_equal_the_models_own_and_nothing_else_changes():
    model, x = network(), torch.rand(23, 3, 8, 8)
    model[1].eval()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.get_rng_state()
    found = logits(model, x, batch_size=10, env=ENV)
    assert modes == [m.training for m in model.modules()]
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert all(p.is_contiguous() and not p.is_inference() for p in model.parameters())
    assert before[:2] == (torch.get_num_threads(), torch.get_float32_matmul_precision())
    assert torch.equal(before[2], torch.get_rng_state())
    expected = model.eval()(x).detach().numpy()
    assert found.dtype == np.float32
    assert found.shape == (23, 5)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(logits(model, x, env={**ENV, "channels_last": False}), expected)


def test_no_input_is_refused():
    with pytest.raises(ValueError, match="x is empty"):
        logits(network(), torch.rand(0, 3, 8, 8), env=ENV)


def test_channels_last_is_chosen_where_it_helps_and_works():
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(144, 5)

        def forward(self, x):
            return self.head(self.conv(x).view(len(x), -1))

    x = torch.rand(6, 3, 8, 8)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    assert machine.channels_last(ENV, network(), x)
    assert not machine.channels_last(ENV, linear, x)
    assert not machine.channels_last(ENV, Views(), x)
    assert not machine.channels_last({**ENV, "channels_last": False}, network(), x)
    assert not machine.channels_last({**ENV, "channels_last": True}, linear, x.flatten(1))
    assert logits(Views(), x, env=ENV).shape == (6, 5)


def test_threads_follow_the_size_of_a_batch_and_come_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with machine.settings(ENV, values=128 * 256):
            assert torch.get_num_threads() == 1
        with machine.settings(ENV, values=128 * 3072):
            assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError), machine.settings({**ENV, "threads": 1}, values=128 * 3072):
            assert torch.get_num_threads() == 1
            raise RuntimeError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_precision_reaches_matmul_and_convolutions_and_comes_back():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for precision, matmul, convolution in (("fp32", "highest", False), ("tf32", "high", True)):
        with machine.settings(ENV, values=1, precision=precision):
            assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == (matmul, convolution)
        assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device"):
        machine.device({"device": "cuda"})
    assert machine.device({}) == torch.device("cpu")
