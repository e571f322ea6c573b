"""The adapter of encoder-decoder models against transformers' own `generate`, on small models of random weights of every supported type."""

import functools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from small_tokenizers import pieces
from speech_files import write_manifest

from askd_bench.audio import read_audio
from askd_bench.errors import UserError
from askd_bench.evaluation.run import run
from askd_bench.models import load
from askd_bench.models.decoding.confidence import TEMPERATURES
from askd_bench.models.features.waveform import SHORTEST_SAMPLES
from askd_bench.models.transformers.seq2seq import MODEL_TYPES
from askd_bench.types import Transcription, Utterance

torch.set_num_threads(1)

SIZE = 64
LONGEST = 24
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
LAYERS = {
    "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}  # fmt: skip
CONVOLUTIONS = {
    "conv_dim": (32,) * 4, "conv_stride": (5, 4, 4, 4), "conv_kernel": (10, 8, 8, 4), "num_feat_extract_layers": 4,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
HIDDEN = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 1.0}
MOONSHINE = {"hidden_size": 32, "intermediate_size": 64, "initializer_range": 1.0} | {
    f"{part}_num_{what}": 2 for part in ("encoder", "decoder") for what in ("hidden_layers", "attention_heads")
}


def raw_waveform() -> Any:
    return transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)


def speech_encoder_decoder() -> Any:
    encoder = transformers.Wav2Vec2Config(**{**HIDDEN, **CONVOLUTIONS, "initializer_range": 0.6}, vocab_size=SIZE)
    decoder = transformers.BartConfig(
        vocab_size=SIZE, d_model=32, decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=64, init_std=0.6, is_decoder=True,
        add_cross_attention=True, max_position_embeddings=LONGEST, **ENDS,
    )  # fmt: skip
    return transformers.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, **ENDS)


MADE: dict[str, tuple[str, Callable[[], Any], Callable[[], Any]]] = {
    "moonshine": (
        "MoonshineForConditionalGeneration",
        lambda: transformers.MoonshineConfig(vocab_size=SIZE, **MOONSHINE, **ENDS),
        raw_waveform,
    ),
    "moonshine_streaming": (
        "MoonshineStreamingForConditionalGeneration",
        lambda: transformers.MoonshineStreamingConfig(
            vocab_size=SIZE,
            **HIDDEN,
            **ENDS,
            num_key_value_heads=2,
            encoder_config={**HIDDEN, "num_key_value_heads": 2, "sliding_windows": ((16, 4), (16, 4))},
        ),
        raw_waveform,
    ),
    "speech_to_text": (
        "Speech2TextForConditionalGeneration",
        lambda: transformers.Speech2TextConfig(
            vocab_size=SIZE, d_model=32, conv_channels=32, init_std=1.0, max_target_positions=LONGEST, max_source_positions=1000, **LAYERS,
            **ENDS,
        ),
        transformers.Speech2TextFeatureExtractor,
    ),
    "speecht5": (
        "SpeechT5ForSpeechToText",
        lambda: transformers.SpeechT5Config(
            vocab_size=SIZE, hidden_size=32, initializer_range=1.0, max_speech_positions=400, max_text_positions=LONGEST, **CONVOLUTIONS,
            **LAYERS, **ENDS,
        ),
        transformers.SpeechT5FeatureExtractor,
    ),
    "speech-encoder-decoder": (
        "SpeechEncoderDecoderModel",
        speech_encoder_decoder,
        lambda: transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True),
    ),
}  # fmt: skip


def load_transcriber(model: Path, **options: Any) -> Any:
    return load.load_transcriber(str(model), **{"threads": 1, "dtype": "float32", **options})


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that saves a small model of a type with random weights and a tokenizer of pieces."""

    def make(kind: str, **generation: Any) -> Path:
        folder = tmp_path_factory.mktemp("seq2seq") / kind
        architecture, config, extractor = MADE[kind]
        torch.manual_seed(3)
        cls = getattr(transformers, architecture)
        model = cls(config=config()) if kind == "speech-encoder-decoder" else cls(config())
        for name, value in generation.items():
            setattr(model.generation_config, name, value)
        model.save_pretrained(folder)
        pieces(SIZE).save_pretrained(folder)
        extractor().save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="module")
def folders(make: Callable[..., Path]) -> dict[str, Path]:
    return {kind: make(kind) for kind in MADE}


@functools.cache
def plain(folder: Path) -> tuple[Any, Any]:
    """The model and the feature extractor as anyone loads them."""
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder).eval()
    return model, transformers.AutoFeatureExtractor.from_pretrained(folder)


def generated(folder: Path, clip: np.ndarray, **options: Any) -> tuple[list[int], Any, dict[str, torch.Tensor]]:
    """What anyone gets who follows transformers' documentation with one clip: new tokens; the model and its inputs."""
    model, extractor = plain(folder)
    how = {"pad_to_multiple_of": 80} if folder.name == "moonshine_streaming" else {}
    inputs = dict(extractor(clip, sampling_rate=16_000, padding=True, return_attention_mask=True, return_tensors="pt", **how))
    if folder.name.startswith("moonshine"):  # as its model card has it
        options = {"max_length": int((inputs["attention_mask"].sum(-1) * 6.5 / 16_000).max()), **options}
    else:
        options = {"max_length": LONGEST, **options}
    with torch.inference_mode():
        ids = model.generate(**inputs, **{"do_sample": False, "num_beams": 1, **options})[0].tolist()
    assert ids[0] == 1
    return ids[1:], model, inputs


def written(folder: Path, ids: list[int]) -> str:
    return transformers.AutoTokenizer.from_pretrained(folder).decode(ids, skip_special_tokens=True).strip()


def spells(text: str) -> bool:
    return any(character.isalnum() for character in text)


def test_every_type_is_here() -> None:
    assert set(MADE) == set(MODEL_TYPES)


@pytest.mark.parametrize("kind", list(MADE))
def test_text_equals_generate_for_each_clip_alone(kind: str, folders: dict[str, Path], speech: list[np.ndarray]) -> None:
    transcriber = load_transcriber(folders[kind])
    found = transcriber.transcribe([transcriber.frontend(clip) for clip in speech])
    expected = [written(folders[kind], generated(folders[kind], clip)[0]) for clip in speech]
    assert [one.text for one in found] == expected
    assert len(set(expected)) == 3
    for one in found:
        assert " ".join(word.text for word in one.words).split() == one.text.split()
        assert sum(one.word_tokens) == len(one.token_logprobs) == len(one.token_entropies)
    assert transcriber.window_s == 0.0
    assert transcriber.card.architecture == MADE[kind][0]
    assert transcriber.card.macs_per_second is None


@pytest.mark.parametrize("kind", list(MADE))
def test_confidences_equal_teacher_forcing(kind: str, folders: dict[str, Path], speech: list[np.ndarray]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[kind])
    transcriber = load_transcriber(folders[kind])
    scored = 0
    for clip in speech:
        [one] = transcriber.transcribe([transcriber.frontend(clip)])
        ids, model, inputs = generated(folders[kind], clip)
        with torch.inference_mode():
            logits = model(**inputs, decoder_input_ids=torch.tensor([[1, *ids[:-1]]])).logits[0].double()
        spoken = [i for i, token in enumerate(ids) if token > 3 and spells(tokenizer.decode([token]))]
        scored += len(spoken)
        chosen = torch.tensor(ids)[spoken, None]
        counts = zip(one.words, one.word_tokens, strict=True)
        compared = [spells(word.text) for word, count in counts for _ in range(count)]  # a word of mere punctuation counts by itself

        def at(scale: float, logits: torch.Tensor = logits[spoken], chosen: torch.Tensor = chosen) -> np.ndarray:
            return torch.log_softmax(logits * scale, -1).gather(-1, chosen)[:, 0].numpy()

        np.testing.assert_allclose(np.compress(compared, one.token_logprobs), at(1.0), atol=1e-3)
        for temperature, eighths in zip(TEMPERATURES, (2, 4, 5, 6, 7, 9, 10, 12, 16), strict=True):
            np.testing.assert_allclose(np.compress(compared, one.tempered_logprobs[temperature]), at(eighths / 8), atol=1e-3)
        entropies = torch.special.entr(torch.softmax(logits[spoken], -1)).sum(-1) / math.log(SIZE)
        np.testing.assert_allclose(np.compress(compared, one.token_entropies), entropies.numpy(), atol=1e-3)
        start = 0
        for word, count in zip(one.words, one.word_tokens, strict=True):
            assert word.confidence == pytest.approx(math.exp(min(one.token_logprobs[start : start + count])))
            start += count
    assert scored > 10


@pytest.mark.parametrize("kind", ["moonshine", "speech_to_text"])
def test_beams_give_text_alone(kind: str, folders: dict[str, Path], speech: list[np.ndarray]) -> None:
    transcriber = load_transcriber(folders[kind], num_beams=3)
    [one] = transcriber.transcribe([transcriber.frontend(speech[2])])
    assert one == Transcription(text=written(folders[kind], generated(folders[kind], speech[2], num_beams=3)[0]))
    assert transcriber.card.decoding["num_beams"] == 3


# --- lengths -----------------------------------------------------------------------------------------------------------------------------


def lengths(transcriber: Any, clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens `generate` gives for each clip, the start token included."""
    found = []
    inner = transcriber._model.generate

    def counting(*args: Any, **options: Any) -> torch.Tensor:
        sequences = inner(*args, **options)
        found.append(sequences.shape[1])
        return sequences

    monkeypatch.setattr(transcriber._model, "generate", counting)
    transcriber.transcribe([transcriber.frontend(clip) for clip in clips])
    return found


@pytest.mark.parametrize(("language", "rate"), [("en", 6.5), ("es", 6.5), ("ko", 13.0)])
def test_moonshine_cannot_loop(
    language: str, rate: float, make: Callable[..., Path], speech: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never ends, because its end token is suppressed; each clip has a length of its own, whatever the checkpoint's."""
    transcriber = load_transcriber(make("moonshine", suppress_tokens=[2], max_length=194), language=language)
    clips = [speech[0], np.concatenate(speech), speech[0][:100]]
    expected = [int(rate * len(clip) / 16_000) for clip in clips[:2]]
    assert lengths(transcriber, clips, monkeypatch) == [*expected, 2]
    assert transcriber.card.decoding["tokens_per_second"] == rate
    assert transcriber.card.decoding["language"] == language


def test_lengths_of_others(make: Callable[..., Path], speech: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint's own length holds; without one there is room for 256 tokens, or as many as the model has positions for."""
    without_end = {"suppress_tokens": [2]}
    for generation, expected in (({}, LONGEST), ({"max_length": 12}, 12), ({"max_new_tokens": 7}, 8)):
        transcriber = load_transcriber(make("speech_to_text", **without_end, **generation))
        assert lengths(transcriber, speech[:1], monkeypatch) == [expected]


def test_settings_of_the_checkpoint_hold_and_are_told(make: Callable[..., Path], speech: list[np.ndarray]) -> None:
    """A forced first token, as translators have it for their language, is neither text nor confidence."""
    plain, forced = make("speech_to_text"), make("speech_to_text", forced_bos_token_id=3, no_repeat_ngram_size=2, num_beams=5)
    assert generated(forced, speech[0])[0][0] == 3
    transcriber = load_transcriber(forced)
    [one] = transcriber.transcribe([transcriber.frontend(speech[0])])
    assert one.text == written(forced, generated(forced, speech[0])[0])
    assert "<unk>" not in one.text
    assert min(one.token_logprobs) < 0
    known = {"forced_bos_token_id": 3, "no_repeat_ngram_size": 2, "num_beams": 1, "tokens_per_second": None, "language": "en"}
    assert known.items() <= transcriber.card.decoding.items()
    assert "no_repeat_ngram_size" not in load_transcriber(plain).card.decoding


@pytest.mark.parametrize("kind", list(MADE))
def test_the_shortest_clips_and_silence(kind: str, folders: dict[str, Path], speech: list[np.ndarray]) -> None:
    transcriber = load_transcriber(folders[kind])
    clips = [speech[0][:1], speech[0][:SHORTEST_SAMPLES], np.zeros(16_000, np.float32)]
    for one in transcriber.transcribe([transcriber.frontend(clip) for clip in clips]):
        assert all(map(math.isfinite, one.token_logprobs))
    assert transcriber.transcribe([]) == []


# --- loading -----------------------------------------------------------------------------------------------------------------------------


def refused(folder: Path, said: str, **options: Any) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(folder, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", ["VoxtralConfig", "SeamlessM4TConfig", "DiaConfig", "CanaryConfig"])
def test_models_that_need_more_than_audio(config: str, tmp_path: Path) -> None:
    own = getattr(transformers, config)()
    own.save_pretrained(tmp_path)
    refused(tmp_path, rf"is a {own.model_type!r} checkpoint, which does not transcribe from audio alone \(allowed: whisper, moonshine, ")


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [("moonshine", "task", "translate"), ("speech_to_text", "language", "de"), ("speecht5", "task", "translate")],
)
def test_options_that_it_does_not_take(kind: str, option: str, value: str, folders: dict[str, Path]) -> None:
    refused(folders[kind], rf"{option}: '{value}' cannot be set for a '{kind}' model", **{option: value})


def test_a_tokenizer_whose_package_is_missing(folders: dict[str, Path], tmp_path: Path) -> None:
    """Speech2Text's own tokenizer needs sentencepiece, which no test needs."""
    if transformers.utils.is_sentencepiece_available():
        pytest.skip("sentencepiece is here")
    folder = Path(shutil.copytree(folders["speech_to_text"], tmp_path / "speech_to_text"))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Speech2TextTokenizer"}))
    refused(folder, "cannot be loaded: .*sentencepiece")


def test_half_precision(folders: dict[str, Path], speech: list[np.ndarray]) -> None:
    for kind in MADE:
        transcriber = load_transcriber(folders[kind], dtype="bfloat16")
        [one] = transcriber.transcribe([transcriber.frontend(speech[1])])
        assert transcriber.card.dtype == "bfloat16"
        assert all(value <= 0 for value in one.token_logprobs)


# --- end to end --------------------------------------------------------------------------------------------------------------------------


def test_a_run(folders: dict[str, Path], utterances: list[Utterance], tmp_path: Path) -> None:
    rows = [
        {"id": f"u{i}", "audio_filepath": str(one.audio), "text": one.reference, "duration": one.duration_s, "split": "test"}
        for i, one in enumerate(utterances)
    ]
    corpus = write_manifest(tmp_path / "corpus", rows)
    kinds = ["moonshine", "speech_to_text"]
    options = {"conditions": ["clean"], "dtype": "float32", "threads": 1, "workers": 0}
    results = run("noisy", [str(folders[kind]) for kind in kinds], corpus=[str(corpus)], output=tmp_path, **options)
    for kind, result in zip(kinds, results, strict=True):
        rows = [json.loads(line) for line in (result.path / "utterances.jsonl").read_text().splitlines()]
        heard = {row["utterance"]: row["hypothesis"] for row in rows}
        expected = [written(folders[kind], generated(folders[kind], read_audio(one.audio))[0]) for one in utterances]
        assert [heard[f"u{i}"] for i in range(len(utterances))] == expected
        assert {row["batch"] for row in rows} == {1}
        assert result.signature.model.macs_per_second is None
