"""The Whisper family on transformers: OpenAI's, Distil-Whisper, turbo, fine-tuned and merged checkpoints, any window length."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from askd_bench.errors import UserError
from askd_bench.models.base import Features, ModelCard
from askd_bench.models.checkpoint import Checkpoint, weights_sha256
from askd_bench.models.confidence import TEMPERATURES, TokenConfidences, append, score_choice
from askd_bench.models.devices import set_up
from askd_bench.models.greedy import GreedySettings, decode_greedily
from askd_bench.models.log_mel import LogMel
from askd_bench.models.options import Options
from askd_bench.models.size import whisper_macs_per_second
from askd_bench.models.words import group_into_words
from askd_bench.types import SAMPLING_RATE, Transcription


def load(checkpoint: Checkpoint, options: Options) -> "WhisperTranscriber":
    """Load a Whisper checkpoint.

    Raises:
        UserError: its parts cannot be read or do not fit each other.
    """
    device, dtype = set_up(options)
    model = checkpoint.load_weights(WhisperForConditionalGeneration)
    tokenizer, extractor = checkpoint.load_part(WhisperTokenizer), checkpoint.load_part(WhisperFeatureExtractor)
    config = checkpoint.config
    if extractor.feature_size != config.num_mel_bins or extractor.sampling_rate != SAMPLING_RATE:
        raise UserError(
            f"model: {checkpoint.argument!r} has a feature extractor of {extractor.feature_size} mel bands at {extractor.sampling_rate} Hz "
            f"(allowed: {config.num_mel_bins}, as its weights expect, at {SAMPLING_RATE} Hz)"
        )
    card = checkpoint.card(
        model,
        dtype=dtype,
        device=device,
        macs=whisper_macs_per_second(config, hop_length=extractor.hop_length),
        language=options.language,
        task=options.task,
        num_beams=options.num_beams,
        temperature=0.0,
        timestamps=False,
    )
    model = model.to(device=device, dtype=dtype).eval()
    return WhisperTranscriber(model, tokenizer, extractor, card, language=options.language, task=options.task, num_beams=options.num_beams)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch after the encoder: its spectrograms, which of them fit the window, and the encoder's states of those (None with beams)."""

    features: Sequence[Features]
    fitting: tuple[int, ...]
    states: torch.Tensor | None


class WhisperTranscriber:
    """Transcribes with a `WhisperForConditionalGeneration`.

    Clips within the model's window are decoded in a batch, without timestamps: greedily by our own loop, with beams by `generate`. Longer
    clips go one by one through transformers' long-form decoding (timestamps on, no temperature fallback). Language and task are always set:
    without them a multilingual checkpoint may loop or translate.

    Confidences are those of the decoded path; with beams there is none to be had in one pass, and words carry None.
    """

    def __init__(
        self,
        model: WhisperForConditionalGeneration,
        tokenizer: WhisperTokenizer,
        extractor: WhisperFeatureExtractor,
        card: ModelCard,
        *,
        language: str,
        task: str,
        num_beams: int,
    ) -> None:
        config = model.config
        window_frames = config.max_source_positions * 2  # the second convolution halves the frame rate
        self.card = card
        self.window_s: float | None = window_frames * extractor.hop_length / SAMPLING_RATE
        self.frontend = LogMel(
            mel_filters=np.asarray(extractor.mel_filters, np.float32),
            n_fft=extractor.n_fft,
            hop_length=extractor.hop_length,
            window_samples=window_frames * extractor.hop_length,
        )
        self.encoder_key = _encoder_key(model, card, self.frontend) if num_beams == 1 else None
        self._model, self._tokenizer, self._num_beams = model, tokenizer, num_beams
        self._window_frames = window_frames
        self._generation, self._language_and_task = _generation_config(model, tokenizer, language, task)
        self._settings = GreedySettings(
            prompt=_prompt(tokenizer, self._language_and_task),
            suppressed=tuple(self._generation.suppress_tokens or ()),
            suppressed_first=tuple(self._generation.begin_suppress_tokens or ()),
            end=_token_id(tokenizer, "<|endoftext|>"),
            max_length=self._generation.max_length,
        )

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each spectrogram; see `Transcriber`."""
        return self.decode(self.encode(features))

    @torch.inference_mode()
    def encode(self, features: Sequence[Features]) -> Encoded:
        """Run the encoder over the spectrograms that fit the window; see `SharesEncoder`."""
        fitting = tuple(i for i, feature in enumerate(features) if feature.shape[1] <= self._window_frames)
        if not fitting or self._num_beams > 1:
            return Encoded(features, fitting, None)
        return Encoded(features, fitting, self._model.model.encoder(self._batch(features, fitting)).last_hidden_state)

    @torch.inference_mode()
    def decode(self, encoded: Encoded) -> list[Transcription]:
        """Return one transcription for each spectrogram of an encoded batch."""
        results: dict[int, Transcription] = {}
        if encoded.states is not None:
            records = decode_greedily(self._model, encoded.states, self._settings)
            results.update(zip(encoded.fitting, map(self._transcription, records), strict=True))
        elif encoded.fitting:
            sequences = self._generate(self._batch(encoded.features, encoded.fitting), num_beams=self._num_beams)
            texts = [self._text([token for token in row if token < self._settings.end]) for row in sequences.tolist()]
            results.update(zip(encoded.fitting, (Transcription(text=text) for text in texts), strict=True))
        for i, feature in enumerate(encoded.features):
            if i not in results:
                results[i] = self._transcribe_long(torch.from_numpy(feature)[None])
        return [results[i] for i in range(len(encoded.features))]

    def _batch(self, features: Sequence[Features], chosen: Sequence[int]) -> torch.Tensor:
        """Return spectrograms as one tensor on the device; on a GPU the copy overlaps with what it is computing."""
        batch = torch.from_numpy(np.stack([features[i] for i in chosen]))
        if self._model.device.type == "cuda":
            batch = batch.pin_memory()
        return batch.to(self._model.device, non_blocking=True).to(self._model.dtype)

    @torch.inference_mode()
    def _transcribe_long(self, features: torch.Tensor) -> Transcription:
        features = features.to(self._model.device, self._model.dtype)
        recorder = _Recorder()
        mask = torch.ones(features.shape[0], features.shape[-1], dtype=torch.long, device=features.device)
        result = self._generate(
            features,
            num_beams=self._num_beams,
            attention_mask=mask,
            return_timestamps=True,
            return_segments=True,
            condition_on_prev_tokens=False,
            logits_processor=[recorder] if self._num_beams == 1 else [],
        )
        segments = result["segments"][0]
        if self._num_beams == 1:
            return self._transcription(recorder.select(segments, end=self._settings.end), long_form=True)
        kept = [token for segment in segments for token in segment["tokens"].tolist() if token < self._settings.end]
        return Transcription(text=self._text(kept), long_form=True)

    def _generate(self, features: torch.Tensor, **options: object) -> Any:
        """Return what `generate` does: ids as a tensor, or a dict of segments when those were asked for."""
        return self._model.generate(features, generation_config=self._generation, **self._language_and_task, **options)

    def _text(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True).strip()  # type: ignore[no-any-return]

    def _transcription(self, record: TokenConfidences, *, long_form: bool = False) -> Transcription:
        if not all(map(math.isfinite, record.logprobs)):
            raise UserError(f"dtype: {self.card.dtype!r} makes this model's outputs overflow (allowed: another dtype, e.g. float32)")
        words = group_into_words(record.tokens, record.logprobs, self._tokenizer)
        scored = [position for word in words for position in word.scored]
        return Transcription(
            text=self._text(record.tokens),
            words=tuple(word.word for word in words),
            word_tokens=tuple(len(word.scored) for word in words),
            token_logprobs=tuple(record.logprobs[i] for i in scored),
            token_entropies=tuple(record.entropies[i] for i in scored),
            tempered_logprobs={temperature: tuple(record.tempered[i][k] for i in scored) for k, temperature in enumerate(TEMPERATURES)},
            long_form=long_form,
        )


class _Recorder(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Last in `generate`'s chain of processors: notes what greedy search is about to choose, and how sure of it the model is."""

    def __init__(self) -> None:
        self._windows: list[TokenConfidences] = []
        self._prompt_length = self._length = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        length = input_ids.shape[1]
        if not self._windows or length <= self._length:  # back at the prompt: the next window
            self._windows.append(TokenConfidences())
            self._prompt_length = length
        self._length = length
        chosen = scores.argmax(-1)
        append(self._windows[-1], int(chosen[0]), score_choice(scores, chosen)[0].tolist())
        return scores

    def select(self, segments: Sequence[Mapping[str, Any]], *, end: int) -> TokenConfidences:
        """Return the record of the text tokens of the segments that long-form decoding kept.

        An unfinished segment at the end of a window is dropped and decoded again in the next one: each segment says where in its window
        it stands, and stands in a later window than the one before it unless it follows it in the same.
        """
        selected, number, following = TokenConfidences(), 0, 0
        for segment in segments:
            tokens, start = segment["tokens"].tolist(), segment["idxs"][0] - self._prompt_length
            number += start < following
            while self._windows[number].tokens[start : start + len(tokens)] != tokens:
                number += 1
            following = start + len(tokens)
            window = self._windows[number]
            for i, token in enumerate(tokens, start):
                if token < end:  # neither a timestamp nor another special token
                    append(selected, token, [window.logprobs[i], window.entropies[i], *window.tempered[i]])
        return selected


def _encoder_key(model: WhisperForConditionalGeneration, card: ModelCard, frontend: LogMel) -> str:
    """Return the same digest for models whose encoder gives the same states, bit for bit."""
    filters = hashlib.sha256(frontend.mel_filters.tobytes()).hexdigest()
    settings = (card.dtype, card.device, card.threads, filters, frontend.n_fft, frontend.hop_length, frontend.window_samples)
    structure = sorted((name, value) for name, value in model.config.to_dict().items() if name.startswith("encoder_"))
    return hashlib.sha256(
        repr((weights_sha256(model.model.encoder), settings, structure, model.config.activation_function)).encode()
    ).hexdigest()


def _known_id(tokenizer: WhisperTokenizer, token: str) -> int | None:
    found = tokenizer.convert_tokens_to_ids(token)
    return None if found is None or (token != "<|endoftext|>" and found == tokenizer.unk_token_id) else int(found)


def _token_id(tokenizer: WhisperTokenizer, token: str) -> int:
    found = _known_id(tokenizer, token)
    if found is None:
        raise UserError(f"model: its tokenizer has no {token} token (allowed: a folder with the Whisper tokenizer beside the weights)")
    return found


def _prompt(tokenizer: WhisperTokenizer, language_and_task: dict[str, str]) -> tuple[int, ...]:
    names = ["<|startoftranscript|>"]
    if language_and_task:
        names += [f"<|{language_and_task['language']}|>", f"<|{language_and_task['task']}|>"]
    return tuple(_token_id(tokenizer, name) for name in [*names, "<|notimestamps|>"])


def _generation_config(
    model: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, language: str, task: str
) -> tuple[GenerationConfig, dict[str, str]]:
    """Return the checkpoint's generation settings, completed where an old or fine-tuned checkpoint left them out, and language and task."""
    generation = model.generation_config
    multilingual = getattr(generation, "is_multilingual", None)
    if multilingual is None:
        multilingual = model.config.vocab_size >= 51_865
        generation.is_multilingual = multilingual
    if getattr(generation, "no_timestamps_token_id", None) is None:
        generation.no_timestamps_token_id = _token_id(tokenizer, "<|notimestamps|>")
    # without a length of its own `generate` would stop after 20 tokens
    generation.max_length = min(generation.max_length or model.config.max_target_positions, model.config.max_target_positions)
    generation.forced_decoder_ids = None
    generation.return_timestamps = False
    if not multilingual:
        if language != "en" or task != "transcribe":
            raise UserError(f"language: {language!r}, task: {task!r} cannot be set for an English-only model (allowed: 'en', 'transcribe')")
        return generation, {}
    if getattr(generation, "lang_to_id", None) is None:
        known = {f"<|{code}|>": _known_id(tokenizer, f"<|{code}|>") for code in LANGUAGES}
        generation.lang_to_id = {token: id_ for token, id_ in known.items() if id_ is not None}
    if getattr(generation, "task_to_id", None) is None:
        generation.task_to_id = {name: _token_id(tokenizer, f"<|{name}|>") for name in ("transcribe", "translate")}
    if f"<|{language}|>" not in generation.lang_to_id:
        allowed = ", ".join(sorted(name.strip("<|>") for name in generation.lang_to_id))
        raise UserError(f"language: {language!r} is unknown to this model (allowed: {allowed})")
    return generation, {"language": language, "task": task}
