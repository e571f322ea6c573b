"""Commands that read what there is: without a model, and all of it."""

import json
import shutil
from pathlib import Path
from typing import Any

from command_line import TORCH, CommandLine, RealRun, check_refused, without

from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result


def test_scoring_needs_no_model(askd_bench: CommandLine, real_run: RealRun) -> None:
    folder, first = real_run.folder, real_run.done
    summary = (real_run.result / "summary.json").read_bytes()
    done = without(TORCH, "score", real_run.result, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert (real_run.result / "summary.json").read_bytes() == summary
    cells = [line.split() for line in first.out.splitlines() if line.strip().startswith(("clean", "white-0dB"))]
    assert [line.split() for line in done.stdout.splitlines() if line.strip().startswith(("clean", "white-0dB"))] == cells
    every = without(TORCH, "score", real_run.result, "--normalizer", "all", cwd=folder)
    assert "LOADED []" in every.stdout
    for name in ("whisper-english", "open-asr", "raw"):
        assert name in every.stdout or name == "raw"
    assert (real_run.result / "summary.json").read_bytes() == summary, "a comparison of normalisers stores nothing"
    check_refused(askd_bench("score", real_run.result, "--normalizer", "wisper-english", cwd=folder), "did you mean 'whisper-english'")


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


def test_json_is_one_document_of_the_same(askd_bench: CommandLine, tmp_path: Path) -> None:
    result = tmp_path / "whisper-tiny.en" / "clean-v1" / "dialogue"
    shutil.copytree(REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "clean-v1" / "dialogue", result)

    def read(*arguments: object) -> Any:
        done = askd_bench(*arguments, "--json", cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)

    assert {one["suite"] for one in read("list", "suites")} >= {"noisy", "telephony"}
    assert {one["condition"] for one in read("list", "conditions", "--suite", "clean")} == {"clean"}
    assert read("score", result) == Result(result).summary()
    records = read("groups", result, "--by", "speaker")
    shown = askd_bench("groups", result, "--by", "speaker", cwd=tmp_path).out
    assert records
    assert all(str(one["group"]) in shown and str(one["condition"]) in shown for one in records)
    check_refused(askd_bench("list", "conditions", "--suite", "nosiy", "--json", cwd=tmp_path), "did you mean 'noisy'")
