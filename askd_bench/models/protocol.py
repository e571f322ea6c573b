"""What the engine asks of a model: a picklable front end for the workers, and batched transcription."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from askd_bench.signature import ModelCard
from askd_bench.types import Failure, Samples, Transcription

Features = NDArray[np.float32]
"""What one utterance looks like to the model, e.g. a log-mel spectrogram, shape (num_mels, num_frames)."""


class Frontend(Protocol):
    """Turns audio into features, in a worker process: picklable, and free of torch so that workers start fast."""

    def __call__(self, samples: Samples) -> Features:
        """Return the features of 16 kHz mono samples."""


@dataclass(frozen=True, slots=True)
class RawAudio:
    """The front end that leaves audio as it is."""

    def __call__(self, samples: Samples) -> Features:
        """Return the samples, float32, shape (num_samples,), exact multiples of 1/32768."""
        return samples


REMOTE = "remote"
"""The `device` of a model on another machine: this process' memory says nothing about it, and its timings include the network."""


class Described(Protocol):
    """What planning and recording need to know of a model, wherever it is."""

    @property
    def card(self) -> ModelCard:
        """What identifies the model."""

    @property
    def window_s(self) -> float | None:
        """The longest clip, in seconds, that goes through in one piece and in a batch; None for no limit."""

    @property
    def frontend(self) -> Frontend:
        """What the workers are to make of audio."""


class Transcriber(Described, Protocol):
    """A speech recogniser in any runtime.

    One whose timings would mislead has an attribute `timed`, False: it needs no warm-up, and its rows have no timings (see `is_timed`).
    """

    def transcribe(self, features: Sequence[Features]) -> Sequence[Transcription | Failure]:
        """Return one transcription for each array of features, in order, decoded as one batch; a `Failure` where there can be none."""


def is_timed(transcriber: Transcriber) -> bool:
    """Return whether the time that a model takes is worth recording; it is unless the model has `timed = False`."""
    return bool(getattr(transcriber, "timed", True))


@runtime_checkable
class SharesEncoder(Protocol):
    """A transcriber whose encoder other models may have too: they are then served by one pass of it.

    `transcribe(features)` is `decode(encode(features))`. Models with equal `encoder_key` give equal states, bit for bit; None shares none.
    """

    @property
    def encoder_key(self) -> str | None:
        """What the encoder's states depend on beside the audio."""

    def encode(self, features: Sequence[Features]) -> Any:
        """Return what `decode` needs of a batch."""

    def decode(self, encoded: Any) -> Sequence[Transcription | Failure]:
        """Return one transcription for each utterance of an encoded batch."""
