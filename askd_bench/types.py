"""The values that flow through the benchmark: an utterance, its transcription, its row, its error counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAMPLING_RATE = 16_000
"""Hz. All audio inside the benchmark is mono float32 in [-1, 1] at this rate."""

Samples = NDArray[np.float32]
"""Audio: float32, shape (num_samples,), in [-1, 1], `SAMPLING_RATE` unless said otherwise."""

Split = Literal["dev", "test", "train"]
Realised = Mapping[str, float | int | str | None]
"""What a perturbation measured on its own output, e.g. `{"snr_db": 9.98}`; units are in the names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One recording with its reference text; the audio is decoded only when a worker needs it.

    Attributes:
        id: unique within the corpus.
        audio: a file, or the encoded bytes of one (any format soundfile or PyAV reads).
        reference: the transcript, raw.
        duration_s: seconds, or None where the source does not say before decoding.
        offset_s: where in `audio` the utterance begins, in seconds; it then lasts `duration_s`. None where it is the whole recording.
        channels: those of `audio` that are mixed, counted from 0; empty for all.
        speaker: who speaks; None when unknown, and then the utterance is its own cluster.
        group: e.g. an accent, for tables by group.
        split: "dev" utterances serve to fit temperatures and to choose settings; "test" is what is reported; "train" is for trainers alone.
    """

    id: str
    audio: Path | bytes = field(repr=False)
    reference: str
    duration_s: float | None = None
    offset_s: float | None = None
    speaker: str | None = None
    group: str | None = None
    split: Split = "test"
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """A word as the model wrote it (raw text) and its confidence in [0, 1], None where the runtime gives none."""

    text: str
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """What a model makes of one utterance.

    Attributes:
        text: the raw hypothesis.
        words: its words; `" ".join` of their texts is `text` up to white space.
        word_tokens: how many tokens each word has, so that `token_logprobs` can be grouped into words again.
        token_logprobs: natural log-probability of each chosen text token, shape (num_tokens,). Special tokens are left out, and so are
            tokens of mere punctuation attached to a word: how sure a model is of a comma says nothing about its words.
        token_entropies: entropy of the distribution each token was chosen from, divided by ln(vocabulary size), in [0, 1].
        tempered_logprobs: temperature -> `token_logprobs` had the logits been divided by it, for temperature scaling without a second run.
        long_form: the clip was longer than the model's window and went through long-form decoding.
    """

    text: str
    words: tuple[Word, ...] = ()
    word_tokens: tuple[int, ...] = ()
    token_logprobs: tuple[float, ...] = ()
    token_entropies: tuple[float, ...] = ()
    tempered_logprobs: Mapping[float, tuple[float, ...]] = field(default_factory=dict)
    long_form: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a model gave no transcription of one utterance; it becomes the `error` of its row."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of `utterances.jsonl`: everything any figure is later computed from.

    `hypothesis` is None exactly when `error` says why there is none. `decode_s` (seconds, the utterance's share of its batch) is None
    when the timing would mislead: a kept row of a resumed run. `batch` is the number of utterances the model really decoded together.
    `realised` is what the condition did to this utterance (SNR, gain, loss rate...); `audio_sha256` is of the int16 samples.
    The other fields are those of `Utterance` and `Transcription`.
    """

    condition: str
    utterance: str
    reference: str
    hypothesis: str | None
    duration_s: float
    speaker: str | None = None
    group: str | None = None
    split: Split = "test"
    words: tuple[Word, ...] = ()
    word_tokens: tuple[int, ...] = ()
    token_logprobs: tuple[float, ...] = ()
    token_entropies: tuple[float, ...] = ()
    tempered_logprobs: Mapping[float, tuple[float, ...]] = field(default_factory=dict)
    long_form: bool = False
    realised: Realised = field(default_factory=dict)
    batch: int = 1
    decode_s: float | None = None
    audio_sha256: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Word (or character) errors against a reference. They add, so that `sum(counts, ErrorCounts())` is the pooled count of a corpus.

    >>> (ErrorCounts(hits=8, substitutions=1, deletions=1) + ErrorCounts(insertions=2)).error_rate
    0.4
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Words (or characters) of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis_length(self) -> int:
        """Words (or characters) of the hypothesis."""
        return self.hits + self.substitutions + self.insertions

    @property
    def error_rate(self) -> float | None:
        """Errors per reference word; None where there are no reference words."""
        return self.errors / self.reference_length if self.reference_length else None
