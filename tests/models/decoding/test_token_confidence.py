"""Confidence of chosen tokens against direct computation in double precision."""

import math

import pytest
import torch

from askd_bench.models.decoding.confidence import TEMPERATURES, TokenConfidences, append, score_choice


def direct(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    logits = logits.double()
    columns = [torch.log_softmax(logits, -1).gather(-1, chosen[:, None])[:, 0]]
    probabilities = torch.softmax(logits, -1)
    columns.append(torch.special.entr(probabilities).sum(-1) / math.log(logits.shape[-1]))
    grid = (8 / eighths for eighths in (2, 4, 5, 6, 7, 9, 10, 12, 16))
    columns += [torch.log_softmax(logits / t, -1).gather(-1, chosen[:, None])[:, 0] for t in grid]
    return torch.stack(columns, -1)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("vocabulary", [2, 97, 51_864])
@pytest.mark.parametrize("suppressed", [False, True])
def test_equals_direct_computation(scale: float, vocabulary: int, suppressed: bool) -> None:
    torch.manual_seed(vocabulary)
    logits = torch.randn(6, vocabulary) * scale + 7
    if suppressed and vocabulary > 2:
        logits[:, ::3] = -torch.inf
    best = logits.argmax(-1)
    other = torch.full_like(best, 1)
    for chosen in (best, other):
        torch.testing.assert_close(score_choice(logits, chosen).double(), direct(logits, chosen), atol=1e-4, rtol=1e-5)


def test_temperatures_are_the_documented_grid() -> None:
    assert TEMPERATURES == (4.0, 2.0, 1.6, 1.3333, 1.1429, 0.8889, 0.8, 0.6667, 0.5)


def test_extremes() -> None:
    certain = torch.full((1, 50), -torch.inf)
    certain[0, 3] = 2.0
    values = score_choice(certain, torch.tensor([3]))[0]
    assert torch.equal(values, torch.zeros(11)), "one token left: log-probability 0 and entropy 0"
    uniform = score_choice(torch.zeros(1, 50), torch.tensor([3]))[0]
    assert uniform[1].item() == pytest.approx(1.0, abs=1e-6)
    assert uniform[[0, *range(2, 11)]].tolist() == pytest.approx([-math.log(50)] * 10, abs=1e-5)


def test_half_precision_logits_are_reduced_in_single() -> None:
    torch.manual_seed(0)
    logits = (torch.randn(4, 1000) * 4).half()
    chosen = logits.argmax(-1)
    torch.testing.assert_close(score_choice(logits, chosen).double(), direct(logits, chosen), atol=1e-4, rtol=1e-5)


def test_a_record_grows_by_token() -> None:
    record = TokenConfidences()
    append(record, 5, [-0.1, 0.2, *[-0.3] * 7])
    append(record, 6, [-0.4, 0.5, *[-0.6] * 7])
    assert (record.tokens, record.logprobs, record.entropies) == ([5, 6], [-0.1, -0.4], [0.2, 0.5])
    assert record.tempered == [[-0.3] * 7, [-0.6] * 7]
