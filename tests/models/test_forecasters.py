"""The authors' network and ours: sizes, Keras's layout, what is compared, and that no future is seen."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from convscope.models import day_attention, traffic_cnn
from convscope.rng import seeded, torch_rng


def keras_forward(weights: list[np.ndarray], x_BTC: np.ndarray) -> np.ndarray:
    """Keras's own network by loops: same-padded convolutions [3, C, F], poolings, flattened by time first."""
    a = x_BTC
    for layer in range(3):
        kernel, bias = weights[2 * layer], weights[2 * layer + 1]
        padded = np.pad(a, ((0, 0), (1, 1), (0, 0)))
        a = np.maximum(sum(padded[:, k:k + a.shape[1]] @ kernel[k] for k in range(3)) + bias, 0)
        if layer < 2:
            a = np.stack([a[:, i:i + 2].max(axis=1) for i in range(0, a.shape[1], 2)], axis=1)
    return a.reshape(len(a), -1) @ weights[6] + weights[7]


def keras_weights(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(3, 2, 64), (64,), (3, 64, 32), (32,), (3, 32, 16), (16,), (208, 1), (1,)]
    return [rng.normal(0, 0.2, shape).astype(np.float32) for shape in shapes]


def test_the_authors_network() -> None:
    network = traffic_cnn.build()
    assert sum(p.numel() for p in network.parameters()) == 8385
    assert [name for name, m in network.named_modules() if list(m.parameters(recurse=False))] == [
        "conv1", "conv2", "conv3", "dense"]
    assert network(torch.zeros(3, 2, 50)).shape == (3, 1)
    assert traffic_cnn.build(n_classes=4, input_shape=(1, 37))(torch.zeros(2, 1, 37)).shape == (2, 4)


def test_weights_of_keras() -> None:
    weights, x = keras_weights(), torch.randn(5, 2, 50, generator=torch_rng(0, "x"))
    with torch.no_grad():
        found = traffic_cnn.from_keras(weights)(x).numpy()
    np.testing.assert_allclose(found, keras_forward(weights, x.numpy().transpose(0, 2, 1)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda w: w[:-1], "expected 8 arrays"),
    (lambda w: [w[0].T, *w[1:]], "each with a bias of its last size"),
    (lambda w: [*w[:6], w[6][:200], w[7]], "each layer to take what the one before gives"),
    (lambda w: [*w[:2], w[2][:, :5], *w[3:]], "each layer to take what the one before gives"),
])
def test_weights_that_do_not_fit(change, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        traffic_cnn.from_keras(change(keras_weights()))


def attention(zero: float = -2.0):
    with seeded(0, "init"):
        network = day_attention.build(zero=zero, heads=4)
        for p in network.parameters():
            torch.nn.init.normal_(p, std=0.3)
    return network


def windows(n: int = 6) -> torch.Tensor:
    return torch.rand(n, 8, 53, generator=torch_rng(0, "windows"))


def naive(network, x: np.ndarray, zero: float) -> float:
    """One forecast by loops, in the words of the docstring."""
    p = {k: v.detach().double().numpy() for k, v in network.named_parameters()}
    level = x[:, 49] - zero
    today = [x[0, t] - x[0, 49] for t in range(50)]
    past = [[(x[d, t] - x[d, 49]) * min(max(level[0] / max(level[d], 1e-3), 0), 5) for t in range(53)]
            for d in range(1, 8)]
    change = float(p["recent.bias"][0]) / 20
    change += sum(p["recent.weight"][0, t] * (today[t + 1] - today[t]) for t in range(49))
    for h in range(len(p["focus"])):
        focus = np.exp(p["focus"][h]) / np.exp(p["focus"][h]).sum()
        unlike = np.array([sum(focus[t] * (today[t] - past[d][t]) ** 2 for t in range(49)) for d in range(7)])
        score = p["day"][h] - np.exp(p["sharp"][h]) * unlike / (unlike.mean() + 1e-9)
        trust = np.exp(score) / np.exp(score).sum()
        for j in range(5):
            step = sum(trust[d] * (past[d][47 + j + 1] - past[d][47 + j]) for d in range(7))
            change += p["next.weight"][0, 5 * h + j] * step
    return x[0, 49] + change


def test_day_attention_by_loops() -> None:
    network, x = attention(), windows()
    expected = [naive(network, one.double().numpy(), -2.0) for one in x]
    np.testing.assert_allclose(network(x)[:, 0].detach().numpy(), expected, rtol=1e-4)


def test_it_has_few_weights_and_all_of_them_learn() -> None:
    network = day_attention.build()
    assert sum(p.numel() for p in network.parameters()) == 112
    functional.mse_loss((network := attention())(windows())[:, 0], torch.ones(6)).backward()
    assert all(bool(p.grad.any()) for p in network.parameters())  # pyright: ignore[reportOptionalMemberAccess]


def test_untrained_it_is_persistence() -> None:
    x = windows()
    assert torch.equal(day_attention.build()(x)[:, 0], x[:, 0, 49])


def test_today_is_seen_up_to_the_last_value_and_past_days_a_little_farther() -> None:
    values, rows = np.random.default_rng(0).random(400), np.array([395, 399])
    x = day_attention.inputs(values, rows, horizon=1, per_day=40)
    assert x.shape == (2, 8, 53) and day_attention.needs(horizon=1, per_day=40) == 330
    np.testing.assert_array_equal(x[0, 0], [*values[345:395], 0, 0, 0])
    np.testing.assert_array_equal(x[0, 2], values[345 - 80:398 - 80])
    changed = values.copy()
    changed[395:] = 9
    np.testing.assert_array_equal(day_attention.inputs(changed, rows, horizon=1, per_day=40)[0], x[0])


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda: traffic_cnn.build(input_shape=(2, 3)), "at least 4 steps"),
    (lambda: day_attention.build(n_classes=2), "one forecast, got n_classes=2"),
    (lambda: day_attention.build(input_shape=(1, 53)), "got the input shape"),
    (lambda: day_attention.needs(horizon=2, per_day=40), "one row ahead"),
    (lambda: day_attention.needs(horizon=1, per_day=1), "1 rows a day"),
])
def test_one_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
