"""How large a model is: bytes of its weights, and multiply-accumulates a second of audio."""

import torch
from transformers import WhisperConfig

from askd_bench.types import SAMPLING_RATE

TOKENS_PER_SECOND = 4.0
"""Text tokens in a second of speech, for counting a decoder's work: about three words of English at 1.3 tokens each."""


def weights_bytes(model: torch.nn.Module) -> int:
    """Return the bytes of a model's tensors in their present dtype, tied ones once."""
    storages = {tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()}
    return sum(storages.values())


def whisper_macs(config: WhisperConfig, *, tokens: int) -> int:
    """Return the multiply-accumulates of one window: the encoder once, and the decoder over `tokens` tokens in one pass.

    Counts convolutions, projections, attention products and the output layer; not norms, activations and softmax (below 1 %). Decoding
    token by token with a cache does less self-attention than the square counted here, a difference below 1 % at these lengths.
    """
    frames, d = config.max_source_positions, config.d_model
    convolutions = 3 * d * (2 * frames * config.num_mel_bins + frames * d)
    encoder_layer = frames * (4 * d * d + 2 * d * config.encoder_ffn_dim) + 2 * frames * frames * d
    self_attention = tokens * 4 * d * d + 2 * tokens * tokens * d
    cross_attention = 2 * tokens * d * d + 2 * frames * d * d + 2 * tokens * frames * d
    decoder_layer = self_attention + cross_attention + 2 * tokens * d * config.decoder_ffn_dim
    output = tokens * d * config.vocab_size
    return int(convolutions + config.encoder_layers * encoder_layer + config.decoder_layers * decoder_layer + output)


def whisper_macs_per_second(config: WhisperConfig, *, hop_length: int) -> int:
    """Return multiply-accumulates for one second of audio in a full window of continuous speech at `TOKENS_PER_SECOND`.

    A clip shorter than the window costs the encoder a whole window all the same.
    """
    window_s = 2 * config.max_source_positions * hop_length / SAMPLING_RATE
    tokens = max(1, min(config.max_target_positions, round(TOKENS_PER_SECOND * window_s)))
    return int(whisper_macs(config, tokens=tokens) / window_s)
