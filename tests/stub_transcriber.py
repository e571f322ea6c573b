"""A tiny recogniser whose text hangs on every bit of the features it is given, for tests in which the model is not under test."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers.audio_utils import mel_filter_bank

from askd_bench.models.features.log_mel import LogMel
from askd_bench.models.protocol import Features
from askd_bench.signature import ModelCard
from askd_bench.types import Transcription, Word

WORDS = ("the", "pilot", "café", "naïve", "Zürich", "東京", "flew", "over", "“there”", "😀")
CARD = ModelCard(
    id="stub",
    source="stub",
    architecture="HashingTranscriber",
    weights_bytes=0,
    macs_per_second=None,
    parameters=0,
    weights_sha256="0" * 64,
    decoding={"language": "en"},
    dtype="float32",
    device="cpu",
    threads=1,
)


def whisper_frontend(window_s: float = 30.0) -> LogMel:
    filters = mel_filter_bank(201, 80, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    return LogMel(mel_filters=filters.astype(np.float32), n_fft=400, hop_length=160, window_samples=round(window_s * 16_000))


@dataclass
class HashingTranscriber:
    """Words and confidences are drawn from the SHA-256 of the features: one bit changed anywhere upstream changes the text."""

    card: ModelCard = CARD
    window_s: float | None = 30.0
    die_after: int | None = None

    def __post_init__(self) -> None:
        self.frontend = whisper_frontend(self.window_s or 30.0)
        self.batches: list[int] = []

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        if self.die_after is not None and len(self.batches) > self.die_after:  # the first batch is the warm-up
            raise KeyboardInterrupt
        self.batches.append(len(features))
        return [self._transcription(one) for one in features]

    def _transcription(self, features: Features) -> Transcription:
        rng = np.random.default_rng(list(hashlib.sha256(features.tobytes()).digest()))
        count = int(rng.integers(1, 8))
        words = [WORDS[i] for i in rng.integers(len(WORDS), size=count)]
        logprobs = tuple(float(x) for x in -rng.exponential(0.3, count))
        return Transcription(
            text=" ".join(words),
            words=tuple(Word(text, float(np.exp(logprob))) for text, logprob in zip(words, logprobs, strict=True)),
            word_tokens=(1,) * count,
            token_logprobs=logprobs,
            token_entropies=tuple(float(x) for x in rng.random(count)),
            tempered_logprobs={2.0: tuple(logprob / 2 for logprob in logprobs)},
            long_form=features.shape[1] > round((self.window_s or 30.0) * 100),
        )


def load_stub(model: str = "stub", options: Any = None) -> HashingTranscriber:
    """Stand in for `load_transcriber`; another `model` is another card."""
    return HashingTranscriber(card=CARD.model_copy(update={"id": Path(model).name, "source": model}))


class SlowTranscriber(HashingTranscriber):
    """Takes its time, so that it can be interrupted at work."""

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        time.sleep(0.1)
        return super().transcribe(features)


def load_slow_stub(model: str = "stub", options: Any = None) -> SlowTranscriber:
    """Stand in for `load_transcriber`."""
    return SlowTranscriber(card=CARD.model_copy(update={"id": Path(model).name, "source": model}))
