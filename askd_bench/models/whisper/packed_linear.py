"""A linear layer over a few rows, as each step of a decoder has them, at the speed of memory."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Linear = Callable[[Tensor], Tensor]
_ROWS = 16
"""For how many rows weights are laid out; others work too."""


def packed_linear(weight: Tensor, bias: Tensor | None) -> Linear:
    """Return `x -> x @ weight.T + bias`, from a copy of the weights that oneDNN laid out for its kernels.

    On a processor torch multiplies by MKL, whose products of a few rows with a large matrix stay far below what memory gives: Whisper's
    output layer (51,864 by 384, float32, two threads of an AMD EPYC) takes 7.7 ms for one row and 12.4 for 16, packed 2.4 and 3.9. Equal
    to torch's up to rounding. Other devices and types, bfloat16 on processors whose oneDNN lacks it (those without AVX-512), and builds
    of torch without oneDNN get torch's own.

    Args:
        weight: float, shape (outputs, inputs); changes made to it later are not seen.
        bias: float, shape (outputs,), or None.
    """
    weight = weight.detach()
    if weight.device.type != "cpu" or not _onednn_computes_in(weight.dtype):
        return lambda x: F.linear(x, weight, bias)
    onednn = torch.ops.mkldnn
    laid_out = onednn._reorder_linear_weight(weight.contiguous(), _ROWS)

    def multiply(x: Tensor) -> Tensor:
        product: Tensor = onednn._linear_pointwise(x, laid_out, bias, "none", [], "")
        return product

    return multiply


def _onednn_computes_in(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
