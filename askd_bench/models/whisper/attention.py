"""Cross-attention over a long encoder sequence, with the projections to keys and values applied to the few queries instead.

A Whisper decoder looks from a few positions at 1,500 encoder states. Projecting all states to keys and values, for each layer, is then most
of the work. Both products are linear, so the projections can be applied to the query, and to what it gathered:

    q·(W_k e) = (W_kᵀ q)·e      and      Σ p (W_v e) = W_v Σ p e

All layers then read the same encoder states, and the multiplications are fewer up to about as many positions as a head has dimensions (64).
The harness decodes with it, and the trainers compute outputs and gradients with it.

Source: multi-head latent attention decodes with the same regrouping: DeepSeek-V2 (https://arxiv.org/abs/2405.04434, section 2.1.2).
"""

from typing import Any

import torch
from torch import Tensor


def attend_to_speech(query: Tensor, states: Tensor, to_key: Tensor, to_value: Tensor, padding: Tensor | None = None) -> Tensor:
    """Return what each position gathers from the encoder, without the bias of the values.

    Equal to projecting the states and attending head by head, up to rounding.

    Args:
        query: float, shape (batch, positions, d_model), scaled; its dimensions belong to the heads in turn.
        states: float, shape (batch, num_frames, d_model), the encoder's output.
        to_key: the key projection's weight as (heads, head_dim, d_model); see `by_head`. A bias would add the same to every frame, which
            softmax ignores.
        to_value: the value projection's weight, in the same shape.
        padding: bool, shape (batch, 1, num_frames), True for states that are not to be looked at; None where all are.

    Returns:
        float, shape (batch, positions, d_model).
    """
    heads, head_dim, width = to_key.shape
    batch, positions, _ = query.shape
    queries = query.view(batch * positions, heads, head_dim).transpose(0, 1)
    towards = torch.bmm(queries, to_key).view(heads, batch, positions, width)
    scores = torch.bmm(towards.transpose(0, 1).reshape(batch, -1, width), states.transpose(1, 2))
    if padding is not None:
        scores = scores.masked_fill(padding, -torch.inf)
    weights = scores.softmax(-1).to(states.dtype)  # under autocast softmax returns float32
    gathered = torch.bmm(weights, states).view(batch, heads, positions, width)  # the rows of all heads at once, not head by head
    values = torch.bmm(gathered.transpose(0, 1).reshape(heads, -1, width), to_value.transpose(1, 2))
    return values.transpose(0, 1).reshape(batch, positions, heads * head_dim)


def by_head(projection: Any, heads: int) -> Tensor:
    """Return a view of a linear layer's weight, shape (d_model, d_model), as (heads, head_dim, d_model)."""
    weight: Tensor = projection.weight
    return weight.view(heads, -1, weight.shape[1])
