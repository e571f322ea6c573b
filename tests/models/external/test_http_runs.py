"""Whole runs on a real server on the loopback: neither faults that pass nor workers nor an end halfway change rows; no file has the key."""

import json
from pathlib import Path
from typing import Any

import pytest
from http_calls import KEY, clips, refused
from transcription_server import FAULTS, Fault, Request, TranscriptionServer, at_first, close, said

from askd_bench.errors import UserError
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.models.load import load_transcriber
from askd_bench.rows import ROWS_FILE
from askd_bench.types import Transcription

pytestmark = pytest.mark.usefixtures("no_keys")
QUICK = "retries=3&backoff_s=0.02"


def run_on(server: TranscriptionServer, corpus: Path, output: Path, query: str = QUICK, **options: Any) -> CorpusResult:
    options = {"conditions": ["white-0dB"], "workers": 0, "batch_size": 4, **options}
    [result] = run("noisy", server.url(query), corpus=[str(corpus)], output=output, **options)
    return result


def rows(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (path / ROWS_FILE).read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in record.items() if name != "decode_s"} for record in records]


@pytest.fixture(scope="module")
def whole(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[CorpusResult, list[Request]]:
    """A run on a server without faults, and what the server got."""
    with TranscriptionServer() as server:
        return run_on(server, small_corpus, tmp_path_factory.mktemp("whole")), server.requests


def test_a_run_hears_the_very_samples_and_keeps_the_servers_words(whole: tuple[CorpusResult, list[Request]]) -> None:
    result, requests = whole
    found = rows(result.path)
    assert len(found) == 23
    heard = [row for row in found if row["audio_sha256"]]
    assert len(heard) == 21, "one file is missing, under two conditions"
    assert {row["audio_sha256"] for row in heard} < {request.sha256 for request in requests}
    for row in heard:
        one = said(row["audio_sha256"])
        assert row["hypothesis"] == one.text
        assert [word for word, _ in row["words"]] == [word for word, _ in one.words]
        assert [p for _, p in row["words"]] == pytest.approx([p for _, p in one.words], abs=1e-5)
    assert result.summary["conditions"]["clean"]["metrics"]["ece"]["n"] > 0
    assert result.summary["pooled"]["metrics"]["rtfx"]["value"] > 0
    assert result.summary["peak_memory_bytes"] is None, "the memory of this process is not the server's"
    assert "no log-probabilities at other temperatures" in result.summary["temperature_scaling"]["reason"]


def test_a_run_at_a_set_rate_has_no_speed(small_corpus: Path, tmp_path: Path, server: TranscriptionServer) -> None:
    result = run_on(server, small_corpus, tmp_path, "requests_per_second=1000", limit=3)
    assert result.summary["pooled"]["metrics"]["rtfx"]["value"] is None
    assert "no timings" in result.summary["pooled"]["metrics"]["rtfx"]["reason"]


def test_a_worker_changes_nothing(whole: tuple[CorpusResult, list[Request]], small_corpus: Path, tmp_path: Path) -> None:
    with TranscriptionServer() as server:
        assert rows(run_on(server, small_corpus, tmp_path, workers=1).path) == rows(whole[0].path)


def test_faults_that_pass_change_nothing(whole: tuple[CorpusResult, list[Request]], small_corpus: Path, tmp_path: Path) -> None:
    first, requests = whole[0], whole[1]
    with TranscriptionServer() as server:
        load_transcriber(server.url())  # the first clip is the one that faults are told apart by
        server.fault = at_first(2, *FAULTS.values())
        result = run_on(server, small_corpus, tmp_path)
        assert len(server.requests) >= len(requests) + 2 * len(FAULTS)
    assert rows(result.path) == rows(first.path)
    assert not [row for row in rows(result.path) if row["error"] and row["utterance"] != "u04"]


def test_a_clip_that_is_refused_is_a_failure(small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server even shows the key; it must not be in what is written."""
    monkeypatch.setenv("ASKD_BENCH_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with TranscriptionServer() as server:
        transcriber = load_transcriber(server.url())
        known = {request.sha256 for request in server.requests}
        assert isinstance(transcriber.transcribe(clips(1))[0], Transcription)
        server.requests.clear()
        unlucky: list[str] = []

        def fault(request: Request, before: int) -> Fault | None:
            with server.lock:
                if len(unlucky) < 3 and request.sha256 not in known:
                    unlucky.append(request.sha256)
            if request.sha256 in unlucky[1:]:
                return lambda handler: handler.answer(400, {"error": {"message": f"too\nshort for {handler.headers['Authorization']}"}})
            return None

        server.fault = fault
        result = run_on(server, small_corpus, tmp_path)
        assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    failed = [row for row in rows(result.path) if row["error"] and row["utterance"] != "u04"]
    assert sorted(row["audio_sha256"] for row in failed) == sorted(unlucky[1:])
    assert {row["error"] for row in failed} == {"http: the server refused this clip: 400 too short for Bearer ***"}
    assert all(row["hypothesis"] is None for row in failed)
    for file in (file for file in tmp_path.rglob("*") if file.is_file()):
        assert KEY.encode() not in file.read_bytes()


def test_a_server_that_dies_stops_the_run_which_goes_on_later(
    whole: tuple[CorpusResult, list[Request]], small_corpus: Path, tmp_path: Path
) -> None:
    with TranscriptionServer() as server:
        served = 0

        def fault(request: Request, before: int) -> Fault | None:
            nonlocal served
            served += 1
            return close if served > 12 else None

        server.fault = fault
        with pytest.raises(UserError, match=r"does not answer any more: .*; the same command goes on where it stopped") as caught:
            run_on(server, small_corpus, tmp_path, "retries=1&backoff_s=0.02")
        assert "\n" not in str(caught.value)
    [path] = [file.parent for file in tmp_path.rglob(ROWS_FILE)]
    kept = rows(path)
    assert 0 < len(kept) < 23
    assert len(kept) % 4 == 0
    assert not [row for row in kept if row["error"] and row["utterance"] != "u04"], "no row says what is not the clip's fault"
    server = TranscriptionServer(port=server.port)
    refused(server.url(), "cannot be reached")
    with server:
        resumed = run_on(server, small_corpus, tmp_path, "retries=1&backoff_s=0.02")
    assert rows(resumed.path) == rows(whole[0].path)
