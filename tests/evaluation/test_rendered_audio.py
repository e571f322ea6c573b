"""Rendered files: one for each row, whatever the ids."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import soundfile
from speech_files import write_manifest

from askd_bench.audio import audio_sha256, read_audio, to_int16
from askd_bench.evaluation.rendered_audio import render

MEET = ["a/b", "a_b", "a?b", "A_b", "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9"), "x" * 300, "x" * 301, "\u4f60" * 120, "plain"]
"""Ids of which some come to the same name: on any file system, on one without case, on one that composes accents; or are too long."""


def test_every_row_has_a_file_of_its_own_with_its_samples(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    records = []
    for number, utterance in enumerate(MEET):
        soundfile.write(tmp_path / "speech" / f"{number}.wav", np.full(1600, (number + 1) / 32), 16_000)
        records.append({"id": utterance, "audio_filepath": f"{number}.wav", "text": ""})
    manifest = render("clean", out=tmp_path / "out", corpus=[str(write_manifest(tmp_path / "speech", records))], workers=0)
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    assert {row["utterance"] for row in rows} == set(MEET)
    folded = {unicodedata.normalize("NFC", row["audio_filepath"]).casefold() for row in rows}
    assert len(folded) == len(MEET)
    for row in rows:
        assert audio_sha256(to_int16(read_audio(manifest.parent / row["audio_filepath"]))) == row["audio_sha256"]
    assert next(row for row in rows if row["utterance"] == "plain")["audio_filepath"] == "speech/clean/plain.flac"
