"""The regrouped cross-attention against projecting every encoder state, in double precision: outputs and gradients."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from askd_bench.models.whisper.attention import attend_to_speech, by_head

HEADS, HEAD_DIM, FRAMES = 3, 8, 50
WIDTH = HEADS * HEAD_DIM


def projected(query: Tensor, states: Tensor, key: nn.Linear, value: nn.Linear) -> Tensor:
    """As transformers and everyone does it."""
    by_heads = [x.unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2) for x in (query, key(states), value(states))]
    return F.scaled_dot_product_attention(*by_heads, scale=1.0).transpose(1, 2).flatten(2)


@pytest.mark.parametrize(("batch", "positions"), [(1, 1), (1, 4), (5, 1), (3, 7), (2, 20)])
def test_equals_projecting_the_states(batch: int, positions: int) -> None:
    torch.manual_seed(0)
    key, value = (nn.Linear(WIDTH, WIDTH, bias=False, dtype=torch.float64) for _ in range(2))
    query, states = (torch.randn(batch, count, WIDTH, dtype=torch.float64, requires_grad=True) for count in (positions, FRAMES))
    ours = attend_to_speech(query, states, by_head(key, HEADS), by_head(value, HEADS))
    usual = projected(query, states, key, value)
    torch.testing.assert_close(ours, usual, atol=1e-12, rtol=1e-12)
    wanted = (query, states, key.weight, value.weight)
    for one, other in zip(*(torch.autograd.grad(out.square().sum(), wanted) for out in (ours, usual)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def test_padding_is_not_looked_at() -> None:
    """States of several lengths in one batch give what each gives alone, whatever lies in the padding."""
    torch.manual_seed(0)
    key, value = (nn.Linear(WIDTH, WIDTH, bias=False, dtype=torch.float64) for _ in range(2))
    query, states = (torch.randn(3, count, WIDTH, dtype=torch.float64) for count in (4, FRAMES))
    lengths = (FRAMES, 1, 20)
    padding = torch.arange(FRAMES) >= torch.tensor(lengths)[:, None, None]
    together = attend_to_speech(query, states, by_head(key, HEADS), by_head(value, HEADS), padding)
    for row, length in enumerate(lengths):
        alone = projected(query[row : row + 1], states[row : row + 1, :length], key, value)
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-12, rtol=1e-12)
