"""Greedy decoding of the Whisper family: the tokens of transformers' `generate`, without its work per token.

Rows that have ended leave the batch, and confidences are reduced step by step instead of keeping every step's logits.
"""

from dataclasses import dataclass

import torch
from transformers import WhisperForConditionalGeneration
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from askd_bench.models.confidence import TokenConfidences, append, score_choice


@dataclass(frozen=True, slots=True, kw_only=True)
class GreedySettings:
    """Which tokens a decoding starts from, may never choose, may not choose first, and ends with; its greatest length, prompt included."""

    prompt: tuple[int, ...]
    suppressed: tuple[int, ...]
    suppressed_first: tuple[int, ...]
    end: int
    max_length: int


@torch.inference_mode()
def decode_greedily(
    model: WhisperForConditionalGeneration, encoder_states: torch.Tensor, settings: GreedySettings
) -> list[TokenConfidences]:
    """Decode a batch greedily.

    Args:
        model: in eval mode.
        encoder_states: float, shape (batch, num_frames, d_model), the encoder's output.
        settings: see `GreedySettings`.

    Returns:
        one record an utterance, without prompt and end token.
    """
    device = encoder_states.device
    batch = encoder_states.shape[0]
    records = [TokenConfidences() for _ in range(batch)]
    alive = list(range(batch))
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    decoder, head = model.model.decoder, model.proj_out
    suppressed = torch.tensor(settings.suppressed, dtype=torch.long, device=device)
    suppressed_first = torch.tensor(settings.suppressed_first, dtype=torch.long, device=device)
    tokens = torch.tensor([settings.prompt] * batch, device=device)
    for step in range(settings.max_length - len(settings.prompt)):
        states = decoder(input_ids=tokens, encoder_hidden_states=encoder_states, past_key_values=cache, use_cache=True).last_hidden_state
        logits = head(states[:, -1]).float()
        logits.index_fill_(1, suppressed, -torch.inf)
        if step == 0:
            logits.index_fill_(1, suppressed_first, -torch.inf)
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
            keep = torch.tensor(staying, device=device)
            alive = [alive[position] for position in staying]
            cache.batch_select_indices(keep)
            encoder_states, chosen = encoder_states[keep], chosen[keep]
        tokens = chosen[:, None]
    return records
