"""Rendered files: one for each row, whatever the ids."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from speech_files import write_manifest

from askd_bench.audio import audio_sha256, read_audio, to_int16
from askd_bench.errors import UserError
from askd_bench.evaluation.inputs import resolve_inputs
from askd_bench.evaluation.rendered_audio import check, render
from askd_bench.evaluation.unfinished_manifest import UNFINISHED_FILE, _identity, _line
from askd_bench.options import SpeechOptions

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


def three(folder: Path) -> Path:
    folder.mkdir()
    records = []
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", np.full(1600, (number + 1) / 8), 16_000)
        records.append({"id": f"u{number}", "audio_filepath": f"{number}.wav", "text": ""})
    return write_manifest(folder, records)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_rendering_killed_anywhere_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = str(three(tmp_path / "speech"))
    render("clean", out=tmp_path / "whole", corpus=[corpus], workers=0)
    whole, kills = contents(tmp_path / "whole"), 0
    real = os.replace
    while True:  # before each move of a finished file into its place
        out, left = tmp_path / f"out{kills}", kills

        def replace(source: Any, target: Any) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            real(source, target)

        monkeypatch.setattr("os.replace", replace)
        try:
            render("clean", out=out, corpus=[corpus], workers=0)
            break
        except KeyboardInterrupt:
            kills += 1
        monkeypatch.setattr("os.replace", real)
        rendered = set(contents(out))
        render("clean", out=out, corpus=[corpus], workers=0)
        assert contents(out) == whole, (kills, rendered)
    assert kills == 5, "the beginning, three recordings, the manifest"


def test_rows_that_are_there_are_not_rendered_again(tmp_path: Path) -> None:
    corpus, out = str(three(tmp_path / "speech")), tmp_path / "out"
    render("clean", out=out, corpus=[corpus], workers=0)
    whole = contents(out)
    inputs = resolve_inputs("clean", SpeechOptions(corpus=corpus))
    rows = whole["manifest.jsonl"].splitlines(keepends=True)
    for kept in range(4):
        left = out / UNFINISHED_FILE
        (out / "manifest.jsonl").unlink()
        left.write_bytes(_line(_identity(inputs)) + b"".join(rows[:kept]) + rows[0][:9])
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
        render("clean", out=out, corpus=[corpus], workers=0)
        assert contents(out) == whole
        assert sum(path.stat().st_mtime_ns == time for path, time in before.items()) == kept


def test_another_rendering_is_not_continued(tmp_path: Path) -> None:
    corpus, out = str(three(tmp_path / "speech")), tmp_path / "out"
    out.mkdir()
    (out / UNFINISHED_FILE).write_text("{}\n")
    with pytest.raises(UserError, match="is not empty"):
        render("clean", out=out, corpus=[corpus], workers=0)


@pytest.mark.parametrize(
    "line", [b"[]", b"3", b"[" * 100_000, b"\xff", b'{"suite": []}', b'{"suite":"clean","version":1,"source":3}', b'{"suite":"/etc"}']
)
def test_a_manifest_that_is_none_is_one_line(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(line + b"\n")
    with pytest.raises(UserError, match=r"check: .*manifest\.jsonl, line 1: .* \(allowed: a manifest that render wrote\)") as caught:
        check(tmp_path / "manifest.jsonl", workers=0)
    assert str(caught.value).isprintable()
