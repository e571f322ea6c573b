"""Confidence of chosen tokens, taken from the logits of one decoding step and thrown away with them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import torch

_EIGHTHS = (2, 4, 5, 6, 7, 9, 10, 12, 16)
TEMPERATURES = tuple(round(8 / eighths, 4) for eighths in _EIGHTHS)
"""The grid for temperature scaling: 4, 2, 1.6, 1.3333, 1.1429, .8889, .8, .6667, .5; temperature 1 is `logprobs` itself."""


@dataclass(slots=True)
class TokenConfidences:
    """Growing record of one utterance: token ids and, for each, log-probability, normalised entropy and tempered log-probabilities."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    tempered: list[list[float]] = field(default_factory=list)

    def extend(self, other: "TokenConfidences", positions: Sequence[int]) -> None:
        """Add tokens of another record, in the order of `positions`, with their confidences where it has any."""
        self.tokens += [other.tokens[i] for i in positions]
        if other.logprobs:
            self.logprobs += [other.logprobs[i] for i in positions]
            self.entropies += [other.entropies[i] for i in positions]
            self.tempered += [other.tempered[i] for i in positions]


@torch.inference_mode()
def score_choice(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Return what is known of each chosen token, in one pass over the vocabulary.

    The distribution is the one that was decoded from: suppressed tokens, at -inf, have no share in it. All temperatures on the grid are
    8/k: the tempered terms `exp(l/T) = exp(l)^(k/8)` are products of square roots and squares, one for each binary digit of k, instead of
    one `exp` each.

    Args:
        logits: float, shape (batch, vocabulary); -inf allowed.
        chosen: int64, shape (batch,).

    Returns:
        float32, shape (batch, 2 + len(TEMPERATURES)): log-probability (nat), entropy divided by ln(vocabulary size) in [0, 1], then the
        log-probability at each temperature of `TEMPERATURES`.
    """
    # Row by row, what is computed on the way stays in a processor's cache.
    rows = zip(torch.split(logits, 1), torch.split(chosen, 1), strict=True) if logits.device.type == "cpu" else [(logits, chosen)]
    return torch.cat([_score(*row) for row in rows])


def _score(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    logits = logits.float()
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    chosen_logit = shifted.gather(-1, chosen[:, None]).squeeze(-1)
    weights = shifted.exp()
    total = weights.sum(-1)
    # 0 * -inf of a suppressed token is NaN; its true share is 0.
    expectation = (weights * shifted.clamp_min(torch.finfo(torch.float32).min)).sum(-1) / total
    entropy = (total.log() - expectation) / math.log(logits.shape[-1])
    columns = [chosen_logit - total.log(), entropy.clamp(0, 1)]

    half = weights.sqrt()
    quarter = half.sqrt()
    digits = {1: quarter.sqrt(), 2: quarter, 4: half, 8: weights, 16: weights.square()}
    for eighths in _EIGHTHS:
        tempered = reduce(torch.mul, (power for digit, power in digits.items() if eighths & digit))
        columns.append(chosen_logit * (eighths / 8) - tempered.sum(-1).log())
    return torch.stack(columns, dim=-1)


def append(record: TokenConfidences, token: int, values: list[float]) -> None:
    """Add one token and its row of `score_choice` to the record of its utterance."""
    record.tokens.append(token)
    record.logprobs.append(values[0])
    record.entropies.append(values[1])
    record.tempered.append(values[2:])
