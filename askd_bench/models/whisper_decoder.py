"""Whisper's decoder, one step at a time, arranged so that a step touches little memory.

The same function as transformers' `WhisperDecoder` with a cache, up to rounding, on the same weights. What differs is cross-attention.
Projecting the 1,500 encoder states to keys and values, for each layer, is most of the work of decoding a short utterance, and reading
them back in each step most of the rest. Both products are linear, so that the projections can be applied to the query, and to what it
gathered, instead: `q·(W_k e) = (W_kᵀ q)·e` and `Σ p (W_v e) = W_v Σ p e`. All layers then read the same encoder states, nothing is
projected beforehand, and the multiplications are fewer up to about as many tokens as a head has dimensions (64).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import WhisperForConditionalGeneration

from askd_bench.models.confidence import TokenConfidences
from askd_bench.models.greedy import GreedySettings, decode_steps

_ROOM = 32
"""Positions by which the cache of past keys and values grows."""


def decode_greedily(model: WhisperForConditionalGeneration, encoder_states: Tensor, settings: GreedySettings) -> list[TokenConfidences]:
    """Decode a batch greedily.

    Args:
        model: in eval mode.
        encoder_states: float, shape (batch, num_frames, d_model), the encoder's output.
        settings: see `GreedySettings`.

    Returns:
        one record an utterance, without prompt and end token.
    """
    return decode_steps(WhisperSteps(model, encoder_states), len(encoder_states), settings, device=encoder_states.device)


class WhisperSteps:
    """The decoder over one batch; a `StepDecoder` (see `models.greedy`).

    Args:
        model: in eval mode.
        encoder_states: float, shape (batch, num_frames, d_model), the encoder's output.
    """

    def __init__(self, model: WhisperForConditionalGeneration, encoder_states: Tensor) -> None:
        decoder: Any = model.model.decoder
        self._decoder, self._head = decoder, model.proj_out
        self._states = encoder_states
        self._layers = [_Layer(layer) for layer in decoder.layers]
        self._length = 0

    def logits(self, tokens: Tensor) -> Tensor:
        """Return float32 logits (batch, vocabulary) after tokens (batch, num_tokens): the prompt at first, then one token a row."""
        count = tokens.shape[1]
        positions = self._decoder.embed_positions.weight[self._length : self._length + count]
        hidden = self._decoder.embed_tokens(tokens) * getattr(self._decoder, "embed_scale", 1.0) + positions
        for layer in self._layers:
            hidden = layer(hidden, self._states, self._length)
        self._length += count
        logits: Tensor = self._head(self._decoder.layer_norm(hidden[:, -1])).float()
        return logits

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows of the batch alone, in order."""
        indices = torch.tensor(rows, device=self._states.device)
        self._states = self._states[indices]
        for layer in self._layers:
            layer.keep(indices)


class _Layer:
    def __init__(self, layer: Any) -> None:
        self._layer = layer
        attention = layer.encoder_attn
        self._heads, self._scale = attention.num_heads, attention.scaling
        by_head = (self._heads, attention.head_dim, attention.embed_dim)
        self._to_key = attention.k_proj.weight.view(by_head)
        self._to_value = attention.v_proj.weight.view(by_head)
        self._past: tuple[Tensor, Tensor] | None = None

    def __call__(self, hidden: Tensor, states: Tensor, length: int) -> Tensor:
        layer = self._layer
        hidden = hidden + self._attend_to_past(layer.self_attn_layer_norm(hidden), length)
        hidden = hidden + self._attend_to_speech(layer.encoder_attn_layer_norm(hidden), states)
        inner = layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden)))
        summed: Tensor = hidden + layer.fc2(inner)
        return summed

    def keep(self, rows: Tensor) -> None:
        assert self._past is not None
        self._past = self._past[0][rows], self._past[1][rows]

    def _attend_to_past(self, hidden: Tensor, length: int) -> Tensor:
        attention = self._layer.self_attn
        query, key, value = (self._split(project(hidden)) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        keys, values = self._room(key, length + hidden.shape[1])
        keys[:, :, length : length + hidden.shape[1]] = key
        values[:, :, length : length + hidden.shape[1]] = value
        end = length + hidden.shape[1]
        attended = F.scaled_dot_product_attention(
            query, keys[:, :, :end], values[:, :, :end], is_causal=hidden.shape[1] > 1, scale=attention.scaling
        )
        out: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _attend_to_speech(self, hidden: Tensor, states: Tensor) -> Tensor:
        attention = self._layer.encoder_attn
        batch, count, _ = hidden.shape
        query = self._split(attention.q_proj(hidden) * self._scale)  # (batch, heads, count, head_dim)
        towards = torch.matmul(query, self._to_key).flatten(1, 2)  # (batch, heads * count, d_model)
        weights = torch.bmm(towards, states.transpose(1, 2)).softmax(-1)
        gathered = torch.bmm(weights, states).view(batch, self._heads, count, -1)
        values = torch.matmul(gathered, self._to_value.transpose(1, 2)).transpose(1, 2).flatten(2)
        out: Tensor = attention.out_proj(values + attention.v_proj.bias)
        return out

    def _split(self, projected: Tensor) -> Tensor:
        """Return (batch, heads, count, head_dim) of (batch, count, d_model)."""
        batch, count, _ = projected.shape
        return projected.view(batch, count, self._heads, -1).transpose(1, 2)

    def _room(self, like: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return the past keys and values, with room for `length` positions."""
        room = 0 if self._past is None else self._past[0].shape[2]
        if room < length:
            batch, heads, _, head_dim = like.shape
            grown = like.new_empty(2, batch, heads, -(-length // _ROOM) * _ROOM, head_dim)
            if self._past is not None:
                grown[0, :, :, :room], grown[1, :, :, :room] = self._past
            self._past = grown[0], grown[1]
        assert self._past is not None
        return self._past
