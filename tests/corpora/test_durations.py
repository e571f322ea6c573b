"""A manifest whose durations are not those of its files is told."""

import json
from pathlib import Path

import numpy as np
import soundfile

from askd_bench.corpora import open_corpus
from askd_bench.corpora.durations import unlike_files


def test_durations_that_are_not_the_files(tmp_path: Path) -> None:
    for name, seconds in (("a", 3.0), ("b", 2.0), ("c", 1.0)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(int(16_000 * seconds)), 16_000)
    manifest = tmp_path / "manifest.jsonl"

    def said(**durations: float) -> str | None:
        records = [{"audio_filepath": f"{name}.wav", "text": "x", "duration": duration} for name, duration in durations.items()]
        records.append({"audio_filepath": "a.wav", "text": "x", "id": "part", "offset": 1.0, "duration": 1.0})
        records.append({"audio_filepath": "lost.wav", "text": "x", "duration": 9.0})
        manifest.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        return unlike_files(open_corpus(str(manifest)))

    assert said(a=3.0, b=2.2, c=1.0) is None
    told = said(a=3.0, b=1.0, c=7.5)
    assert told is not None
    assert told.startswith("2 recordings do not last as long as")
    assert "b: 1 s, its file 2.00 s" in told


def test_bundled_durations_are_the_files() -> None:
    for name in ("dialogue", "prompts"):
        assert unlike_files(open_corpus(name)) is None
