"""Cross-attention over a long encoder sequence, with the key and value projections absorbed into the few queries.

A Whisper decoder looks from a dozen label positions at 1,500 encoder states. Projecting all states to keys and values is then most of the
work of a training step, forward and backward. Matrix products associate:

    (q W_k)(X W_k')ᵀ = (q W_k W_k'ᵀ) Xᵀ      and      (P X) W_v = P (X W_v)

so that the projections can be applied to the queries and to what they gathered. This is cheaper whenever there are fewer positions than a
head has dimensions, costs the same parameters, and gives the same numbers up to rounding. (The same regrouping is known from decoding with
multi-head latent attention: DeepSeek-V2, 2024.)
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperAttention, WhisperDecoderLayer


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
        batch, positions, d_model = hidden_states.shape
        usual = key_value_states is None or past_key_values is not None or attention_mask is not None or output_attentions
        if usual or positions >= self.head_dim or (self.training and self.dropout > 0):
            result: tuple[Tensor, Tensor | None] = super().forward(
                hidden_states, key_value_states, past_key_values, attention_mask, output_attentions, **kwargs
            )
            return result
        heads, dim = self.num_heads, self.head_dim
        query = (self.q_proj(hidden_states) * self.scaling).view(batch, positions, heads, dim)
        # q_proj.weight has shape (d_model out, d_model in); its rows belong to the heads in turn.
        query = torch.einsum("bthk,hkd->bhtd", query, self.k_proj.weight.view(heads, dim, d_model)).reshape(batch, -1, d_model)
        states = key_value_states.to(query.dtype)  # type: ignore[union-attr]
        attention = torch.softmax(query @ states.transpose(1, 2), dim=-1).to(states.dtype)
        gathered = (attention @ states).view(batch, heads, positions, d_model)
        values = torch.einsum("bhtd,hkd->bthk", gathered, self.v_proj.weight.view(heads, dim, d_model)).reshape(batch, positions, d_model)
        return self.out_proj(values + self.v_proj.bias), None


def absorb_cross_attention(decoder: nn.Module) -> None:
    """Let every Whisper cross-attention of `decoder` use `AbsorbedCrossAttention`, in place; weights and their names stay."""
    for layer in decoder.modules():
        if isinstance(layer, WhisperDecoderLayer):
            layer.encoder_attn.__class__ = AbsorbedCrossAttention
