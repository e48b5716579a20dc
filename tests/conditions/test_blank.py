"""The blank condition: identity, half-way and nothing."""

import pytest
import torch

from convscope import family
from convscope.conditions.blank import apply


def test_magnitudes() -> None:
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    assert torch.equal(apply(x, 0.0), x)
    assert not bool(apply(x, 1.0).any()) and not bool(apply(x).any())
    torch.testing.assert_close(apply(x, 0.25)[1, 2, 3, 0].item(), 0.75 * x[1, 2, 3, 0].item())
    assert torch.equal(x, before) and apply(x, 0.3).dtype == torch.float32


def test_only_the_signal_is_left_on_a_blank() -> None:
    x, y = torch.rand(10, 1, 5, 5), torch.arange(10)
    rng = torch.Generator()
    encoded = family.find("signals", "one_pixel")(apply(x), y, n_classes=10, key=0, rng=rng)
    assert int(encoded.count_nonzero()) == 9
    torch.testing.assert_close(encoded.sum(dim=(1, 2, 3)), 1e-3 * y.float())


@pytest.mark.parametrize("magnitude", [-0.1, 1.1, float("nan")])
def test_out_of_range(magnitude: float) -> None:
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        apply(torch.zeros(1), magnitude)
