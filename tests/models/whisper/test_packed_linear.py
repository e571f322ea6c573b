"""A packed layer is torch's own up to rounding, for any number of rows."""

import pytest
import torch
from torch.nn import functional as F

from askd_bench.models.whisper.packed_linear import packed_linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("shape", [(1, 96), (3, 96), (16, 96), (40, 96), (2, 5, 96)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_equals_torch(shape: tuple[int, ...], with_bias: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(*size, generator=generator).to(dtype) for size in ((211, 96), shape))
    bias = torch.randn(211, generator=generator).to(dtype) if with_bias else None
    got, expected = packed_linear(weight, bias)(x), F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    assert got.dtype == dtype
    assert got.shape == expected.shape
    precision = torch.finfo(dtype).eps
    torch.testing.assert_close(got.double(), expected, rtol=4 * precision, atol=200 * precision)


def test_takes_a_transposed_weight_and_one_that_wants_gradients() -> None:
    weight = torch.randn(8, 5, requires_grad=True)
    x = torch.randn(2, 8)
    with torch.inference_mode():
        torch.testing.assert_close(packed_linear(weight.T, None)(x), F.linear(x, weight.T))
