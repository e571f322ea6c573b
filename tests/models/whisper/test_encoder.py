"""The encoder on short spectrograms, against transformers' own and against a model whose window is cut."""

import copy

import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from askd_bench.models.whisper.encoder import allow_short_context

CONFIG = WhisperConfig(
    d_model=16, encoder_layers=2, encoder_ffn_dim=32, encoder_attention_heads=2, max_source_positions=100, num_mel_bins=8
)


@pytest.fixture
def encoder() -> WhisperEncoder:
    torch.manual_seed(0)
    return WhisperEncoder(CONFIG).eval()


def test_at_full_length_it_is_the_usual_encoder_bit_for_bit(encoder: WhisperEncoder):
    features = torch.randn(2, 8, 200)
    before = encoder(features).last_hidden_state
    allow_short_context(encoder)
    assert torch.equal(encoder(features).last_hidden_state, before)


@pytest.mark.parametrize("rows", ["first", "last"])
def test_a_short_spectrogram_meets_the_first_or_last_rows(encoder: WhisperEncoder, rows: str):
    config = copy.deepcopy(CONFIG)
    config.max_source_positions = 30
    cut = WhisperEncoder(config).eval()
    state = encoder.state_dict()
    positions = state["embed_positions.weight"]
    state["embed_positions.weight"] = positions[:30] if rows == "first" else positions[-30:]
    cut.load_state_dict(state)
    features = torch.randn(1, 8, 60)
    allow_short_context(encoder, rows)
    torch.testing.assert_close(encoder(features).last_hidden_state, cut(features).last_hidden_state)


def test_names_of_weights_stay(encoder: WhisperEncoder):
    names = list(encoder.state_dict())
    allow_short_context(encoder)
    assert list(encoder.state_dict()) == names
