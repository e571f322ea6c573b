"""`run` as a person meets it: real speech, recordings that are wrong, and results of other runs in the way."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from command_line import CommandLine, RealRun, check_refused, everything
from speech_files import write_manifest

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus


def test_the_bundled_checkpoint_hears_the_bundled_speech(real_run: RealRun) -> None:
    done, folder = real_run.done, real_run.result
    assert done.code == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == ["signature.json", "summary.json", "utterances.jsonl"]
    summary = json.loads((folder / "summary.json").read_text())
    clean, noise = (summary["conditions"][name]["metrics"] for name in ("clean", "white-0dB"))
    assert clean["wer"]["value"] < 0.25
    assert noise["wer"]["value"] > clean["wer"]["value"]
    assert summary["pooled"]["metrics"]["rtfx"]["value"] > 0
    for shown in (
        "whisper-tiny.en on noisy-v1, corpus books",
        "white-0dB",
        "WER %",
        "Normaliser whisper-english",
        "RTFx",
        str(Path("results")),
    ):
        assert shown in done.out
    assert f"{100 * clean['wer']['value']:.1f}" in done.out
    rows = [json.loads(line) for line in (folder / "utterances.jsonl").read_text().splitlines()]
    assert all(row["words"] and all(0 < confidence <= 1 for _, confidence in row["words"]) for row in rows)
    mean = {name: np.mean([c for row in rows if row["condition"] == name for _, c in row["words"]]) for name in ("clean", "white-0dB")}
    assert mean["white-0dB"] < mean["clean"], "noise makes the model less sure"


def test_the_same_command_again_answers_from_what_is_there(askd_bench: CommandLine, real_run: RealRun) -> None:
    folder, first = real_run.folder, real_run.done
    before = everything(folder)
    again = askd_bench(*real_run.arguments, cwd=folder)
    assert (again.code, again.out) == (0, first.out)
    assert everything(folder) == before


@pytest.fixture(scope="module")
def good_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    books = list(open_corpus("books"))[:2]
    records = [{"audio_filepath": str(u.audio), "text": u.reference, "duration": u.duration_s} for u in books]
    return write_manifest(tmp_path_factory.mktemp("good") / "speech", records)


def test_results_of_another_model_or_version_are_never_mixed(askd_bench: CommandLine, good_manifest: Path, tmp_path: Path) -> None:
    suite = 'name = "mine"\nversion = {}\ntitle = "t"\ndescription = "d"\ncorpora = ["books"]\n[[conditions]]\nid = "clean"\n'
    (tmp_path / "mine.toml").write_text(suite.format(1))
    arguments = ["run", "--suite", "mine.toml", "--corpus", good_manifest, "--workers", "0"]
    assert askd_bench(*arguments, "--model", "a/student", cwd=tmp_path, stub=True).code == 0
    before = everything(tmp_path)
    done = askd_bench(*arguments, "--model", "b/student", cwd=tmp_path, stub=True)
    check_refused(done, "holds another run's results", 'model.source: "a/student" -> "b/student"', "--overwrite")
    (tmp_path / "mine.toml").write_text(
        suite.format(1) + '[[conditions]]\nid = "gain"\nchain = [{ perturbation = "gain", amplitude = 2 }]\n'
    )
    done = askd_bench(*arguments, "--model", "a/student", cwd=tmp_path, stub=True)
    check_refused(done, "holds another run's results", "suite.fingerprint")
    assert {path: content for path, content in everything(tmp_path).items() if path.suffix != ".toml"} == {
        path: content for path, content in before.items() if path.suffix != ".toml"
    }
    (tmp_path / "mine.toml").write_text(suite.format(2))
    assert askd_bench(*arguments, "--model", "a/student", cwd=tmp_path, stub=True).code == 0
    assert {path.name for path in (tmp_path / "results" / "student").iterdir()} == {"mine-v1", "mine-v2"}
    assert askd_bench(*arguments, "--model", "b/student", "--overwrite", cwd=tmp_path, stub=True).code == 0


def test_brackets_in_a_name_are_printed(askd_bench: CommandLine, good_manifest: Path, tmp_path: Path, tmp_path_factory: Any) -> None:
    done = askd_bench(
        "run", "--corpus", good_manifest, "--conditions", "clean", "--output", "out[red]put", "--workers", "0", cwd=tmp_path, stub=True
    )
    assert done.code == 0
    assert "out[red]put/whisper-tiny.en" in done.out


# --- recordings that are wrong ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of real speech in every state in which recordings come."""
    folder = tmp_path_factory.mktemp("odd") / "odd"
    folder.mkdir()
    utterance = next(iter(open_corpus("books")))
    speech = read_audio(utterance.audio)
    soundfile.write(folder / "plain.wav", speech, 16_000)
    soundfile.write(folder / "stereo.wav", np.stack([speech, 0.5 * speech], axis=1), 16_000)
    soundfile.write(folder / "44100hz.flac", soxr.resample(speech, 16_000, 44_100), 44_100)
    soundfile.write(folder / "8bit.wav", speech, 16_000, subtype="PCM_U8")
    soundfile.write(folder / "zero-samples.wav", np.zeros(0), 16_000)
    (folder / "zero-bytes.wav").write_bytes(b"")
    (folder / "corrupt.wav").write_bytes((folder / "plain.wav").read_bytes()[:30] + b"\xff" * 500)
    (folder / "text.wav").write_text("this is not audio")
    nan = speech.copy()
    nan[100] = np.nan
    soundfile.write(folder / "nan.wav", nan, 16_000, subtype="FLOAT")
    soundfile.write(folder / "60min.flac", np.zeros(3600 * 8000, np.int16), 8_000)
    names = [file.name for file in sorted(folder.iterdir())] + ["missing.wav"]
    return write_manifest(folder, [{"audio_filepath": name, "text": utterance.reference} for name in names])


def test_unusable_recordings_are_counted_and_the_run_goes_on(askd_bench: CommandLine, odd_recordings: Path, tmp_path: Path) -> None:
    arguments = ["run", "--corpus", odd_recordings, "--conditions", "white-10dB", "--workers", "0"]
    done = askd_bench(*arguments, cwd=tmp_path, stub=True)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    path = tmp_path / "results" / "whisper-tiny.en" / "noisy-v1" / "odd"
    rows = [json.loads(line) for line in (path / "utterances.jsonl").read_text().splitlines()]
    errors = {row["utterance"]: row["error"] for row in rows if row["condition"] == "white-10dB"}
    assert {name for name, error in errors.items() if error is None} == {"plain", "stereo", "44100hz", "8bit"}
    for name, said in {
        "zero-samples": "no samples",
        "zero-bytes": "is empty (0 bytes)",
        "corrupt": "corrupt",
        "text": "text",
        "nan": "not finite",
        "60min": "lasts 60.0 min or more, longer than the 30 min allowed",
        "missing": "does not exist",
    }.items():
        assert said in errors[name]
        assert name in errors[name], "the reason names the utterance"
        assert "\n" not in errors[name]
    sound = {row["utterance"]: row for row in rows if row["condition"] == "clean" and row["error"] is None}
    plain = sound["plain"]["duration_s"]
    assert all(row["duration_s"] == pytest.approx(plain, abs=0.001) for row in sound.values())
    assert all(row["hypothesis"] is None and row["words"] == [] for row in rows if row["error"])
    assert done.out.count("11 (7 failed)") == 2, "the table tells how many failed under each condition"
    assert "22 (14 failed)" in done.out
    assert "14 of 22 clips failed:\n" in done.err
    assert re.search(r"\n  60min: lasts 60\.0 min or more.* \(.*60min\.flac\)\n", done.err), "the reason and the file"
    assert "  and 2 more recordings\n" in done.err
    assert askd_bench(*arguments, "--fail-on-error", cwd=tmp_path, stub=True).code == 1
    summary = json.loads((path / "summary.json").read_text())
    assert (summary["pooled"]["n_utterances"], summary["pooled"]["n_errors"]) == (22, 14)


def test_a_corpus_of_nothing_but_unusable_recordings(askd_bench: CommandLine, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "lost", [{"audio_filepath": f"{i}.wav", "text": "a b c"} for i in range(3)])
    done = askd_bench("run", "--corpus", manifest, "--conditions", "clean", "--workers", "0", cwd=tmp_path, stub=True)
    assert done.code == 1, done.err
    assert "3 of 3 clips failed:" in done.err
    for name in "012":
        assert re.search(rf"  {name}: does not exist \(.*{name}\.wav\)\n", done.err)
    assert done.out.count("3 (3 failed)") == 2
