"""Clips for a transcription server, what should come of them, and a key to call it with."""

from typing import Any

import numpy as np
import pytest
from transcription_server import said

from askd_bench.audio import audio_sha256, to_int16
from askd_bench.errors import UserError
from askd_bench.models.load import load_transcriber
from askd_bench.types import Failure, Samples, Transcription

KEY = "sk-secret-0123456789abcdef"


def clips(count: int) -> list[Samples]:
    """Short noises, quantised as a run does."""
    noise = np.random.default_rng(3).normal(0, 0.1, (count, 800))
    return [to_int16(one).astype(np.float32) / np.float32(32_768) for one in noise]


def expected(samples: Samples) -> Any:
    return said(audio_sha256(to_int16(samples)))


def texts(transcriptions: list[Transcription | Failure]) -> list[str]:
    assert all(isinstance(one, Transcription) for one in transcriptions), transcriptions
    return [one.text for one in transcriptions if isinstance(one, Transcription)]


def refused(model: str, match: str, **options: Any) -> str:
    with pytest.raises(UserError, match=match) as caught:
        load_transcriber(model, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
