"""The same command gives the same rows: twice, at any number of workers, and after any interruption."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from stub_runs import BATCH, CONDITIONS, run_stub, timeless, without_speed
from stub_transcriber import HashingTranscriber

from askd_bench.errors import UserError
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.report.score import score_table
from askd_bench.rows import ROWS_FILE


def timings(rows: Path) -> list[float | None]:
    return [json.loads(line)["decode_s"] for line in rows.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def whole(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> CorpusResult:
    """An uninterrupted run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("askd_bench.evaluation.run.load_transcriber", lambda *_, **__: HashingTranscriber())
        return run_stub(small_corpus, tmp_path_factory.mktemp("whole"))


def test_every_utterance_has_one_row_under_every_condition(whole: CorpusResult) -> None:
    records = timeless(whole.path / ROWS_FILE)
    keys = [(record["condition"], record["utterance"]) for record in records]
    tested = [f"u{i:02d}" for i in range(10)]
    assert sorted(keys) == sorted(
        [(condition, one) for condition in ("clean", *CONDITIONS) for one in tested] + [("clean", f"u{i}") for i in (10, 11, 12)]
    )
    assert {record["split"] for record in records if record["utterance"] >= "u10"} == {"dev"}
    failed = {record["utterance"] for record in records if record["error"]}
    assert failed == {"u04"}
    assert all((record["hypothesis"] is None) == (record["error"] is not None) for record in records)
    heard = [record["audio_sha256"] for record in records if not record["error"]]
    assert len(set(heard)) == len(heard), "two renderings are the same audio"


def test_the_same_command_elsewhere_gives_the_same_rows(whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    again = run_stub(small_corpus, tmp_path)
    assert timeless(again.path / ROWS_FILE) == timeless(whole.path / ROWS_FILE)
    assert without_speed(again.summary) == without_speed(whole.summary)
    assert again.signature == whole.signature


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(
    workers: int, whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path
) -> None:
    """Workers also run numpy on one thread, this process on all: the features must not hang on that."""
    again = run_stub(small_corpus, tmp_path, workers=workers)
    assert timeless(again.path / ROWS_FILE) == timeless(whole.path / ROWS_FILE)
    assert again.signature == whole.signature


def test_a_complete_run_called_again_redoes_nothing(whole: CorpusResult, small_corpus: Path, stub_model: Any) -> None:
    rows = (whole.path / ROWS_FILE).read_bytes()
    transcriber = stub_model(HashingTranscriber())
    again = run_stub(small_corpus, whole.path.parents[2])
    assert transcriber.batches == []
    assert (whole.path / ROWS_FILE).read_bytes() == rows
    assert again.summary == whole.summary
    assert again.summary["pooled"]["metrics"]["rtfx"]["value"] > 0


def cut(whole: CorpusResult, folder: Path, position: int) -> Path:
    """Leave in `folder` what a run had written that was killed after `position` bytes of rows; return its rows file."""
    path = folder / whole.path.relative_to(whole.path.parents[2])
    path.mkdir(parents=True, exist_ok=True)
    (path / "signature.json").write_bytes((whole.path / "signature.json").read_bytes())
    (path / ROWS_FILE).write_bytes((whole.path / ROWS_FILE).read_bytes()[:position])
    return path / ROWS_FILE


def check_resumed(whole: CorpusResult, resumed: CorpusResult, *, kept_any: bool) -> None:
    assert timeless(resumed.path / ROWS_FILE) == timeless(whole.path / ROWS_FILE)
    assert without_speed(resumed.summary) == without_speed(whole.summary)
    if kept_any:
        assert set(timings(resumed.path / ROWS_FILE)) == {None}
        for table in (resumed.summary["pooled"], *resumed.summary["conditions"].values()):
            assert table["metrics"]["rtfx"]["value"] is None
            assert "resumed" in table["metrics"]["rtfx"]["reason"]
    else:
        assert resumed.summary["pooled"]["metrics"]["rtfx"]["value"] > 0


def line_ends(whole: CorpusResult) -> list[int]:
    data = (whole.path / ROWS_FILE).read_bytes()
    return [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]


@pytest.mark.parametrize(
    "place", ["nothing", "in the first row", "after a batch", "within a batch", "in a character", "before the last newline"]
)
def test_a_run_cut_anywhere_goes_on_to_the_same_rows(
    place: str, whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path
) -> None:
    ends, data = line_ends(whole), (whole.path / ROWS_FILE).read_bytes()
    inside = data.index("é".encode(), ends[9]) + 1
    position = {
        "nothing": 0,
        "in the first row": 100,
        "after a batch": ends[BATCH - 1],
        "within a batch": ends[BATCH],
        "in a character": inside,
        "before the last newline": len(data) - 1,
    }[place]
    cut(whole, tmp_path, position)
    transcriber = stub_model(HashingTranscriber())
    resumed = run_stub(small_corpus, tmp_path)
    check_resumed(whole, resumed, kept_any=position >= ends[BATCH - 1])
    assert len(transcriber.batches) > 1


@settings(max_examples=4)
@given(data=st.data())
def test_a_run_cut_at_any_byte_goes_on_to_the_same_rows(
    data: st.DataObject, whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path
) -> None:
    size = (whole.path / ROWS_FILE).stat().st_size
    rows = cut(whole, tmp_path, data.draw(st.integers(0, size - 1)))
    kept_any = rows.read_bytes().count(b"\n") >= BATCH
    check_resumed(whole, run_stub(small_corpus, tmp_path), kept_any=kept_any)


@pytest.mark.parametrize("damage", [b"\0" * 50, b"\xff\xfe garbage\n", b"[]\n", b'{"condition":"clean"}\n', "foreign row"])
def test_what_does_not_belong_behind_the_kept_rows_is_dropped(
    damage: bytes | str, whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path
) -> None:
    ends, data = line_ends(whole), (whole.path / ROWS_FILE).read_bytes()
    rows = cut(whole, tmp_path, ends[2 * BATCH - 1])
    with rows.open("ab") as file:
        file.write(data[: ends[0]] if isinstance(damage, str) else damage)
    check_resumed(whole, run_stub(small_corpus, tmp_path), kept_any=True)


def test_interrupted_again_and_again(whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    """Each attempt gets three batches further before Ctrl-C; the last one ends it."""
    attempts = 0
    resumed = None
    while resumed is None and attempts < 10:
        attempts += 1
        stub_model(HashingTranscriber(die_after=3))
        with contextlib.suppress(KeyboardInterrupt):
            resumed = run_stub(small_corpus, tmp_path)
    assert resumed is not None
    assert attempts > 2
    check_resumed(whole, resumed, kept_any=True)


def test_an_unfinished_run_is_scored_and_shown_as_such(whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    stored = (whole.path / ROWS_FILE).read_bytes()
    rows = cut(whole, tmp_path, len(b"".join(stored.splitlines(keepends=True)[:17])))
    for normalizer in ("whisper-english", "all", "whisper-english"):  # by now there is a summary, but still no end
        assert "unfinished: 17 of 43 rows; the same `run` goes on" in text_of(score_table(rows.parent, normalizer))
    run_stub(small_corpus, tmp_path)
    for normalizer in ("whisper-english", "all"):
        assert "unfinished" not in text_of(score_table(rows.parent, normalizer))


def text_of(table: Table) -> str:
    screen = Console(width=250, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    screen.print(table)
    return screen.export_text()


def test_killed_before_the_summary_keeps_the_speed(whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    cut(whole, tmp_path, (whole.path / ROWS_FILE).stat().st_size)
    resumed = run_stub(small_corpus, tmp_path)
    assert resumed.summary == {**whole.summary, "peak_memory_bytes": None}


_KILLED_RUN = """
if __name__ == "__main__":  # workers import this file again, and need nothing of it
    import sys, time
    sys.path.insert(0, {tests!r})
    import askd_bench.evaluation.run as module
    from stub_transcriber import HashingTranscriber

    class Slow(HashingTranscriber):
        def transcribe(self, features):
            time.sleep(0.1)
            return super().transcribe(features)

    module.load_transcriber = lambda *_, **__: Slow()
    places = {{"corpus": [{corpus!r}], "output": module.Path({output!r})}}
    module.run("noisy", "stub", **places, conditions={conditions!r}, workers=2, batch_size={batch})
"""


def test_sigkill_leaves_no_process_behind_and_the_run_goes_on(
    whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    tests = str(Path(__file__).parents[1])
    script.write_text(_KILLED_RUN.format(tests=tests, corpus=str(small_corpus), output=str(tmp_path), conditions=CONDITIONS, batch=BATCH))
    rows = tmp_path / whole.path.relative_to(whole.path.parents[2]) / ROWS_FILE
    with subprocess.Popen([sys.executable, str(script)], env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        deadline = time.monotonic() + 120
        while not (rows.is_file() and rows.read_bytes().count(b"\n") >= 2 * BATCH):
            assert process.poll() is None, "the run ended too early to be killed"
            assert time.monotonic() < deadline, "the run did not get to its second batch"
            time.sleep(0.02)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2, "there are worker processes"
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    for child in alive:
        child.kill()
    assert not alive, "workers outlived the killed run"
    assert rows.read_bytes().count(b"\n") < len(timings(whole.path / ROWS_FILE))
    check_resumed(whole, run_stub(small_corpus, tmp_path), kept_any=True)


def test_another_runs_results_are_not_continued(whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    rows = cut(whole, tmp_path, 10_000)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for options, named in (
        ({"batch_size": BATCH + 1}, "batch_size: 4 -> 5"),
        ({"conditions": ["white-0dB"]}, "conditions"),
        ({"limit": 3}, "corpus.fingerprint"),
        ({"split": "dev"}, "corpus.split"),
    ):
        with pytest.raises(UserError, match="another run's results") as caught:
            run_stub(small_corpus, tmp_path, **options)
        assert named in str(caught.value)
        assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    other = run_stub(small_corpus, tmp_path, batch_size=BATCH + 1, overwrite=True)
    assert other.summary["pooled"]["metrics"]["rtfx"]["value"] > 0
    assert rows.read_bytes().count(b"\n") == len(timings(whole.path / ROWS_FILE))


def test_a_second_corpus_in_the_way_leaves_the_first_untouched(
    whole: CorpusResult, small_corpus: Path, stub_model: Any, tmp_path: Path
) -> None:
    cut(whole, tmp_path, 10_000)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="another run's results"):
        run("noisy", "stub", corpus=["books", str(small_corpus)], output=tmp_path, conditions=["clean"], workers=0, overwrite=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_rows_without_a_signature_are_nobodys_to_overwrite(
    small_corpus: Path, stub_model: Any, whole: CorpusResult, tmp_path: Path
) -> None:
    rows = cut(whole, tmp_path, 1_000)
    (rows.parent / "signature.json").unlink()
    for overwrite in (False, True):
        with pytest.raises(UserError, match="rows without"):
            run_stub(small_corpus, tmp_path, overwrite=overwrite)
    assert rows.stat().st_size == 1_000


def test_a_noise_folder_of_the_same_name_is_another_run(
    small_corpus: Path, stub_model: Any, tmp_path: Path, short_clips: list[Any]
) -> None:
    import numpy as np
    import soundfile

    for place, seconds in (("here", 1), ("there", 2)):
        (tmp_path / place / "noise").mkdir(parents=True)
        hiss = np.random.default_rng(seconds).normal(0, 0.1, seconds * 16_000)
        soundfile.write(tmp_path / place / "noise" / "hiss.wav", hiss, 16_000)
    for place, fails in (("here", False), ("here", False), ("there", True)):
        options = {"corpus": [str(small_corpus)], "output": tmp_path / "out", "conditions": ["folder-0dB"], "limit": 2, "workers": 0}
        if fails:
            with pytest.raises(UserError, match=r"noise_dir\.fingerprint"):
                run("own-noise", "stub", noise_dir=tmp_path / place / "noise", **options)
        else:
            run("own-noise", "stub", noise_dir=tmp_path / place / "noise", **options)


def test_a_missing_noise_folder_is_told_before_anything_is_written(small_corpus: Path, stub_model: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="noise_dir: none given"):
        run("own-noise", "stub", corpus=[str(small_corpus)], output=tmp_path, workers=0)
    assert list(tmp_path.iterdir()) == []
