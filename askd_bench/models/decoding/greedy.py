"""Greedy decoding of the Whisper family: the tokens of transformers' `generate`, without its work per token.

Rows that have ended leave the batch, and confidences are reduced step by step instead of keeping every step's logits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from askd_bench.models.decoding.confidence import TokenConfidences, append, score_choice


@dataclass(frozen=True, slots=True, kw_only=True)
class GreedySettings:
    """Which tokens a decoding starts from, may never choose, may not choose first, and ends with; its greatest length, prompt included."""

    prompt: tuple[int, ...]
    suppressed: tuple[int, ...]
    suppressed_first: tuple[int, ...]
    end: int
    max_length: int


class StepDecoder(Protocol):
    """A decoder over the encoder's states of a batch, with its caches, in any runtime."""

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what follows.

        Args:
            tokens: int64, shape (batch, num_tokens), those that come after all tokens of earlier calls.

        Returns:
            float32, shape (batch, vocabulary), after the last of them; changed in place by the caller.
        """

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows of the batch alone."""


Rules = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""As transformers' `LogitsProcessor`: all tokens so far, prompt included, and the logits of what follows; returns these logits as ruled."""


@torch.inference_mode()
def decode_steps(
    decoder: StepDecoder, batch: int, settings: GreedySettings, *, rules: Rules | None = None, device: torch.device | str = "cpu"
) -> list[TokenConfidences]:
    """Decode a batch greedily, step by step.

    Args:
        decoder: at its start.
        batch: utterances in it.
        settings: see `GreedySettings`.
        rules: what else may be chosen when; None where the settings say all.
        device: where the decoder's logits are, and its tokens are to be.

    Returns:
        one record an utterance, without prompt and end token.
    """
    records = [TokenConfidences() for _ in range(batch)]
    alive = list(range(batch))
    suppressed = torch.tensor(settings.suppressed, dtype=torch.long, device=device)
    suppressed_first = torch.tensor(settings.suppressed_first, dtype=torch.long, device=device)
    tokens = torch.tensor([settings.prompt] * batch, device=device)
    for step in range(settings.max_length - len(settings.prompt)):
        logits = decoder.logits(tokens)
        logits.index_fill_(1, suppressed, -torch.inf)
        if step == 0:
            logits.index_fill_(1, suppressed_first, -torch.inf)
        if rules is not None:
            logits = rules(torch.tensor([[*settings.prompt, *records[row].tokens] for row in alive], device=device), logits)
        chosen = logits.argmax(-1)
        scores = score_choice(logits, chosen).tolist()
        staying = []
        for position, (utterance, token) in enumerate(zip(alive, chosen.tolist(), strict=True)):
            if token != settings.end:
                append(records[utterance], token, scores[position])
                staying.append(position)
        if not staying:
            break
        if len(staying) < len(alive):
            alive = [alive[position] for position in staying]
            decoder.keep(staying)
            chosen = chosen[torch.tensor(staying, device=device)]
        tokens = chosen[:, None]
    return records
