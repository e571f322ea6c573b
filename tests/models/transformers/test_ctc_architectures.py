"""CTC models of every architecture at random: decoded together where padding changes nothing, and one by one elsewhere."""

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from small_ctc import save_spectrogram_model, save_waveform_model

from askd_bench.models.features.waveform import Waveform
from askd_bench.models.load import load_transcriber
from askd_bench.models.transformers.ctc import LONGEST_IN_BATCH_S
from askd_bench.types import Transcription

torch.set_num_threads(1)


def alone_and_together(folder: Path, speech: list[np.ndarray]) -> tuple[Any, list[Transcription], list[Transcription]]:
    transcriber = load_transcriber(str(folder), threads=1, dtype="float32")
    features = [transcriber.frontend(clip) for clip in speech]
    return transcriber, [transcriber.transcribe([one])[0] for one in features], transcriber.transcribe(features)


def check_alike(alone: list[Transcription], together: list[Transcription]) -> None:
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.text
        np.testing.assert_allclose(one.token_logprobs, other.token_logprobs, atol=1e-3)
        assert " ".join(word.text for word in one.words).split() == one.text.split()


@pytest.mark.parametrize(
    ("architecture", "config", "in_batches"),
    [
        ("Hubert", {}, True),
        ("Hubert", {"feat_extract_norm": "group", "do_stable_layer_norm": False}, False),
        ("WavLM", {}, True),
        ("UniSpeech", {}, True),
        ("UniSpeechSat", {}, True),
        ("SEW", {"squeeze_factor": 2}, True),
        ("SEWD", {"squeeze_factor": 2}, True),
        ("Wav2Vec2", {"feat_extract_norm": "group", "do_stable_layer_norm": False}, False),
        ("Wav2Vec2", {"add_adapter": True, "output_hidden_size": 64, "num_adapter_layers": 1}, False),
        ("Wav2Vec2Conformer", {}, False),
        ("Data2VecAudio", {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 5}, False),
    ],
)
def test_architectures_on_the_waveform(
    architecture: str, config: dict[str, Any], in_batches: bool, tmp_path: Path, speech: list[np.ndarray]
) -> None:
    folder = save_waveform_model(tmp_path, architecture, **config)
    transcriber, alone, together = alone_and_together(folder, speech)
    check_alike(alone, together)
    assert transcriber.window_s == (LONGEST_IN_BATCH_S if in_batches else 0.0)
    assert transcriber.card.architecture == f"{architecture}ForCTC"
    assert transcriber.card.macs_per_second is None


@pytest.mark.parametrize("architecture", ["Parakeet", "Lasr", "Wav2Vec2Bert"])
def test_architectures_on_a_spectrogram(architecture: str, tmp_path: Path, speech: list[np.ndarray]) -> None:
    folder = save_spectrogram_model(tmp_path, architecture)
    transcriber, alone, together = alone_and_together(folder, speech)
    check_alike(alone, together)
    assert transcriber.window_s == LONGEST_IN_BATCH_S
    np.testing.assert_array_equal(transcriber.frontend(speech[0]), speech[0])
    model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor([speech[0]], sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    if architecture == "Parakeet":  # whose own decoding drops what is of padding
        ids = model.generate(**inputs)[0].tolist()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        text = tokenizer.decode([token for token, _ in groupby(ids)], group_tokens=False, skip_special_tokens=True)
        assert alone[0].text == text.strip()
    assert max(alone[0].token_logprobs) == pytest.approx(
        torch.log_softmax(logits, -1).max(-1).values[[token not in range(4) for token in logits.argmax(-1)]].max().item(), abs=1e-3
    )


def test_padding_would_change_what_is_decoded_alone(tmp_path: Path, speech: list[np.ndarray]) -> None:
    """The reason why some are not batched, so that none of them is kept from it for nothing."""
    for architecture, config in (
        ("Wav2Vec2", {"feat_extract_norm": "group", "do_stable_layer_norm": False}),
        ("Wav2Vec2Conformer", {}),
        ("Data2VecAudio", {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 5}),
    ):
        folder = save_waveform_model(tmp_path, architecture, **config)
        model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
        short, long = (torch.from_numpy(Waveform(standardise=True)(speech[i])) for i in (0, 2))
        padded = torch.zeros(1, len(long))
        padded[0, : len(short)] = short
        mask = (torch.arange(len(long)) < len(short)).long()[None]
        with torch.inference_mode():
            alone = model(short[None]).logits[0]
            beside = model(padded, attention_mask=mask).logits[0, : len(alone)]
        assert (alone - beside).abs().max() > 0.01
