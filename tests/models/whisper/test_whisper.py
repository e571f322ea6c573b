"""The Whisper adapter against transformers' own `generate`, on the bundled checkpoint and on small ones of random weights."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, WhisperForConditionalGeneration

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_bench.metrics.items import Items
from askd_bench.metrics.tempered import confidence_at
from askd_bench.models import load
from askd_bench.models.decoding.confidence import TEMPERATURES, TokenConfidences
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.models.whisper.transcriber import _Recorder
from askd_bench.types import Transcription

CHECKPOINT = bundled_models()[DEFAULT_MODEL]
END = 50_256


def load_transcriber(model: str, **options: Any) -> Any:
    """Load with one thread: quicker than two where other tests run at the same time."""
    return load.load_transcriber(model, **{"threads": 1, **options})


@pytest.fixture(scope="module")
def oracle() -> WhisperForConditionalGeneration:
    """The checkpoint as anyone loads it."""
    return WhisperForConditionalGeneration.from_pretrained(CHECKPOINT, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def features(transcriber: Any, clips: list[Any]) -> torch.Tensor:
    return torch.from_numpy(np.stack([transcriber.frontend(clip) for clip in clips]))


@pytest.fixture(scope="module")
def generated(oracle: Any, features: torch.Tensor) -> list[list[int]]:
    """Text tokens that `generate` gives, greedily, with the settings that are the checkpoint's own."""
    ids = oracle.generate(features, num_beams=1, do_sample=False, return_timestamps=False)
    return [[token for token in row if token < END] for row in ids.tolist()]


def test_text_equals_generate(generated: list[list[int]], transcriptions: list[Transcription], tokenizer: Any) -> None:
    expected = [tokenizer.decode(tokens).strip() for tokens in generated]
    assert [one.text for one in transcriptions] == expected
    assert all(len(text.split()) >= 1 for text in expected)
    assert len(set(expected)) == len(expected)


def test_confidences_equal_teacher_forcing(
    oracle: Any, features: torch.Tensor, generated: list[list[int]], transcriptions: list[Transcription], tokenizer: Any
) -> None:
    """Log-probabilities and entropies of the scored tokens are those of one full forward pass, at temperature 1 and at all others.

    So are the confidences that are interpolated at temperatures in between, within half a point of probability.
    """
    generation = GenerationConfig.from_pretrained(CHECKPOINT)
    with torch.inference_mode():
        states = oracle.model.encoder(features).last_hidden_state
        for i, (tokens, transcription) in enumerate(zip(generated, transcriptions, strict=True)):
            prompt = [50_257, 50_362]
            inputs = torch.tensor([prompt + tokens])
            hidden = oracle.model.decoder(input_ids=inputs, encoder_hidden_states=states[i : i + 1]).last_hidden_state
            logits = oracle.proj_out(hidden)[0, len(prompt) - 1 : -1].double()
            logits[:, generation.suppress_tokens] = -torch.inf
            logits[0, generation.begin_suppress_tokens] = -torch.inf
            spoken = [k for k, token in enumerate(tokens) if any(c.isalnum() for c in tokenizer.decode([token]))]
            chosen = torch.tensor(tokens)[spoken, None]
            logits = logits[spoken]
            assert len(spoken) == len(transcription.token_logprobs) == sum(transcription.word_tokens)

            def at(temperature: float, logits: torch.Tensor = logits, chosen: torch.Tensor = chosen) -> np.ndarray:
                return torch.log_softmax(logits / temperature, -1).gather(-1, chosen)[:, 0].numpy()

            np.testing.assert_allclose(transcription.token_logprobs, at(1.0), atol=1e-4)
            for temperature, eighths in zip(TEMPERATURES, (2, 4, 5, 6, 7, 9, 10, 12, 16), strict=True):
                np.testing.assert_allclose(transcription.tempered_logprobs[temperature], at(8 / eighths), atol=1e-4)
            own = {t: np.exp(values) for t, values in transcription.tempered_logprobs.items()}
            items = Items(np.arange(len(spoken)), *np.ones((2, len(spoken)), np.bool_), np.exp(transcription.token_logprobs), own)
            for temperature in (3.0, 1.8, 1.45, 1.2, 1.03, 0.92, 0.84, 0.73, 0.55):
                np.testing.assert_allclose(confidence_at(items, temperature), np.exp(at(temperature)), atol=5e-3)
            entropies = torch.special.entr(torch.softmax(logits, -1)).sum(-1) / math.log(logits.shape[-1])
            np.testing.assert_allclose(transcription.token_entropies, entropies.numpy(), atol=1e-4)


def test_words_and_tokens_fit_together(transcriptions: list[Transcription]) -> None:
    for transcription in transcriptions:
        assert " ".join(word.text for word in transcription.words).split() == transcription.text.split()
        assert len(transcription.word_tokens) == len(transcription.words)
        assert sum(transcription.word_tokens) == len(transcription.token_logprobs) == len(transcription.token_entropies)
        assert set(transcription.tempered_logprobs) == set(TEMPERATURES)
        assert not transcription.long_form
        start = 0
        for word, count in zip(transcription.words, transcription.word_tokens, strict=True):
            own = transcription.token_logprobs[start : start + count]
            assert word.confidence == pytest.approx(math.exp(min(own)))
            start += count


def test_special_tokens_among_words_are_no_part_of_them(transcriber: Any, tokenizer: Any) -> None:
    record = TokenConfidences()
    record.tokens = [*tokenizer.encode(" for a", add_special_tokens=False), tokenizer.convert_tokens_to_ids("<|startoftranscript|>")]
    record.tokens += tokenizer.encode(" touch", add_special_tokens=False)
    record.logprobs = [-float(i + 1) for i in range(len(record.tokens))]
    record.entropies = list(record.logprobs)
    record.tempered = [[value] * len(TEMPERATURES) for value in record.logprobs]
    made = transcriber._parts.transcription(record, dtype="float32")
    assert made.text == "for a touch"
    assert [word.text for word in made.words] == ["for", "a", "touch"]
    assert made.token_logprobs == (-1.0, -2.0, -4.0)
    assert sum(made.word_tokens) == len(made.token_logprobs)


def test_the_batch_does_not_change_the_text(transcriber: Any, features: torch.Tensor, transcriptions: list[Transcription]) -> None:
    arrays = list(features.numpy())
    pair = transcriber.transcribe([arrays[6], arrays[1]])
    assert [one.text for one in pair] == [transcriptions[6].text, transcriptions[1].text]
    for one, other in zip(pair, (transcriptions[6], transcriptions[1]), strict=True):
        np.testing.assert_allclose(one.token_logprobs, other.token_logprobs, atol=1e-3)


def test_a_clip_longer_than_the_window_goes_through_whole(transcriber: Any) -> None:
    """Five lines of one book, said twice, take 35 s: two windows and a cut in between."""
    lines = [read_audio(u.audio) for u in open_corpus("books")]
    clip = np.concatenate(lines * 2)[: 34 * 16_000]
    assert len(clip) > 30 * 16_000
    [long] = transcriber.transcribe([transcriber.frontend(clip)])
    assert long.long_form
    assert len(long.text.split()) > 60
    assert " ".join(word.text for word in long.words).split() == long.text.split()
    assert sum(long.word_tokens) == len(long.token_logprobs) == len(long.token_entropies)
    assert all(len(values) == len(long.token_logprobs) for values in long.tempered_logprobs.values())
    assert all(-20 < value <= 0 for value in long.token_logprobs)
    assert "<|" not in long.text


def test_beams_give_text_alone(features: torch.Tensor, transcriptions: list[Transcription]) -> None:
    beams = load_transcriber("whisper-tiny.en", num_beams=2)
    [one] = beams.transcribe([features[0].numpy()])
    assert beams.card.decoding["num_beams"] == 2
    assert one.words == () == one.token_logprobs
    first, second = set(one.text.lower().split()), set(transcriptions[0].text.lower().split())
    assert len(first & second) >= len(second) / 2, "beams hear much the same"


class TestLongFormRecorder:
    """Confidences of long-form decoding, where the end of one window is decoded again in the next."""

    def record(self, windows: list[list[int]], vocabulary: int = 40) -> _Recorder:
        recorder = _Recorder()
        for number, window in enumerate(windows):
            for step, token in enumerate(window):
                logits = torch.zeros(1, vocabulary)
                logits[0, token] = 1.0 + number + step / 10
                recorder(torch.zeros(1, 3 + step, dtype=torch.long), logits)
        return recorder

    def segment(self, tokens: list[int], start: int) -> dict[str, Any]:
        return {"tokens": torch.tensor(tokens), "idxs": (3 + start, 3 + start + len(tokens))}

    def confidence(self, number: int, step: int, vocabulary: int = 40) -> float:
        logits = torch.zeros(vocabulary)
        logits[0] = 1.0 + number + step / 10
        return torch.log_softmax(logits, -1)[0].item()

    def test_takes_the_pass_whose_text_was_kept(self) -> None:
        recorder = self.record([[31, 1, 2, 32, 33, 3, 4], [31, 3, 4, 5, 32]])
        selected = recorder.select([self.segment([31, 1, 2, 32], 0), self.segment([31, 3, 4, 5, 32], 0)], end=30)
        assert selected.tokens == [1, 2, 3, 4, 5]
        expected = [self.confidence(0, 1), self.confidence(0, 2), *(self.confidence(1, step) for step in (1, 2, 3))]
        assert selected.logprobs == pytest.approx(expected, abs=1e-5)

    def test_two_windows_that_say_the_same(self) -> None:
        recorder = self.record([[31, 1, 2, 32], [31, 1, 2, 32]])
        selected = recorder.select([self.segment([31, 1, 2, 32], 0), self.segment([31, 1, 2, 32], 0)], end=30)
        assert selected.logprobs == pytest.approx([self.confidence(n, s) for n in (0, 1) for s in (1, 2)], abs=1e-5)

    def test_several_segments_of_a_window_and_a_window_that_was_skipped(self) -> None:
        recorder = self.record([[31, 1, 32, 33, 2, 34], [31, 9, 32], [31, 4, 32]])
        segments = [self.segment([31, 1, 32], 0), self.segment([33, 2, 34], 3), self.segment([31, 4, 32], 0)]
        selected = recorder.select(segments, end=30)
        assert selected.tokens == [1, 2, 4]
        assert selected.logprobs == pytest.approx([self.confidence(0, 1), self.confidence(0, 4), self.confidence(2, 1)], abs=1e-5)


# --- small checkpoints of random weights -------------------------------------------------------------------------------------------------


def noise_features(transcriber: Any, count: int = 3, seconds: float = 2.0) -> list[Any]:
    rng = np.random.default_rng(0)
    return [transcriber.frontend(rng.normal(0, 0.05 * (i + 1), round(seconds * 16_000)).astype(np.float32)) for i in range(count)]


MULTILINGUAL = {
    "is_multilingual": True,
    "lang_to_id": {"<|en|>": 50_258, "<|de|>": 50_260},
    "task_to_id": {"transcribe": 50_358, "translate": 50_357},
    "no_timestamps_token_id": 50_362,
    "decoder_start_token_id": 50_257,
    "bos_token_id": 50_257,
    "eos_token_id": END,
    "pad_token_id": END,
    "max_length": 48,
    "begin_suppress_tokens": [220, END],
    "suppress_tokens": [1, 2, 7, 8, 9],
}
ENGLISH = {**MULTILINGUAL, "is_multilingual": False}
del ENGLISH["lang_to_id"], ENGLISH["task_to_id"]


def all_tokens(transcriber: Any, features: list[Any]) -> list[list[int]]:
    """Every token of our own loop, punctuation too."""
    from askd_bench.models.whisper.decoder import decode_greedily

    with torch.inference_mode():
        states = transcriber._model.model.encoder(torch.from_numpy(np.stack(features))).last_hidden_state
        return [record.tokens for record in decode_greedily(transcriber._decoder, states, transcriber._settings)]


@pytest.mark.parametrize(
    ("generation", "options", "asked"),
    [
        (ENGLISH, {}, {}),
        (MULTILINGUAL, {"language": "de", "task": "translate"}, {"language": "de", "task": "translate"}),
    ],
)
def test_tokens_equal_generate_up_to_the_longest_length(
    generation: dict[str, Any], options: dict[str, str], asked: dict[str, str], make_checkpoint: Callable[..., Path]
) -> None:
    """Random weights rarely end, so that this runs into `max_length`; a window of 10 s."""
    folder = make_checkpoint("small", generation=generation)
    transcriber = load_transcriber(str(folder), **options)
    assert transcriber.window_s == 10.0
    features = noise_features(transcriber)
    assert features[0].shape == (80, 1000)
    plain = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    expected = plain.generate(torch.from_numpy(np.stack(features)), num_beams=1, do_sample=False, **asked).tolist()
    prompt = list(transcriber._settings.prompt)
    expected = [row[len(prompt) :] if row[: len(prompt)] == prompt else row for row in expected]
    expected = [list(itertools.takewhile(lambda t: t != END, row)) for row in expected]
    ours = all_tokens(transcriber, features)
    assert ours == expected
    assert max(map(len, ours)) > 30
    assert len({tuple(row) for row in ours}) > 1


def test_the_prompt_of_a_multilingual_model(make_checkpoint: Callable[..., Path], tokenizer: Any) -> None:
    folder = make_checkpoint("multilingual", generation=MULTILINGUAL)
    for language, task in (("en", "transcribe"), ("de", "translate")):
        transcriber = load_transcriber(str(folder), language=language, task=task)
        prompt = tokenizer.convert_ids_to_tokens(list(transcriber._settings.prompt))
        assert prompt == ["<|startoftranscript|>", f"<|{language}|>", f"<|{task}|>", "<|notimestamps|>"]
        assert (transcriber.card.decoding["language"], transcriber.card.decoding["task"]) == (language, task)


COMPLETE = {**MULTILINGUAL, "suppress_tokens": [], "begin_suppress_tokens": [220, END]}


@pytest.fixture(scope="module")
def complete(make_checkpoint: Callable[..., Path]) -> dict[int, list[Transcription]]:
    """Number of beams -> what a checkpoint with all generation settings makes of noise."""
    folder = str(make_checkpoint("complete", generation=COMPLETE, vocab_size=51_865))
    found = {}
    for num_beams in (1, 2):
        transcriber = load_transcriber(folder, num_beams=num_beams)
        found[num_beams] = transcriber.transcribe(noise_features(transcriber, count=2))
    return found


@pytest.mark.parametrize(
    ("missing", "num_beams"),
    [
        (["lang_to_id"], 1),
        (["max_length"], 2),
        (["lang_to_id", "task_to_id", "no_timestamps_token_id", "max_length", "is_multilingual", "suppress_tokens"], 1),
        (["lang_to_id", "task_to_id", "no_timestamps_token_id", "max_length", "is_multilingual", "suppress_tokens"], 2),
    ],
)
def test_a_checkpoint_without_generation_settings_decodes_the_same(
    missing: list[str], num_beams: int, complete: dict[int, list[Transcription]], make_checkpoint: Callable[..., Path]
) -> None:
    """Old and fine-tuned checkpoints leave settings out: what they mean follows from the tokenizer and the configuration."""
    kept = {key: value for key, value in COMPLETE.items() if key not in missing}
    bare = load_transcriber(str(make_checkpoint("bare", generation=kept, vocab_size=51_865)), num_beams=num_beams)
    found = bare.transcribe(noise_features(bare, count=2))
    assert [one.text for one in found] == [one.text for one in complete[num_beams]]
    assert all(len(one.text) > 40 for one in found)


@pytest.mark.parametrize(
    ("generation", "options", "said"),
    [
        (MULTILINGUAL, {"language": "xx"}, r"language: 'xx' is unknown to this model \(allowed: de, en\)"),
        ({**MULTILINGUAL, "lang_to_id": None}, {"language": "xx"}, r"language: 'xx' is unknown to this model \(allowed: af, am, "),
        (MULTILINGUAL, {"task": "sing"}, r"task: 'sing' is unknown .*allowed: transcribe, translate"),
        (ENGLISH, {"language": "de"}, "language: 'de', task: 'transcribe' cannot be set for an English-only model"),
        (ENGLISH, {"task": "translate"}, "cannot be set for an English-only model"),
    ],
)
def test_a_language_or_task_that_the_model_has_not(
    generation: dict[str, Any], options: dict[str, str], said: str, make_checkpoint: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(str(make_checkpoint("m", generation=generation)), **options)
    assert "\n" not in str(caught.value)


def test_a_short_window_hears_the_rest_in_long_form(make_checkpoint: Callable[..., Path]) -> None:
    transcriber = load_transcriber(str(make_checkpoint("short", generation=ENGLISH)))
    short, long = noise_features(transcriber, count=1)[0], noise_features(transcriber, count=1, seconds=12)[0]
    assert long.shape == (80, 1200)
    first, second, third = transcriber.transcribe([short, long, short])
    assert (first.long_form, second.long_form, third.long_form) == (False, True, False)
    assert first == third
    assert sum(second.word_tokens) == len(second.token_logprobs)


def test_outputs_that_overflow_are_one_line(make_checkpoint: Callable[..., Path]) -> None:
    transcriber = load_transcriber(str(make_checkpoint("hot", generation=ENGLISH)))
    with torch.no_grad():
        transcriber._model.model.decoder.layer_norm.weight.fill_(float("inf"))
    with pytest.raises(UserError, match="dtype: 'float32' makes this model's outputs overflow"):
        transcriber.transcribe(noise_features(transcriber, count=1))


def test_half_precision(make_checkpoint: Callable[..., Path]) -> None:
    folder = make_checkpoint("half", generation=ENGLISH)
    transcriber = load_transcriber(str(folder), dtype="bfloat16")
    assert transcriber.card.dtype == "bfloat16"
    [one] = transcriber.transcribe(noise_features(transcriber, count=1))
    assert all(value <= 0 for value in one.token_logprobs)
    assert transcriber.card.weights_sha256 == load_transcriber(str(folder)).card.weights_sha256, "the weights as stored, not as used"
