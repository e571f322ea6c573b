"""Bytes and multiply-accumulates, against torch's own counters."""

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import WhisperConfig, WhisperForConditionalGeneration

from askd_bench.models.size import TOKENS_PER_SECOND, weights_bytes, whisper_macs, whisper_macs_per_second

CONFIG = WhisperConfig(
    d_model=32, encoder_layers=3, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=96,
    decoder_ffn_dim=64, num_mel_bins=8, max_source_positions=50, max_target_positions=40, vocab_size=101, pad_token_id=0, bos_token_id=1,
    eos_token_id=2, decoder_start_token_id=1, attn_implementation="eager",
)  # fmt: skip


def test_multiply_accumulates_equal_torchs_flop_counter() -> None:
    model = WhisperForConditionalGeneration(CONFIG).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(input_features=torch.zeros(1, 8, 100), decoder_input_ids=torch.ones(1, 7, dtype=torch.long), use_cache=False)
    assert whisper_macs(CONFIG, tokens=7) == counter.get_total_flops() / 2


def test_a_second_is_its_share_of_a_full_window() -> None:
    tokens = round(TOKENS_PER_SECOND * 1.0)  # 50 positions are one second
    assert whisper_macs_per_second(CONFIG, hop_length=160) == whisper_macs(CONFIG, tokens=tokens)


def test_tied_weights_count_once_and_in_their_own_type() -> None:
    model = WhisperForConditionalGeneration(CONFIG)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert weights_bytes(model) == 4 * parameters
    assert weights_bytes(model.half()) == 2 * parameters
