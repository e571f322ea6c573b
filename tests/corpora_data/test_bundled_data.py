"""Conformance of the bundled speech and noise: what the manifests say is what the folders hold."""

import json
import random
import re
import tomllib
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import soundfile

from askd_bench.audio import audio_duration_s, read_audio
from askd_bench.paths import CORPORA_DIR, NOISE_DIR
from askd_bench.types import SAMPLING_RATE

CORPORA = ("accents", "books", "dialogue", "prompts")
FOLDERS = [*(CORPORA_DIR / name for name in CORPORA), NOISE_DIR / "music"]
MAX_BYTES = 30 * 2**20

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
each_corpus = pytest.mark.parametrize("name", CORPORA)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def about(folder: Path) -> dict[str, Any]:
    file = folder / ("corpus.toml" if folder.parent == CORPORA_DIR else "noise.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@each_folder
def test_every_row_has_its_file_and_every_file_its_row(folder: Path) -> None:
    rows = rows_of(folder)
    assert {row["audio_filepath"] for row in rows} == {path.relative_to(folder).as_posix() for path in (folder / "audio").iterdir()}
    assert len({row["id"] for row in rows}) == len({row["audio_filepath"] for row in rows}) == len(rows)


@each_folder
def test_files_are_the_ones_that_were_checked(folder: Path) -> None:
    changed = [
        row["id"] for row in rows_of(folder) if sha256((folder / row["audio_filepath"]).read_bytes()).hexdigest() != row["audio_sha256"]
    ]
    assert not changed


@each_folder
def test_durations_are_those_of_the_audio(folder: Path) -> None:
    rows = rows_of(folder)
    measured = {row["id"]: _duration_s(folder / row["audio_filepath"]) for row in rows}
    assert {row["id"]: row["duration"] for row in rows} == pytest.approx(measured, abs=0.01)
    for row in random.Random(0).sample(rows, min(len(rows), 25)):
        assert len(read_audio(folder / row["audio_filepath"])) / SAMPLING_RATE == pytest.approx(row["duration"], abs=0.001)


def _duration_s(audio: Path) -> float | None:
    if audio.suffix == ".mp3":  # its header is an estimate
        return len(soundfile.read(audio)[0]) / soundfile.info(audio).samplerate
    return audio_duration_s(audio)


@each_corpus
def test_recordings_have_the_stated_sampling_rate(name: str) -> None:
    rate = about(CORPORA_DIR / name)["sampling_rate"]
    for row in random.Random(1).sample(rows_of(CORPORA_DIR / name), 5):
        if not row["audio_filepath"].endswith(".g722"):  # headerless, always 16 kHz
            assert soundfile.info(CORPORA_DIR / name / row["audio_filepath"]).samplerate == rate


@each_corpus
def test_texts_are_transcripts(name: str) -> None:
    for row in rows_of(CORPORA_DIR / name):
        text = row["text"]
        assert text == " ".join(text.split())
        assert len(text.split()) >= 3, row
        assert re.fullmatch(r"[A-Za-z0-9 '\",.?!:;-]+", text), row
        assert ".." not in text, row
        assert not re.search(r"(^|\s)[.,?!]", text), row


@each_corpus
def test_recordings_are_utterances_with_sound(name: str) -> None:
    rows = rows_of(CORPORA_DIR / name)
    assert all(0.5 <= row["duration"] <= 30 for row in rows)
    for row in random.Random(2).sample(rows, min(len(rows), 25)):
        samples = read_audio(CORPORA_DIR / name / row["audio_filepath"])
        assert 0.05 < abs(samples).max() <= 1
        words_per_s = len(row["text"].split()) / row["duration"]
        assert 0.4 < words_per_s < 8, row  # a text that belongs to another recording seldom fits its length


@each_corpus
def test_splits_share_no_speaker_and_no_text(name: str) -> None:
    rows = rows_of(CORPORA_DIR / name)
    assert {row["split"] for row in rows} == ({"dev", "test"} if name == "dialogue" else {"test"})
    for key in ("speaker", "text"):
        seen = {split: {row[key].casefold() for row in rows if row["split"] == split} for split in ("dev", "test")}
        assert not seen["dev"] & seen["test"], key


def test_dialogue_is_balanced_over_characters() -> None:
    rows = rows_of(CORPORA_DIR / "dialogue")
    assert Counter(row["split"] for row in rows) == {"dev": 90, "test": 160}
    for split in ("dev", "test"):
        counts = Counter(row["character"] for row in rows if row["split"] == split)
        assert max(counts.values()) <= 1.35 * sum(counts.values()) / len(counts), counts


@each_corpus
def test_counts_and_notices_are_there(name: str) -> None:
    folder = CORPORA_DIR / name
    description, rows = about(folder), rows_of(folder)
    assert description["name"] == name
    assert description["licence"]
    assert {row["licence"] for row in rows} == {description["licence"]}
    assert all(len(source["sha256"]) == 64 or "lines" in source["sha256"] for source in description["sources"])
    assert all((folder / notice).stat().st_size > 100 for notice in description["notices"])
    assert description["counts"]["utterances"] == len(rows)
    assert description["counts"]["speakers"] == len({row["speaker"] for row in rows})
    assert description["counts"]["words"] == sum(len(row["text"].split()) for row in rows)
    assert description["counts"]["minutes"] == pytest.approx(sum(row["duration"] for row in rows) / 60, abs=0.06)
    assert description["counts"]["split"] == Counter(row["split"] for row in rows)


@pytest.mark.parametrize("name", ["dialogue", "accents"])
def test_game_recordings_are_marked_as_modified(name: str) -> None:
    folder = CORPORA_DIR / name
    assert "MODIFIED VERSION" in (folder / "NOTICE-MODIFIED-VERSION.txt").read_text(encoding="utf-8")
    assert "Legal Stuff" in (folder / "readme.original.txt").read_text(encoding="utf-8")
    assert "our reading" in about(folder)["licence_text"]


def test_music_is_credited_and_small() -> None:
    folder = NOISE_DIR / "music"
    description, rows = about(folder), rows_of(folder)
    assert description["licence"] == "CC-BY-SA-3.0"
    assert (folder / "copyright.debian").is_file()
    for row in rows:
        assert row["sampling_rate"] == soundfile.info(folder / row["audio_filepath"]).samplerate == description["sampling_rate"]
        assert row["artist"] in description["licence_text"]
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 2 * 2**20


def test_all_bundled_speech_is_within_its_size() -> None:
    assert sum(path.stat().st_size for name in CORPORA for path in (CORPORA_DIR / name).rglob("*") if path.is_file()) <= MAX_BYTES
