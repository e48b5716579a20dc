"""The shuffled condition: the same images, of which none tells its label."""

import torch

from convscope.conditions.shuffled import apply


def test_another_order_of_the_same_inputs() -> None:
    x = torch.arange(200.0)[:, None].expand(200, 3)
    shuffled = apply(x)
    assert torch.equal(shuffled.sort(dim=0).values, x) and torch.equal(shuffled, apply(x))
    assert not torch.equal(shuffled, x) and not torch.equal(shuffled, apply(x, order=1))


def test_inputs_say_nothing_of_the_label() -> None:
    y = torch.arange(1000) // 100  # sorted by class, as data sets are here
    met = y[apply(torch.arange(1000)[:, None])[:, 0]]
    assert 0.05 < float((met == y).float().mean()) < 0.15
