"""What the Whisper family shares in every runtime: front end, prompt, suppressed tokens, and the way from tokens to a transcription."""

import math
from dataclasses import dataclass

import numpy as np
from transformers import GenerationConfig, PretrainedConfig, WhisperFeatureExtractor, WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from askd_bench.errors import UserError
from askd_bench.models.audio_context import AudioContext, choose_context
from askd_bench.models.checkpoint import Checkpoint
from askd_bench.models.decoding.confidence import TEMPERATURES, TokenConfidences
from askd_bench.models.decoding.greedy import GreedySettings
from askd_bench.models.decoding.words import group_into_words
from askd_bench.models.features.log_mel import LogMel
from askd_bench.models.size import whisper_macs_per_second
from askd_bench.options import ModelOptions
from askd_bench.types import SAMPLING_RATE, Transcription


@dataclass(frozen=True, slots=True)
class WhisperParts:
    """A Whisper checkpoint without its weights.

    Attributes:
        tokenizer: its tokenizer.
        special: its tokens that are no text.
        frontend: from samples to spectrograms of the model's window.
        window_frames: spectrogram frames in the window.
        context: how much of the window a clip has; None for all.
        generation: its generation settings, completed.
        language_and_task: what `generate` is to be told; empty for an English-only checkpoint.
        settings: the same for greedy decoding.
        macs_per_second: see `size`.
    """

    tokenizer: WhisperTokenizer
    special: frozenset[int]
    frontend: LogMel
    window_frames: int
    context: AudioContext | None
    generation: GenerationConfig
    language_and_task: dict[str, str]
    settings: GreedySettings
    macs_per_second: int

    @property
    def decoding(self) -> dict[str, str]:
        """What a card's `decoding` says of the audio context: nothing where it is the whole window."""
        return {} if self.context is None else {"audio_context": str(self.context)}

    @property
    def window_s(self) -> float:
        """Seconds of the window."""
        return self.frontend.window_samples / SAMPLING_RATE

    def text(self, tokens: list[int]) -> str:
        """Return the text of tokens, without special ones."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True).strip()  # type: ignore[no-any-return]

    def transcription(self, record: TokenConfidences, *, dtype: str, long_form: bool = False) -> Transcription:
        """Return the transcription of a decoded path.

        Raises:
            UserError: its probabilities are not numbers; `dtype`, in which they were computed, is named.
        """
        if not all(map(math.isfinite, record.logprobs)):
            raise UserError(f"dtype: {dtype!r} makes this model's outputs overflow (allowed: another dtype, e.g. float32)")
        # A weak model may write a language's token where a word should be: it is no part of the text, and so of no word.
        spoken = [i for i, token in enumerate(record.tokens) if token not in self.special]
        words = group_into_words([record.tokens[i] for i in spoken], [record.logprobs[i] for i in spoken], self.tokenizer)
        scored = [spoken[position] for word in words for position in word.scored]
        return Transcription(
            text=self.text(record.tokens),
            words=tuple(word.word for word in words),
            word_tokens=tuple(len(word.scored) for word in words),
            token_logprobs=tuple(record.logprobs[i] for i in scored),
            token_entropies=tuple(record.entropies[i] for i in scored),
            tempered_logprobs={temperature: tuple(record.tempered[i][k] for i in scored) for k, temperature in enumerate(TEMPERATURES)},
            long_form=long_form,
        )


def whisper_parts(
    checkpoint: Checkpoint, generation: GenerationConfig, options: ModelOptions, *, extractor: WhisperFeatureExtractor | None = None
) -> WhisperParts:
    """Read the parts of a checkpoint beside its weights.

    Args:
        checkpoint: its configuration is a `WhisperConfig`.
        generation: its generation settings; changed in place where an old or fine-tuned checkpoint left them out.
        options: language, task and audio context.
        extractor: its feature extractor; None for the one in its files.

    Raises:
        UserError: a part cannot be read, parts do not fit each other, or the model has not that language or task.
    """
    config = checkpoint.config
    tokenizer = checkpoint.load_part(WhisperTokenizer)
    extractor = extractor or checkpoint.load_part(WhisperFeatureExtractor)
    if extractor.feature_size != config.num_mel_bins or extractor.sampling_rate != SAMPLING_RATE:
        raise UserError(
            f"model: {checkpoint.argument!r} has a feature extractor of {extractor.feature_size} mel bands at {extractor.sampling_rate} Hz "
            f"(allowed: {config.num_mel_bins}, as its weights expect, at {SAMPLING_RATE} Hz)"
        )
    window_frames = config.max_source_positions * 2  # the second convolution halves the frame rate
    language_and_task = _complete(generation, config, tokenizer, options)
    context = choose_context(options.audio_context, config)
    return WhisperParts(
        tokenizer=tokenizer,
        special=frozenset(token for token, about in tokenizer.added_tokens_decoder.items() if about.special),
        frontend=LogMel(
            mel_filters=np.asarray(extractor.mel_filters, np.float32),
            n_fft=extractor.n_fft,
            hop_length=extractor.hop_length,
            window_samples=window_frames * extractor.hop_length,
            context=context,
        ),
        window_frames=window_frames,
        context=context,
        generation=generation,
        language_and_task=language_and_task,
        settings=GreedySettings(
            prompt=_prompt(tokenizer, language_and_task),
            suppressed=tuple(generation.suppress_tokens or ()),
            suppressed_first=tuple(generation.begin_suppress_tokens or ()),
            end=_token_id(tokenizer, "<|endoftext|>"),
            max_length=generation.max_length,
        ),
        macs_per_second=whisper_macs_per_second(config, hop_length=extractor.hop_length),
    )


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


def _complete(generation: GenerationConfig, config: PretrainedConfig, tokenizer: WhisperTokenizer, options: ModelOptions) -> dict[str, str]:
    """Complete generation settings where an old or fine-tuned checkpoint left them out; return language and task for `generate`."""
    language, task = options.language, options.task
    multilingual = getattr(generation, "is_multilingual", None)
    if multilingual is None:
        multilingual = config.vocab_size >= 51_865
        generation.is_multilingual = multilingual
    if getattr(generation, "no_timestamps_token_id", None) is None:
        generation.no_timestamps_token_id = _token_id(tokenizer, "<|notimestamps|>")
    # without a length of its own `generate` would stop after 20 tokens
    generation.max_length = min(generation.max_length or config.max_target_positions, config.max_target_positions)
    generation.forced_decoder_ids = None
    generation.return_timestamps = False
    if not multilingual:
        if language != "en" or task != "transcribe":
            raise UserError(f"language: {language!r}, task: {task!r} cannot be set for an English-only model (allowed: 'en', 'transcribe')")
        return {}
    if getattr(generation, "lang_to_id", None) is None:
        known = {f"<|{code}|>": _known_id(tokenizer, f"<|{code}|>") for code in LANGUAGES}
        generation.lang_to_id = {token: id_ for token, id_ in known.items() if id_ is not None}
    if getattr(generation, "task_to_id", None) is None:
        generation.task_to_id = {name: _token_id(tokenizer, f"<|{name}|>") for name in ("transcribe", "translate")}
    if f"<|{language}|>" not in generation.lang_to_id:
        allowed = ", ".join(sorted(name.strip("<|>") for name in generation.lang_to_id))
        raise UserError(f"language: {language!r} is unknown to this model (allowed: {allowed})")
    return {"language": language, "task": task}
