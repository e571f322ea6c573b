"""Whisper's cross-attention in training: by the regrouped products that the harness decodes with, forward and backward."""

from typing import Any

from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperAttention, WhisperDecoderLayer

from askd_bench.models.whisper.attention import attend_to_speech, by_head


class AbsorbedCrossAttention(WhisperAttention):  # type: ignore[misc]
    """`WhisperAttention` that takes the cheaper order of products where it is cheaper, and the usual one elsewhere."""

    def forward(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor | None = None,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        output_attentions: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from (batch, positions, d_model) to `key_value_states` (batch, frames, d_model); see `WhisperAttention`."""
        usual = key_value_states is None or past_key_values is not None or attention_mask is not None or output_attentions
        if usual or hidden_states.shape[1] >= self.head_dim or (self.training and self.dropout > 0):
            result: tuple[Tensor, Tensor | None] = super().forward(
                hidden_states, key_value_states, past_key_values, attention_mask, output_attentions, **kwargs
            )
            return result
        query = self.q_proj(hidden_states) * self.scaling
        states = key_value_states.to(query.dtype)  # type: ignore[union-attr]
        values = attend_to_speech(query, states, by_head(self.k_proj, self.num_heads), by_head(self.v_proj, self.num_heads))
        return self.out_proj(values + self.v_proj.bias), None


def absorb_cross_attention(decoder: nn.Module) -> None:
    """Let every Whisper cross-attention of `decoder` use `AbsorbedCrossAttention`, in place; weights and their names stay."""
    for layer in decoder.modules():
        if isinstance(layer, WhisperDecoderLayer):
            layer.encoder_attn.__class__ = AbsorbedCrossAttention
