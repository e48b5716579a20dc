"""A sampler that balances classes for a DataLoader."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from convscope.resampling.balanced import BalancedSampler
from convscope.rng import torch_rng


def labels() -> torch.Tensor:
    return torch.tensor([0] * 900 + [1] * 90 + [4] * 10)


@pytest.mark.parametrize(("power", "shares"), [(1.0, (1 / 3, 1 / 3, 1 / 3)), (0.0, (0.9, 0.09, 0.01)),
                                               (0.5, (0.7042, 0.2227, 0.0742))])
def test_draws_classes_in_these_shares(power: float, shares: tuple) -> None:
    y = labels()
    drawn = y[list(BalancedSampler(y, generator=torch_rng(0, "a"), num_samples=30_000, power=power))]
    found = [float((drawn == k).double().mean()) for k in (0, 1, 4)]
    # n^(1 - power) of each class, as a share: 900^.5 : 90^.5 : 10^.5 = 30 : 9.49 : 3.16
    assert found == pytest.approx(shares, abs=0.01)


def test_passes_differ_and_follow_from_the_generator() -> None:
    y = labels()
    sampler = BalancedSampler(y, generator=torch_rng(0, "a"))
    first, second = list(sampler), list(sampler)
    assert first != second and len(first) == len(sampler) == len(y)
    assert list(BalancedSampler(y, generator=torch_rng(0, "a"))) == first


def test_in_a_loader() -> None:
    y = labels()
    loader = DataLoader(TensorDataset(torch.arange(len(y)), y), batch_size=50,
                        sampler=BalancedSampler(y, generator=torch_rng(0, "a")))
    batches = [batch for _, batch in loader]
    assert sum(map(len, batches)) == len(y) and float((torch.cat(batches) == 4).double().mean()) > 0.25


@pytest.mark.parametrize(("y", "options", "sentence"), [
    (torch.rand(5), {}, "y must be whole numbers [N]"), (torch.zeros(0, dtype=torch.long), {}, "got torch.int64 [0]"),
    (labels(), {"power": 2}, "power must be between 0"), (labels(), {"num_samples": 0}, "at least 1, got 0")])
def test_refuses_in_one_sentence(y: torch.Tensor, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        BalancedSampler(y, generator=torch_rng(0, "a"), **options)
    assert sentence in str(error.value)
