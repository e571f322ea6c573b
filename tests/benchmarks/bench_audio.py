"""How fast recordings are read: one clip of each bundled coding, and two minutes of 48 kHz stereo."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus, select
from askd_bench.paths import CORPORA_DIR


@pytest.mark.parametrize(("corpus", "suffix"), [("dialogue", ".mp3"), ("accents", ".flac"), ("prompts", ".g722"), ("books", ".wav")])
def test_read_a_clip(benchmark: Any, corpus: str, suffix: str) -> None:
    file: Path = sorted((CORPORA_DIR / corpus).rglob(f"*{suffix}"))[0]
    assert benchmark(read_audio, file).size


def test_read_two_minutes_of_stereo(benchmark: Any) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).uniform(-0.5, 0.5, (120 * 48_000, 2)), 48_000, format="WAV")
    assert len(benchmark.pedantic(read_audio, args=(buffer.getvalue(),), rounds=3)) == 120 * 16_000


def test_open_and_sample_a_bundled_corpus(benchmark: Any) -> None:
    assert len(list(benchmark(lambda: select(open_corpus("accents"), 100)))) == 100
