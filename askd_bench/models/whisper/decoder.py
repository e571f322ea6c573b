"""Whisper's decoder, one step at a time, arranged so that a step touches little memory.

The same function as transformers' `WhisperDecoder` with a cache, up to rounding, on the same weights. Two things differ: cross-attention
projects no encoder states (see `attention`), and weights are laid out for the few rows of a step (see `packed_linear`).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import WhisperForConditionalGeneration

from askd_bench.models.decoding.confidence import TokenConfidences
from askd_bench.models.decoding.greedy import GreedySettings, decode_steps
from askd_bench.models.whisper.attention import attend_to_speech, by_head
from askd_bench.models.whisper.packed_linear import packed_linear

_ROOM = 32
"""Positions by which the cache of past keys and values grows."""


class WhisperDecoder:
    """A decoder's weights, arranged once for as many batches as there are.

    Args:
        model: in eval mode; changes made to its weights later are not seen.
    """

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        decoder: Any = model.model.decoder
        self.embed_tokens, self.positions = decoder.embed_tokens, decoder.embed_positions.weight
        self.scale: float = getattr(decoder, "embed_scale", 1.0)
        self.layers = [_Layer(layer) for layer in decoder.layers]
        self.layer_norm = decoder.layer_norm
        self.head = packed_linear(model.proj_out.weight, model.proj_out.bias)


@torch.inference_mode()
def decode_greedily(
    decoder: WhisperDecoder, encoder_states: Tensor, settings: GreedySettings, *, padding: Tensor | None = None
) -> list[TokenConfidences]:
    """Decode a batch greedily.

    Args:
        decoder: see there.
        encoder_states: float, shape (batch, num_frames, d_model), the encoder's output.
        settings: see `GreedySettings`.
        padding: see `WhisperSteps`.

    Returns:
        one record an utterance, without prompt and end token.
    """
    return decode_steps(WhisperSteps(decoder, encoder_states, padding), len(encoder_states), settings, device=encoder_states.device)


class WhisperSteps:
    """The decoder over one batch; a `StepDecoder` (see `models.decoding.greedy`).

    Args:
        decoder: its weights.
        encoder_states: float, shape (batch, num_frames, d_model), the encoder's output.
        padding: bool, shape (batch, num_frames), True for states that are not to be looked at; None where all are.
    """

    def __init__(self, decoder: WhisperDecoder, encoder_states: Tensor, padding: Tensor | None = None) -> None:
        self._decoder = decoder
        self._states = encoder_states
        self._padding = None if padding is None else padding[:, None]
        self._pasts: list[Tensor | None] = [None] * len(decoder.layers)
        self._length = 0

    def logits(self, tokens: Tensor) -> Tensor:
        """Return float32 logits (batch, vocabulary) after tokens (batch, num_tokens): the prompt at first, then one token a row."""
        decoder, end = self._decoder, self._length + tokens.shape[1]
        hidden = decoder.embed_tokens(tokens) * decoder.scale + decoder.positions[self._length : end]
        for number, layer in enumerate(decoder.layers):
            past = _with_room(self._pasts[number], layer.heads, hidden, end)
            hidden = layer(hidden, self._states, self._padding, past, end)
            self._pasts[number] = past
        self._length = end
        logits: Tensor = decoder.head(decoder.layer_norm(hidden[:, -1])).float()
        return logits

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows of the batch alone, in order."""
        indices = torch.tensor(rows, device=self._states.device)
        self._states = self._states[indices]
        self._padding = None if self._padding is None else self._padding[indices]
        self._pasts = [past[:, indices] for past in self._pasts if past is not None]


def _with_room(past: Tensor | None, heads: int, hidden: Tensor, length: int) -> Tensor:
    """Return keys and values, (2, batch, heads, room, head_dim), with room for `length` positions."""
    room = 0 if past is None else past.shape[3]
    if past is not None and room >= length:
        return past
    batch, _, width = hidden.shape
    grown = hidden.new_empty(2, batch, heads, -(-length // _ROOM) * _ROOM, width // heads)
    if past is not None:
        grown[:, :, :, :room] = past
    return grown


class _Layer:
    def __init__(self, layer: Any) -> None:
        past, speech = layer.self_attn, layer.encoder_attn
        self.heads: int = past.num_heads
        self._norms = layer.self_attn_layer_norm, layer.encoder_attn_layer_norm, layer.final_layer_norm
        self._activation = layer.activation_fn
        self._past_scale, self._speech_scale = past.scaling, speech.scaling
        self._to_past = packed_linear(*_joined(past.q_proj, past.k_proj, past.v_proj))
        self._from_past = packed_linear(past.out_proj.weight, past.out_proj.bias)
        self._to_speech = packed_linear(speech.q_proj.weight, speech.q_proj.bias)
        self._to_key, self._to_value = by_head(speech.k_proj, self.heads), by_head(speech.v_proj, self.heads)
        self._value_bias = speech.v_proj.bias
        self._from_speech = packed_linear(speech.out_proj.weight, speech.out_proj.bias)
        self._up = packed_linear(layer.fc1.weight, layer.fc1.bias)
        self._down = packed_linear(layer.fc2.weight, layer.fc2.bias)

    def __call__(self, hidden: Tensor, states: Tensor, padding: Tensor | None, past: Tensor, end: int) -> Tensor:
        """Return the layer's output (batch, count, d_model) for the positions before `end`, which are added to `past`."""
        first, second, third = self._norms
        hidden = hidden + self._attend_to_past(first(hidden), past, end)
        hidden = hidden + self._attend_to_speech(second(hidden), states, padding)
        summed: Tensor = hidden + self._down(self._activation(self._up(third(hidden))))
        return summed

    def _attend_to_past(self, hidden: Tensor, past: Tensor, end: int) -> Tensor:
        batch, count, _ = hidden.shape
        query, *new = self._to_past(hidden).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        past[0, :, :, end - count : end], past[1, :, :, end - count : end] = new
        keys, values = past[:, :, :, :end]
        attended = F.scaled_dot_product_attention(query, keys, values, is_causal=count > 1, scale=self._past_scale)
        return self._from_past(attended.transpose(1, 2).flatten(2))

    def _attend_to_speech(self, hidden: Tensor, states: Tensor, padding: Tensor | None) -> Tensor:
        query = self._to_speech(hidden) * self._speech_scale
        return self._from_speech(attend_to_speech(query, states, self._to_key, self._to_value, padding) + self._value_bias)


def _joined(*projections: Any) -> tuple[Tensor, Tensor]:
    """Return weights and biases of several projections as one; where one has no bias (Whisper's keys) it is zero."""
    biases = [one.weight.new_zeros(one.weight.shape[0]) if one.bias is None else one.bias for one in projections]
    return torch.cat([one.weight for one in projections]), torch.cat(biases)
