"""Recordings without anything above the band of a telephone are told, by name and number; where a run codes them, once."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus, select
from askd_bench.corpora.bandwidth import high_band_db, narrow_band
from askd_bench.evaluation.run import run
from askd_bench.types import SAMPLING_RATE


def phone_calls(folder: Path) -> Path:
    """Write a manifest of a line as it is, as telephones store it (8 kHz), brought back to 16 kHz; of silence and of nothing."""
    line = next(iter(open_corpus("prompts")))
    assert isinstance(line.audio, Path)
    wide = read_audio(line.audio)
    narrow = soxr.resample(wide, SAMPLING_RATE, 8000)
    soundfile.write(folder / "wide.wav", wide, SAMPLING_RATE)
    soundfile.write(folder / "stored.wav", narrow, 8000)
    soundfile.write(folder / "returned.wav", soxr.resample(narrow, 8000, SAMPLING_RATE), SAMPLING_RATE)
    soundfile.write(folder / "silence.wav", np.zeros(SAMPLING_RATE), SAMPLING_RATE)
    names = ("wide", "stored", "returned", "silence", "lost")
    manifest = folder / "calls.jsonl"
    manifest.write_text("".join(f"{json.dumps({'audio_filepath': f'{name}.wav', 'text': 'x'})}\n" for name in names), encoding="utf-8")
    return manifest


def test_tones_are_measured_against_the_whole() -> None:
    time = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    tones = (np.sin(2 * np.pi * 1000 * time) + 0.01 * np.sin(2 * np.pi * 6000 * time)).astype(np.float32)
    assert high_band_db(tones) == pytest.approx(-40.0, abs=0.01)
    assert high_band_db(np.zeros(100, np.float32)) == -np.inf


def test_narrow_recordings_are_told(tmp_path: Path) -> None:
    told = narrow_band(open_corpus(str(phone_calls(tmp_path))))
    assert told is not None
    assert told.startswith("2 of 3 recordings of calls have nothing above 4 kHz")
    assert "(stored, returned)" in told


@pytest.mark.parametrize("name", ["dialogue", "accents", "prompts", "books"])
def test_bundled_speech_is_wide(name: str) -> None:
    assert narrow_band(select(open_corpus(name), 24)) is None


def test_a_run_says_it_once_where_it_codes(tmp_path: Path, stub_model: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "askd_bench")
    corpus = str(phone_calls(tmp_path))
    for condition, times in (("g711-mulaw", 1), ("loss-10-burst-2-repeat-fade", 0)):
        caplog.clear()
        run("telephony", "stub", corpus=corpus, conditions=[condition, "clean"], output=tmp_path / condition, workers=0)
        assert sum("nothing above 4 kHz" in message for message in caplog.messages) == times
