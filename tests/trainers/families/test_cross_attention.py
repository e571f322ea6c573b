"""The regrouped cross-attention against transformers' own: same outputs, same gradients."""

import copy

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from askd_bench.models.names import bundled_models
from askd_trainers.families.cross_attention import AbsorbedCrossAttention, absorb_cross_attention


@pytest.fixture(scope="module")
def decoders(tiny_teacher):
    usual = WhisperForConditionalGeneration.from_pretrained(tiny_teacher, dtype=torch.float64).model.decoder.train()
    absorbed = copy.deepcopy(usual)
    absorb_cross_attention(absorbed)
    return usual, absorbed


@pytest.mark.parametrize("positions", [1, 5, 7, 8, 20])  # heads have 8 dimensions: from 8 positions on, the usual order is taken
def test_outputs_and_gradients_are_the_same(decoders, positions):
    states = torch.randn(3, 100, 16, dtype=torch.float64)
    tokens = torch.randint(0, 50_000, (3, positions))
    results = []
    for decoder in decoders:
        decoder.zero_grad()
        out = decoder(input_ids=tokens, encoder_hidden_states=states, use_cache=False).last_hidden_state
        out.square().sum().backward()
        results.append((out.detach(), {name: p.grad for name, p in decoder.named_parameters() if p.grad is not None}))
    (one, one_gradients), (other, other_gradients) = results
    torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)
    assert one_gradients.keys() == other_gradients.keys()
    for name, gradient in one_gradients.items():
        torch.testing.assert_close(gradient, other_gradients[name], atol=1e-8, rtol=1e-8, msg=name)


def test_real_decoder_gives_the_same_logits_in_float32():
    model = WhisperForConditionalGeneration.from_pretrained(bundled_models()["whisper-tiny.en"], dtype=torch.float32).eval()
    states = torch.randn(2, 1500, 384, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(0, 50_000, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        usual = model.model.decoder(input_ids=tokens, encoder_hidden_states=states, use_cache=False).last_hidden_state
        absorb_cross_attention(model.model.decoder)
        ours = model.model.decoder(input_ids=tokens, encoder_hidden_states=states, use_cache=False).last_hidden_state
    torch.testing.assert_close(ours, usual, atol=2e-3, rtol=1e-3)


def test_weights_and_copies_are_unchanged(tiny_teacher):
    model = WhisperForConditionalGeneration.from_pretrained(tiny_teacher)
    before = set(model.state_dict())
    absorb_cross_attention(model.model.decoder)
    copied = copy.deepcopy(model)
    assert set(model.state_dict()) == before
    assert isinstance(copied.model.decoder.layers[0].encoder_attn, AbsorbedCrossAttention)
    assert copied.model.decoder.layers[0].encoder_attn.k_proj is not model.model.decoder.layers[0].encoder_attn.k_proj
    assert not isinstance(model.model.decoder.layers[0].self_attn, AbsorbedCrossAttention)
