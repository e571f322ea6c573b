"""The command line as a person meets it: what it prints, and one line for whatever is wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from command_line import CommandLine, Finished
from speech_files import write_manifest

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.models.names import DEFAULT_MODEL, bundled_models


@pytest.fixture(scope="module")
def askd_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with CommandLine(tmp_path_factory.mktemp("streams")) as command:
        yield command


@pytest.fixture(scope="module")
def good_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    books = list(open_corpus("books"))[:2]
    records = [{"audio_filepath": str(u.audio), "text": u.reference, "duration": u.duration_s} for u in books]
    return write_manifest(tmp_path_factory.mktemp("good") / "speech", records)


def check_refused(done: Finished, *said: str) -> None:
    assert done.code == 2, done
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    for words in said:
        assert words in done.err, done.err


def everything(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# --- what is wrong ------------------------------------------------------------------------------------------------------------------------

WRONG = {
    "suite": (["--suite", "nosiy"], ["suite: 'nosiy' is unknown; did you mean 'noisy'?"]),
    "suite file": (["--suite", "absent.toml"], ["suite: 'absent.toml' does not exist"]),
    "model": (["--model", "whisper-tny.en"], ["model: 'whisper-tny.en' is unknown; did you mean 'whisper-tiny.en'?"]),
    "condition": (["--conditions", "bable-10dB"], ["conditions: 'bable-10dB' is unknown; did you mean 'babble-10dB'"]),
    "sub-grid": (["--conditions", "@sbr"], ["'@sbr' is unknown; did you mean '@srb'"]),
    "corpus": (["--corpus", "dialog"], ["corpus: 'dialog' is unknown; did you mean 'dialogue'?"]),
    "declared corpus": (["--corpus", "librispech-clean"], ["did you mean 'librispeech-clean'"]),
    "missing manifest": (["--corpus", "absent.jsonl"], ["corpus: absent.jsonl does not exist"]),
    "empty manifest": (["--corpus", "empty.jsonl"], ["empty.jsonl is empty: it must list at least one utterance"]),
    "malformed manifest": (["--corpus", "malformed.jsonl"], ["malformed.jsonl, line 2: is not JSON"]),
    "folder without speech": (["--corpus", "folder"], ["folder folder must hold manifest.jsonl or metadata.csv"]),
    "two corpora of one name": (["--corpus", "books", "--corpus", "books"], ["are called 'books'"]),
    "conditions and full": (["--conditions", "clean", "--full"], ["cannot be combined with full"]),
    "limit": (["--limit", "-1"], ["limit: -1 is out of range (allowed: 1 or more, or 0 for all)"]),
    "limit that is no number": (["--limit", "many"], ["--limit", "valid integer"]),
    "batch size": (["--batch-size", "0"], ["batch_size: 0 is out of range (allowed: 1 or more)"]),
    "workers": (["--workers", "-1"], ["workers: -1 is out of range"]),
    "shard": (["--shard", "9/8"], ["shard: '9/8' is none (allowed: i/n with i from 1 to n, e.g. 3/8)"]),
    "more shards than work": (["--shard", "1/999"], ["shard: 1/999 would leave shards without work", "allowed: at most"]),
    "executor": (["--executor", "rey"], ["executor: 'rey' is unknown; did you mean 'ray'? (allowed: local, ray)"]),
    "workers of ray": (["--executor", "ray", "--workers", "2"], ["workers: 2 cannot be combined with executor ray"]),
    "address of local": (["--address", "auto"], ["address: 'auto' is of no use to executor local"]),
    "split": (["--split", "train"], ["split: 'train' is unknown (allowed: test, dev)"]),
    "split without utterances": (["--split", "dev", "--corpus", "books"], ["corpus: 'books' has no 'dev' utterances"]),
    "noise folder": (["--noise-dir", "absent"], ["noise_dir: 'absent' is not a folder"]),
    "noise folder needed": (["--suite", "own-noise"], ["noise_dir: none given"]),
    "noise folder without noise": (["--suite", "own-noise", "--noise-dir", "folder"], ["noise_dir: no audio file in 'folder'"]),
    "dtype": (["--dtype", "float8"], ["dtype: 'float8' is unknown", "float32"]),
    "device": (["--device", "gpu"], ["device: 'gpu' is unknown", "cpu"]),
    "threads": (["--threads", "0"], ["threads: 0 is out of range (allowed: 1 or more)"]),
    "beams": (["--num-beams", "0"], ["num_beams: 0 is out of range (allowed: 1 or more)"]),
    "language": (["--language", "de"], ["language: 'de'", "English-only"]),
    "task": (["--task", "sing"], ["task: 'sing' is unknown", "transcribe, translate"]),
    "normaliser": (["--normalizer", "wisper-english"], ["'wisper-english' is unknown; did you mean 'whisper-english'"]),
    "unknown option": (["--sute", "noisy"], ["No such option", "--sute"]),
    "output that is a file": (["--output", "a-file"], ["output: 'a-file/", "cannot be written"]),
    "checkpoint that is no speech model": (["--model", "tiny-bert"], ["model: 'tiny-bert' is a 'bert' checkpoint", "allowed: speech"]),
    "folder without a checkpoint": (["--model", "folder"], ["model: 'folder' has no readable configuration"]),
    "corrupt weights": (["--model", "corrupt"], ["model: 'corrupt' cannot be loaded"]),
    "a file for a checkpoint": (["--model", "a-file"], ["model: 'a-file' is a file"]),
    "hub model out of reach": (["--model", "nobody/nothing-xyz"], ["model: 'nobody/nothing-xyz'"]),
}


@pytest.fixture(scope="module")
def wrong_things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that `WRONG` names."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "a-file").write_text("in the way")
    (folder / "empty.jsonl").write_text("\n")
    (folder / "malformed.jsonl").write_text('{"audio_filepath": "a.wav", "text": "a"}\n{"audio_filepath"\n')
    (folder / "folder").mkdir()
    (folder / "tiny-bert").mkdir()
    (folder / "tiny-bert" / "config.json").write_text('{"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2}')
    (folder / "corrupt").mkdir()
    for file in bundled_models()[DEFAULT_MODEL].glob("*.json"):
        if file.name != "model.safetensors.index.json":
            (folder / "corrupt" / file.name).write_bytes(file.read_bytes())
    (folder / "corrupt" / "model.safetensors").write_bytes(b"not tensors at all")
    return folder


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_exit_code_2_and_nothing_is_written(case: str, askd_bench: CommandLine, wrong_things: Path) -> None:
    arguments, said = WRONG[case]
    before = everything(wrong_things)
    with_speech = [] if "--corpus" in arguments or "own-noise" in arguments else ["--corpus", "books"]
    check_refused(askd_bench("run", *with_speech, *arguments, cwd=wrong_things), *said)
    assert everything(wrong_things) == before


def test_the_other_commands_refuse_as_clearly(askd_bench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "bad"\nversion = 1\ntitle = "t"\ndescription = "d"\ncorpora = ["books"]\nsnr = 3\n')
    for arguments, said in (
        (["validate", "bad.toml"], ["bad.toml: key snr: 'snr' is unknown", "allowed"]),
        (["validate"], ["Missing argument"]),
        (["list", "suits"], ["'suits' is not one of"]),
        (["list", "conditions", "--suite", "nosiy"], ["did you mean 'noisy'"]),
        (["score", "absent"], ["result_dir: 'absent' is not a folder"]),
        (["score", "."], ["has no signature.json"]),
        (["compare", "absent", "absent"], ["result_dir: 'absent' is not a folder"]),
        (["render"], ["out: is missing"]),
        (["merge", "absent"], ["shards: none is in 'absent'"]),
        (["merge"], ["Missing argument"]),
        (["rum"], ["No such command", "rum"]),
    ):
        check_refused(askd_bench(*arguments, cwd=tmp_path), *said)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


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
    summary = json.loads((path / "summary.json").read_text())
    assert (summary["pooled"]["n_utterances"], summary["pooled"]["n_errors"]) == (22, 14)


def test_a_corpus_of_nothing_but_unusable_recordings(askd_bench: CommandLine, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "lost", [{"audio_filepath": f"{i}.wav", "text": "a b c"} for i in range(3)])
    done = askd_bench("run", "--corpus", manifest, "--conditions", "clean", "--workers", "0", cwd=tmp_path, stub=True)
    assert done.code == 0, done.err
    assert done.out.count("3 (3 failed)") == 2


# --- what is right ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_run(askd_bench: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """The bundled checkpoint on two lines of a book, clean and in noise."""
    folder = tmp_path_factory.mktemp("real")
    arguments = ["run", "--corpus", "books", "--limit", "2", "--conditions", "white-0dB", "--workers", "0", "--threads", "1"]
    return folder, askd_bench(*arguments, cwd=folder)


def result_dir(folder: Path) -> Path:
    return folder / "results" / "whisper-tiny.en" / "noisy-v1" / "books"


def test_the_bundled_checkpoint_hears_the_bundled_speech(real_run: tuple[Path, Finished]) -> None:
    folder, done = real_run
    assert done.code == 0, done.err
    assert sorted(path.name for path in result_dir(folder).iterdir()) == ["signature.json", "summary.json", "utterances.jsonl"]
    summary = json.loads((result_dir(folder) / "summary.json").read_text())
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
    rows = [json.loads(line) for line in (result_dir(folder) / "utterances.jsonl").read_text().splitlines()]
    assert all(row["words"] and all(0 < confidence <= 1 for _, confidence in row["words"]) for row in rows)
    mean = {name: np.mean([c for row in rows if row["condition"] == name for _, c in row["words"]]) for name in ("clean", "white-0dB")}
    assert mean["white-0dB"] < mean["clean"], "noise makes the model less sure"


def test_the_same_command_again_answers_from_what_is_there(askd_bench: CommandLine, real_run: tuple[Path, Finished]) -> None:
    folder, first = real_run
    before = everything(folder)
    arguments = ["run", "--corpus", "books", "--limit", "2", "--conditions", "white-0dB", "--workers", "0", "--threads", "1"]
    again = askd_bench(*arguments, cwd=folder)
    assert (again.code, again.out) == (0, first.out)
    assert everything(folder) == before


def without_torch(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own, which says at the end whether torch was loaded."""
    script = (
        "import sys; sys.argv = ['askd-bench', *sys.argv[1:]]\n"
        "from askd_bench.cli import main\n"
        "try: main()\n"
        "finally: print('LOADED', sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    environment = {**os.environ, "COLUMNS": "220"}
    return subprocess.run([sys.executable, "-c", script, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, env=environment)


def test_scoring_needs_no_model(askd_bench: CommandLine, real_run: tuple[Path, Finished]) -> None:
    folder, first = real_run
    summary = (result_dir(folder) / "summary.json").read_bytes()
    done = without_torch("score", result_dir(folder), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert (result_dir(folder) / "summary.json").read_bytes() == summary
    cells = [line.split() for line in first.out.splitlines() if line.strip().startswith(("clean", "white-0dB"))]
    assert [line.split() for line in done.stdout.splitlines() if line.strip().startswith(("clean", "white-0dB"))] == cells
    every = without_torch("score", result_dir(folder), "--normalizer", "all", cwd=folder)
    assert "LOADED []" in every.stdout
    for name in ("whisper-english", "open-asr", "raw"):
        assert name in every.stdout or name == "raw"
    assert (result_dir(folder) / "summary.json").read_bytes() == summary, "a comparison of normalisers stores nothing"
    check_refused(askd_bench("score", result_dir(folder), "--normalizer", "wisper-english", cwd=folder), "did you mean 'whisper-english'")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list", "suites"], ["list", "metrics"], ["list", "conditions"]])
def test_help_and_lists_answer_without_torch(arguments: list[str], tmp_path: Path) -> None:
    done = without_torch(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert len(done.stdout.splitlines()) > 5


def test_validate_says_what_a_suite_is(askd_bench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('name="one"\nversion=3\ntitle="t"\ndescription="d"\ncorpora=["books"]\n[[conditions]]\nid="clean"\n')
    done = askd_bench("validate", "one.toml", cwd=tmp_path)
    assert done.code == 0
    assert "one.toml: valid. one-v3, 1 conditions (1 in the default grid), fingerprint " in done.out


def test_lists_are_complete(askd_bench: CommandLine, tmp_path: Path) -> None:
    for what, names in {"suites": ["noisy", "far-field"], "corpora": ["dialogue", "edacc"], "models": ["whisper-tiny.en"]}.items():
        done = askd_bench("list", what, cwd=tmp_path)
        assert done.code == 0
        assert all(name in done.out for name in names)


def test_brackets_in_a_name_are_printed(askd_bench: CommandLine, good_manifest: Path, tmp_path: Path, tmp_path_factory: Any) -> None:
    done = askd_bench(
        "run", "--corpus", good_manifest, "--conditions", "clean", "--output", "out[red]put", "--workers", "0", cwd=tmp_path, stub=True
    )
    assert done.code == 0
    assert "out[red]put/whisper-tiny.en" in done.out
