"""Whisper's encoder over fewer positions than its window has."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder


class ShortContextEncoder(WhisperEncoder):  # type: ignore[misc]
    """`WhisperEncoder` that takes spectrograms of any length up to the window, and is the usual one at full length.

    Attributes:
        rows: "first" or "last" rows of the position embedding; see `AudioContext`.
    """

    rows = "first"

    def forward(self, input_features: Tensor, attention_mask: Any = None, **options: Any) -> Any:
        """Encode (batch, bins, frames) to `last_hidden_state` (batch, frames // 2, d_model)."""
        positions = input_features.shape[-1] // (self.conv1.stride[0] * self.conv2.stride[0])
        if positions >= self.config.max_source_positions:
            return super().forward(input_features, attention_mask, **options)
        states = nn.functional.gelu(self.conv2(nn.functional.gelu(self.conv1(input_features)))).transpose(1, 2)
        rows = self.embed_positions.weight
        states = states + (rows[:positions] if self.rows == "first" else rows[-positions:])
        states = nn.functional.dropout(states, p=self.dropout, training=self.training)
        for layer in self.layers:
            if not (self.training and self.layerdrop > 0 and torch.rand([]) < self.layerdrop):
                states = layer(states, None)
        return BaseModelOutput(last_hidden_state=self.layer_norm(states))


def allow_short_context(encoder: nn.Module, rows: str = "first") -> None:
    """Let a `WhisperEncoder` run on short spectrograms, in place; weights and their names stay."""
    encoder.__class__ = ShortContextEncoder
    encoder.rows = rows  # type: ignore[assignment]
