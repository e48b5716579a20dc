"""One-hot codes of characters: against torch's own, in every dtype, in the layout that convolutions read fastest."""

import pytest
import torch
from torch.nn import functional

from convscope.models.one_hot import OneHot
from convscope.rng import torch_rng


def characters(n_symbols: int = 5) -> torch.Tensor:
    return torch.randint(n_symbols + 1, (4, 11), generator=torch_rng(0, "texts")).to(torch.uint8)


@pytest.mark.parametrize("n_symbols", [1, 5, 70, 255])
def test_codes(n_symbols: int) -> None:
    x = characters(n_symbols)
    expected = functional.one_hot(x.long(), n_symbols + 1)[..., :-1].permute(0, 2, 1).float()  # [B, S, T]
    code = OneHot(n_symbols)(x)
    assert code.shape == (4, n_symbols, 1, 11) and torch.equal(code[:, :, 0], expected)


def test_an_unknown_character_is_all_zeros() -> None:
    code = OneHot(5)(torch.tensor([[5, 4, 255]], dtype=torch.uint8))
    assert code[0, :, 0].T.tolist() == [[0] * 5, [0, 0, 0, 0, 1], [0] * 5]


def test_the_layout_is_channels_last_and_the_strides_of_the_input_do_not_matter() -> None:
    x = characters()
    code = OneHot(5)(x)
    assert code.is_contiguous(memory_format=torch.channels_last) and not code.is_contiguous()
    assert torch.equal(OneHot(5)(x.T.contiguous().T), code)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_follows_the_network_to_its_dtype(dtype: torch.dtype) -> None:
    module = OneHot(5).to(dtype)
    assert module(characters()).dtype == dtype and module.symbols.dtype == torch.uint8
    assert module.state_dict() == {} and list(module.parameters()) == []


def test_compiles_in_one_graph() -> None:
    module, x = OneHot(5), characters()
    assert torch.equal(torch.compile(module, backend="eager", fullgraph=True)(x), module(x))


@pytest.mark.parametrize("bad", [torch.zeros(2, 3), torch.zeros(3, dtype=torch.uint8), torch.zeros(2, 3).long(),
                                 torch.zeros(2, 3, 4, dtype=torch.uint8)])
def test_other_inputs_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected characters as uint8 \[B, T\], got"):
        OneHot(5)(bad)


@pytest.mark.parametrize("n_symbols", [0, 256])
def test_other_numbers_of_symbols_are_refused(n_symbols: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 255 symbols, got {n_symbols}"):
        OneHot(n_symbols)
