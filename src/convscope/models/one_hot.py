"""Characters to one-hot codes on the device, so that no data set of dense codes is ever stored."""

import torch
from torch import Tensor, nn


class OneHot(nn.Module):
    """float [B, S, 1, T] of uint8 [B, T]: a one in the row of each character; an unknown one (index S) is all zeros.

    The code has the dtype that the network was last moved to. It is written as [B, T, S] and returned as a view, which
    makes it channels_last: the layout that CPU convolutions read fastest. Nothing of it lies in the state_dict.
    Raises ValueError for more symbols than uint8 has indices beside the unknown one, and for other inputs.
    """

    symbols: Tensor
    zero: Tensor  # its dtype follows .double() and .half(), which leave the whole numbers of `symbols` alone

    def __init__(self, n_symbols: int) -> None:
        super().__init__()
        if not 1 <= n_symbols <= 255:
            raise ValueError(f"OneHot takes 1 to 255 symbols, got {n_symbols}; uint8 has no index for more")
        self.register_buffer("symbols", torch.arange(n_symbols, dtype=torch.uint8), persistent=False)
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.uint8 or x.ndim != 2:
            raise ValueError("expected characters as uint8 [B, T], got "
                             f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}")
        code_BTS = (x[..., None] == self.symbols).to(self.zero.dtype)
        return code_BTS.transpose(1, 2).unsqueeze(2)
