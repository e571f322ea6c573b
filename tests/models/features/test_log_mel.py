"""The log-mel front end against transformers' feature extractor."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from stub_transcriber import whisper_frontend
from transformers import WhisperFeatureExtractor

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.models.audio_context import AudioContext

RATE = 16_000


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    clips = [read_audio(u.audio) for u in open_corpus("books")]
    return np.concatenate(clips * 2)[: 32 * RATE]


def oracle(samples: np.ndarray, window_s: int) -> np.ndarray:
    extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=window_s)
    longer = len(samples) > window_s * RATE
    options = {"truncation": False, "padding": "longest"} if longer else {}
    return extractor(samples, sampling_rate=RATE, return_tensors="np", **options).input_features[0]


@pytest.mark.parametrize("window_s", [30, 10])
@pytest.mark.parametrize(
    "num_samples", [1, 2, 159, 160, 161, 199, 200, 201, 400, 401, 5_000, 16_000, 80_123, -201, -200, -1, 0, 1_000, 16_001]
)
def test_equals_transformers(num_samples: int, window_s: int, speech: np.ndarray) -> None:
    """Lengths of 0 and less, and the two last ones, count from the end of the window."""
    relative = num_samples <= 0 or num_samples in (1_000, 16_001)
    clip = speech[: window_s * RATE + num_samples if relative else num_samples]
    ours = whisper_frontend(window_s)(clip)
    theirs = oracle(clip, window_s)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_silence_and_full_scale(speech: np.ndarray) -> None:
    for clip in (np.zeros(RATE, np.float32), np.ones(RATE, np.float32), np.sign(speech[:RATE]).astype(np.float32)):
        np.testing.assert_allclose(whisper_frontend()(clip), oracle(clip, 30), atol=1e-4)


def test_the_extractors_own_filters_are_ours() -> None:
    np.testing.assert_allclose(whisper_frontend().mel_filters, WhisperFeatureExtractor().mel_filters, atol=1e-7)


def test_workers_can_have_it_without_torch(speech: np.ndarray) -> None:
    """It travels by pickle and gives the same bits in another process, which torch is never loaded into."""
    script = (
        "import pickle, sys; frontend, clip = pickle.load(sys.stdin.buffer); out = frontend(clip)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules); sys.stdout.buffer.write(out.tobytes())"
    )
    clip = speech[: 3 * RATE]
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps((whisper_frontend(), clip)), capture_output=True, check=True)
    assert done.stdout == whisper_frontend()(clip).tobytes()


@pytest.mark.parametrize("margin", [0, 1, 64])
@pytest.mark.parametrize("num_samples", [1, 320, 321, 79_999, 160_000, -64 * 320 - 1, -64 * 320, -320, -1, 0, 16_000])
def test_a_short_context_is_the_beginning_of_the_whole_window(num_samples: int, margin: int, speech: np.ndarray) -> None:
    """To the bit; lengths of 0 and less, and the last one, count from the end of the window, beyond which nothing is cut."""
    relative = num_samples <= 0 or num_samples == 16_000
    clip = speech[: 30 * RATE + num_samples if relative else num_samples]
    whole = whisper_frontend()(clip)
    context = AudioContext(margin=margin)
    short = dataclasses.replace(whisper_frontend(), context=context)(clip)
    frames = 2 * context.positions(len(clip), 1500) if len(clip) <= 30 * RATE else whole.shape[1]
    assert short.flags.c_contiguous
    assert np.array_equal(short, whole[:, :frames])
