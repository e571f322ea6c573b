"""Whatever a result directory claims and does not hold is found, and what it holds is not called wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askd_bench.cli import main
from askd_bench.errors import UserError
from askd_bench.evaluation.run import run
from askd_bench.evaluation.verify import Verdict, verify
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import SUMMARY_FILE, Result
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE

Line = dict[str, Any]
PACKAGED = REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "noisy-v1" / "prompts"


@pytest.fixture(scope="module")
def whole(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh run of ten utterances, one of which cannot be read, and three dev ones."""
    import stub_transcriber

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("askd_bench.evaluation.run.load_transcriber", stub_transcriber.load_stub)
        [result] = run(
            "noisy",
            "stub",
            corpus=[str(small_corpus)],
            conditions=["white-0dB"],
            output=tmp_path_factory.mktemp("whole"),
            workers=0,
            batch_size=4,
        )
    return result.path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    path = tmp_path / "stub" / "noisy-v1" / whole.name
    shutil.copytree(whole, path)
    return path


def judged(path: Path, sample: int = 2) -> Verdict:
    [verdict] = verify([path], sample=sample, workers=0)
    return verdict


def rewrite(path: Path, change: Callable[[list[Line]], list[Line]], *, anew: bool = False) -> None:
    """Change the rows; `anew`: and compute the summary again, so that it gives nothing away."""
    lines = change([json.loads(line) for line in (path / ROWS_FILE).read_text(encoding="utf-8").splitlines()])
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (path / ROWS_FILE).write_text(text, encoding="utf-8")
    if anew:
        Result.open(path).write_summary()


def first(changed: Line, condition: str = "white-0dB") -> Callable[[list[Line]], list[Line]]:
    """Change the first row of a condition that has a hypothesis."""

    def change(lines: list[Line]) -> list[Line]:
        at = next(i for i, line in enumerate(lines) if line["condition"] == condition and line["hypothesis"])
        return [*lines[:at], lines[at] | changed, *lines[at + 1 :]]

    return change


def test_a_fresh_run_holds(copy: Path) -> None:
    verdict = judged(copy)
    assert verdict.problems == ()
    assert (verdict.rows, verdict.rendered) == (23, 2)
    assert str(verdict) == f"ok {copy}: 23 rows as planned, summary follows from them, clips rendered to the same bits: 2"


def test_a_sample_of_the_corpus_holds(small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    """Which utterances a limit takes is a rule, and the signature does not say the limit."""
    [few] = run("noisy", "stub", corpus=[str(small_corpus)], conditions=["clean"], limit=4, output=tmp_path / "few", workers=0)
    assert judged(few.path).problems == ()
    [many] = run("noisy", "stub", corpus=[str(small_corpus)], conditions=["clean"], limit=11, output=tmp_path / "many", workers=0)
    assert judged(many.path).problems == ()
    [dev] = run("noisy", "stub", corpus=[str(small_corpus)], conditions=["clean"], split="dev", output=tmp_path / "dev", workers=0)
    assert judged(dev.path).problems == ()


def test_packaged_results_hold() -> None:
    """Real rows, of long ago: any change of audio, scoring or suites that forgot them shows here."""
    [verdict] = verify([PACKAGED], sample=2, workers=0)
    assert verdict.problems == ()
    assert verdict.rendered == 2


def drop_last(lines: list[Line]) -> list[Line]:
    return lines[:-1]


def twice(lines: list[Line]) -> list[Line]:
    return [*lines, lines[-1]]


def of_another_corpus(lines: list[Line]) -> list[Line]:
    return [*lines[:-1], lines[-1] | {"utterance": "u99"}]


WRONG_ROWS: dict[str, tuple[Callable[[list[Line]], list[Line]], str]] = {
    "another hypothesis": (first({"hypothesis": "something else"}), "the words are not the hypothesis"),
    "neither hypothesis nor error": (first({"hypothesis": None}), "there must be either a hypothesis or an error"),
    "confidence above 1": (first({"token_entropies": [1.5], "word_tokens": [], "token_logprobs": []}), "token values are not as many"),
    "log-probability above 0": (
        first({"words": [["a", 0.5]], "hypothesis": "a", "word_tokens": [1], "token_logprobs": [0.1], "token_entropies": [0.2]}
              | {"tempered_logprobs": {}}),
        "a log-probability is above 0",
    ),
    "entropy above 1": (
        first({"words": [["a", 0.5]], "hypothesis": "a", "word_tokens": [1], "token_logprobs": [-0.1], "token_entropies": [1.2]}
              | {"tempered_logprobs": {}}),
        "a confidence or entropy is outside [0, 1]",
    ),
    "no hash": (first({"audio_sha256": "abc"}), "audio_sha256 is no hash"),
    "time that runs backwards": (first({"decode_s": -1.0}), "a duration is no length of time"),
    "too many digits": (first({"duration_s": 1.123456789}), "not as a run writes it"),
    "an easier transcript": (first({"reference": "the"}), "reference is not the corpus'"),
    "another speaker": (first({"speaker": "c"}), "speaker is not the corpus'"),
    "another audio hash": (lambda lines: [line | {"audio_sha256": line["audio_sha256"] and "0" * 64} for line in lines], "audio of "),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_a_wrong_row_is_found(case: str, copy: Path) -> None:
    change, said = WRONG_ROWS[case]
    rewrite(copy, change)
    verdict = judged(copy)
    assert said in "; ".join(verdict.problems), verdict
    assert str(verdict).startswith(f"WRONG {copy}: ")
    assert "\n" not in str(verdict)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_last, "planned, but there is no row"),
        (of_another_corpus, "white-0dB, u99: not planned"),
    ],
)
def test_a_hole_in_the_plan_is_found(change: Callable[[list[Line]], list[Line]], said: str, copy: Path) -> None:
    rewrite(copy, change, anew=True)
    problems = "; ".join(judged(copy).problems)
    assert said in problems
    assert "summary" not in problems


def test_a_row_that_is_there_twice_is_found(copy: Path) -> None:
    rewrite(copy, twice)
    assert ": 2 rows" in "; ".join(judged(copy).problems)


def test_a_line_that_is_no_row_is_found(copy: Path) -> None:
    with (copy / ROWS_FILE).open("a") as file:
        file.write("{}\n")
    assert "not a row of schema" in "; ".join(judged(copy).problems)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("suite", "fingerprint"), "0" * 64, "signature: suite.fingerprint: "),
        (("suite", "version"), 2, "signature: belongs into stub/noisy-v2/"),
        (("corpus", "fingerprint"), "0" * 64, "signature: corpus.fingerprint: "),
        (("corpus", "fitting_fingerprint"), None, "signature: corpus.fitting_fingerprint: "),
        (("corpus", "licence"), "CC0", "signature: corpus.licence: "),
        (("talkers", "fingerprint"), "0" * 64, "signature: talkers.fingerprint: "),
        (("rules", "seed"), "mine", "signature: rules.seed: "),
        (("model", "id"), "better", "signature: belongs into better/noisy-v1/"),
        (("model", "extra"), 1, "key model.extra: 'extra' is unknown"),
        (("schema_version",), 0, "schema_version: Input should be 1 (got 0)"),
        (("conditions", "white-0dB", "severity"), 5.0, "signature: conditions.white-0dB.severity: 5.0 -> 0.0"),
        (("conditions", "unheard-of"), {"family": None, "severity": None}, "'unheard-of' is unknown"),
        (("suite", "name"), "nosiy", "suite: 'nosiy' is unknown"),
        (("corpus",), {}, "corpus.name: is missing"),
        (("model",), None, "model: Input should be"),
    ],
)
def test_a_signature_that_is_not_true_is_found(keys: tuple[str, ...], value: Any, said: str, copy: Path) -> None:
    signature = json.loads((copy / SIGNATURE_FILE).read_text())
    inner = signature
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (copy / SIGNATURE_FILE).write_text(json.dumps(signature))
    assert said in "; ".join(judged(copy).problems)


def test_a_summary_that_does_not_follow_is_found(copy: Path) -> None:
    summary = json.loads((copy / SUMMARY_FILE).read_text())
    summary["peak_memory_bytes"] = 1  # of the process: not a function of rows
    (copy / SUMMARY_FILE).write_text(json.dumps(summary))
    assert judged(copy).problems == ()
    assert summary["temperature_scaling"]["reason"]
    summary["temperature_scaling"]["reason"] = "as another version puts it"
    (copy / SUMMARY_FILE).write_text(json.dumps(summary))
    assert judged(copy).problems == ()
    summary["pooled"]["metrics"].pop("wer_capped", None)
    summary["pooled"]["metrics"]["of_another_version"] = dict(summary["pooled"]["metrics"]["wer"])
    (copy / SUMMARY_FILE).write_text(json.dumps(summary))
    assert judged(copy).problems == (), "a summary is a cache of what one version computes"
    clean = summary["conditions"].pop("clean")
    (copy / SUMMARY_FILE).write_text(json.dumps(summary))
    assert "conditions.clean" in "; ".join(judged(copy).problems)
    summary["conditions"]["clean"] = clean
    summary["pooled"]["metrics"]["wer"]["value"] -= 0.01
    (copy / SUMMARY_FILE).write_text(json.dumps(summary))
    [problem] = judged(copy).problems
    assert problem.startswith("summary: pooled.metrics.wer.value: ")
    (copy / SUMMARY_FILE).unlink()
    assert "its run has not ended" in "; ".join(judged(copy).problems)


def test_compressed_rows_are_verified_too(copy: Path) -> None:
    import gzip

    rows = copy / ROWS_FILE
    (copy / f"{ROWS_FILE}.gz").write_bytes(gzip.compress(rows.read_bytes()))
    rows.unlink()
    assert judged(copy).problems == ()


def test_processes_say_the_same_in_order(copy: Path, whole: Path) -> None:
    rewrite(copy, drop_last)
    alone = list(verify([copy, whole], sample=1, workers=0))
    assert [bool(one.problems) for one in alone] == [True, False]
    assert list(verify([copy, whole], sample=1, workers=2)) == alone


def test_the_command_exits_with_1_where_something_is_wrong(
    copy: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(copy, drop_last)
    for paths, code in (([whole], 0), ([copy, whole], 1)):
        monkeypatch.setattr("sys.argv", ["askd-bench", "verify", *map(str, paths), "--sample", "0", "--workers", "0"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == code
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["WRONG", "ok"][-len(paths) :]


def test_bad_arguments(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sample: -1 is out of range"):
        verify([whole], sample=-1)
    with pytest.raises(UserError, match="workers: -2 is out of range"):
        verify([whole], workers=-2)
    with pytest.raises(UserError, match="is not a folder"):
        verify([tmp_path / "absent"])


def test_log_probabilities_without_entropies_are_honest(copy: Path) -> None:
    """Callables, servers and transcripts give no entropies, and need not say which tokens make a word."""

    def without(lines: list[Line]) -> list[Line]:
        return [line | {"token_entropies": [], "tempered_logprobs": {}} for line in lines]

    rewrite(copy, without, anew=True)
    assert judged(copy, sample=0).problems == ()
    rewrite(copy, lambda lines: [line | {"word_tokens": []} for line in lines], anew=True)
    assert judged(copy, sample=0).problems == ()
