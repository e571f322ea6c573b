"""A real server on the loopback: its answers are read as it gave them, its faults change nothing, and the key goes nowhere else."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transcription_server import Fault, Handler, Request, TranscriptionServer, said

from askd_bench.audio import audio_sha256, to_int16
from askd_bench.errors import UserError
from askd_bench.evaluation.run import CorpusResult, run
from askd_bench.models.http_server import load
from askd_bench.models.load import load_transcriber
from askd_bench.models.options import Options
from askd_bench.results import ROWS_FILE
from askd_bench.types import Failure, Samples, Transcription

KEY = "sk-secret-0123456789abcdef"
QUICK = "retries=3&backoff_s=0.02"
UNFIT: list[Any] = [None, [], "tokens", [{"token": "x"}], [{"token": "other", "logprob": -1}], [{"token": 1, "logprob": "a"}]]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASKD_BENCH_API_KEY", "OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[TranscriptionServer]:
    with TranscriptionServer() as one:
        yield one


def clips(count: int) -> list[Samples]:
    """Short noises, quantised as a run does."""
    noise = np.random.default_rng(3).normal(0, 0.1, (count, 800))
    return [to_int16(one).astype(np.float32) / np.float32(32_768) for one in noise]


def expected(samples: Samples) -> Any:
    return said(audio_sha256(to_int16(samples)))


def texts(transcriptions: list[Transcription | Failure]) -> list[str]:
    assert all(isinstance(one, Transcription) for one in transcriptions), transcriptions
    return [one.text for one in transcriptions if isinstance(one, Transcription)]


def refused(model: str, match: str, **options: Any) -> str:
    with pytest.raises(UserError, match=match) as caught:
        load_transcriber(model, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run_on(server: TranscriptionServer, corpus: Path, output: Path, query: str = QUICK, **options: Any) -> CorpusResult:
    options = {"conditions": ["white-0dB"], "workers": 0, "batch_size": 4, **options}
    [result] = run("noisy", server.url(query), corpus=[str(corpus)], output=output, **options)
    return result


def rows(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (path / ROWS_FILE).read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in record.items() if name != "decode_s"} for record in records]


def at_first(count: int, *faults: Fault) -> Callable[[Request, int], Fault | None]:
    """Answer the first requests of some clips with faults, one kind a clip; `count` times."""
    chosen: dict[str, Fault] = {}

    def fault(request: Request, before: int) -> Fault | None:
        if before == 0 and len(chosen) < len(faults):
            chosen[request.sha256] = faults[len(chosen)]
        return chosen.get(request.sha256) if before < count else None

    return fault


def close(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.close()


FAULTS: dict[str, Fault] = {
    "500": lambda handler: handler.answer(500, {"error": {"message": "oops"}}),
    "503": lambda handler: handler.answer(503, b"<html>busy</html>"),
    "429": lambda handler: handler.answer(429, {"error": "slow down"}, Retry_After="0.2"),
    "429 until a date": lambda handler: handler.answer(429, {}, Retry_After=formatdate(time.time() + 1, usegmt=True)),
    "broken JSON": lambda handler: handler.answer(200, b'{"text": "half'),
    "not an object": lambda handler: handler.answer(200, ["text"]),
    "no text": lambda handler: handler.answer(200, {"text": None}),
    "not UTF-8": lambda handler: handler.answer(200, b'{"text": "\xff"}'),
    "closed": close,
}


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


def test_what_is_asked_and_what_identifies_the_server(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("concurrency=3"), language="de")
    transcriber.transcribe(clips(1))
    assert server.requests[-1].form == {
        "model": "tiny/whisper",
        "language": "de",
        "temperature": "0",
        "response_format": "json",
        "include[]": "logprobs",
    }
    card = transcriber.card
    assert (card.id, card.source) == ("tiny--whisper", f"http://127.0.0.1:{server.port}/v1#tiny/whisper")
    assert (card.device, card.parameters, card.weights_bytes, card.macs_per_second, card.threads) == ("remote", None, None, None, 3)
    assert card.decoding["confidences"] == "tokens"
    assert "not verifiable" in str(card.decoding["weights"])
    assert load(server.url("concurrency=3"), Options(language="de")).card == card
    other = load_transcriber(server.url(name="other"))
    assert other.card.weights_sha256 != card.weights_sha256
    assert server.requests[-1].form["model"] == "other"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/audio/transcriptions"])
def test_the_url_is_completed(path: str, server: TranscriptionServer) -> None:
    assert load_transcriber(server.url(path=path)).card.source == f"http://127.0.0.1:{server.port}/v1#tiny/whisper"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("gives", ["tokens", "words", "none"])
def test_the_best_confidences_that_a_server_gives(gives: str, strict: bool) -> None:
    with TranscriptionServer(gives=gives, strict=strict) as server:
        transcriber = load_transcriber(server.url())
        found = transcriber.transcribe(clips(5))
    assert transcriber.card.decoding["confidences"] == gives
    for one, clip in zip(found, clips(5), strict=True):
        assert isinstance(one, Transcription)
        wanted = expected(clip)
        assert one.text == wanted.text
        assert [word.text for word in one.words] == wanted.text.split()
        confidences = [word.confidence for word in one.words]
        assert confidences == (pytest.approx([p for _, p in wanted.words]) if gives != "none" else [None] * len(wanted.words))
        scored = [p for token, p in wanted.tokens if token not in (",", ".")]
        assert one.token_logprobs == (pytest.approx(scored) if gives == "tokens" else ())
        assert sum(one.word_tokens) == len(one.token_logprobs)


def test_confidences_can_be_asked_for(server: TranscriptionServer) -> None:
    assert load_transcriber(server.url("confidences=none")).card.decoding["response_format"] == "json"
    assert len(server.requests) == 1


def test_faults_that_pass_change_nothing(whole: tuple[CorpusResult, list[Request]], small_corpus: Path, tmp_path: Path) -> None:
    first, requests = whole[0], whole[1]
    with TranscriptionServer() as server:
        load_transcriber(server.url())  # the first clip is the one that faults are told apart by
        server.fault = at_first(2, *FAULTS.values())
        result = run_on(server, small_corpus, tmp_path)
        assert len(server.requests) >= len(requests) + 2 * len(FAULTS)
    assert rows(result.path) == rows(first.path)
    assert not [row for row in rows(result.path) if row["error"] and row["utterance"] != "u04"]


def test_a_server_that_stays_silent_is_asked_again(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("retries=5&backoff_s=0.01&timeout_s=1"))
    woken = threading.Event()
    server.fault = at_first(1, lambda handler: (woken.wait(30), None)[1])
    assert texts(transcriber.transcribe(clips(1))) == [expected(clips(1)[0]).text]
    woken.set()
    sent = [request.at for request in server.requests if request.sha256 == server.requests[-1].sha256]
    assert sent[1] - sent[0] >= 0.9


def test_a_pause_that_is_asked_for_is_made(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("retries=1&backoff_s=0.001&concurrency=1"))
    server.fault = at_first(1, lambda handler: handler.answer(429, {}, Retry_After="0.4"))
    assert texts(transcriber.transcribe(clips(1))) == [expected(clips(1)[0]).text]
    assert server.requests[-1].at - server.requests[-2].at >= 0.39


def test_pauses_double(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("retries=3&backoff_s=0.1"))
    server.fault = at_first(3, FAULTS["500"])
    transcriber.transcribe(clips(1))
    at = [request.at for request in server.requests[-4:]]
    for pause, base in zip(np.diff(at), (0.1, 0.2, 0.4), strict=True):
        assert pause >= base / 2 - 0.01


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


def test_a_clip_that_always_fails_on_a_server_that_lives_is_a_failure(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("retries=2&backoff_s=0.01"))
    bad = audio_sha256(to_int16(clips(4)[2]))
    server.fault = lambda request, before: FAULTS["500"] if request.sha256 == bad else None
    found = transcriber.transcribe(clips(4))
    assert found[2] == Failure("http: no usable answer for this clip: 500 oops (tries: 3)")
    assert texts([*found[:2], found[3]]) == [expected(clips(4)[i]).text for i in (0, 1, 3)]


def test_an_overloaded_server_leaves_no_failures(server: TranscriptionServer) -> None:
    """It refuses every request that comes while another is under way, and no request is tried again."""
    transcriber = load_transcriber(server.url("concurrency=6&retries=0"))
    busy, turned_away = threading.Lock(), 0

    def overloaded(handler: Handler) -> None:
        nonlocal turned_away
        if not busy.acquire(blocking=False):
            turned_away += 1
            return handler.answer(503, {"detail": "busy"})
        time.sleep(0.1)
        busy.release()  # before the answer, which the next request may follow at once
        with server.lock:
            request = next(one for one in reversed(server.requests) if one.thread == threading.get_ident())
        return handler.transcribe(request)

    server.fault = lambda request, before: overloaded
    assert texts(transcriber.transcribe(clips(12))) == [expected(clip).text for clip in clips(12)]
    assert turned_away > 0
    turned_away = 0
    assert texts(transcriber.transcribe(clips(2))) == [expected(clip).text for clip in clips(2)]


def test_text_that_is_no_text_is_a_failure(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url())
    server.fault = lambda request, before: lambda handler: handler.answer(200, b'{"text": "half \\ud800"}')
    [found] = transcriber.transcribe(clips(1))
    assert isinstance(found, Failure)
    assert "halves of characters" in found.reason


@pytest.mark.parametrize("logprobs", UNFIT)
def test_confidences_that_do_not_fit_are_left_out(logprobs: object, server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url())
    server.fault = lambda request, before: lambda handler: handler.answer(200, {"text": "so it is", "logprobs": logprobs})
    [found] = transcriber.transcribe(clips(1))
    assert isinstance(found, Transcription)
    assert [(word.text, word.confidence) for word in found.words] == [("so", None), ("it", None), ("is", None)]


def test_requests_are_really_at_once() -> None:
    """Each request waits for three others: with fewer at once none would be answered."""
    with TranscriptionServer() as server:
        transcriber = load_transcriber(server.url("concurrency=4&timeout_s=20"))
        together = threading.Barrier(4, timeout=15)
        server.before = lambda: (together.wait(), None)[1]
        assert texts(transcriber.transcribe(clips(8))) == [expected(clip).text for clip in clips(8)]
        assert not together.broken


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_requests_than_were_allowed(concurrency: int, server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url(f"concurrency={concurrency}"))
    lock, now, most = threading.Lock(), 0, 0

    def count() -> None:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
        time.sleep(0.02)
        with lock:
            now -= 1

    server.before = count
    transcriber.transcribe(clips(9))
    assert 1 <= most <= concurrency


def test_the_rate_is_kept(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("concurrency=8&requests_per_second=40"))
    transcriber.transcribe(clips(24))
    at = [request.at for request in server.requests[-24:]]
    assert at[-1] - at[0] >= 23 / 40 - 0.1
    for start, later in zip(at, at[8:], strict=False):
        assert later - start >= 8 / 40 - 0.1, "the network may bring two requests closer, not eight"


def test_a_run_at_a_set_rate_has_no_speed(small_corpus: Path, tmp_path: Path, server: TranscriptionServer) -> None:
    result = run_on(server, small_corpus, tmp_path, "requests_per_second=1000", limit=3)
    assert result.summary["pooled"]["metrics"]["rtfx"]["value"] is None
    assert "no timings" in result.summary["pooled"]["metrics"]["rtfx"]["reason"]


def test_a_worker_changes_nothing(whole: tuple[CorpusResult, list[Request]], small_corpus: Path, tmp_path: Path) -> None:
    with TranscriptionServer() as server:
        assert rows(run_on(server, small_corpus, tmp_path, workers=1).path) == rows(whole[0].path)


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


def test_a_server_that_refuses_us_later_stops_the_run(server: TranscriptionServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    transcriber = load_transcriber(server.url())
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    server.fault = lambda request, before: lambda handler: handler.answer(401, {"error": {"message": f"bad key {KEY}"}})
    with pytest.raises(UserError, match="answers 401 Unauthorized") as caught:
        transcriber.transcribe(clips(8))
    assert KEY not in str(caught.value)


def test_a_quota_that_is_used_up_is_not_waited_for(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url())
    server.fault = lambda request, before: lambda handler: handler.answer(429, {"error": {"message": "quota"}}, Retry_After="86400")
    started = time.monotonic()
    with pytest.raises(UserError, match="429 quota, asking for a pause of 86400 s"):
        transcriber.transcribe(clips(2))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("status", "match"),
    [
        (401, "answers 401"),
        (403, "answers 403 no"),
        (404, "answers 404 no"),
        (307, "answers 307"),
        (400, "400 no"),
        (500, r"500 no \(tries: 4\)"),
    ],
)
def test_a_server_that_will_never_transcribe_is_told_at_once(status: int, match: str, server: TranscriptionServer) -> None:
    server.fault = lambda request, before: lambda handler: handler.answer(status, {"detail": "no"})
    refused(server.url(), match)


def test_an_address_without_a_server_is_told_at_once(server: TranscriptionServer) -> None:
    started = time.monotonic()
    with TranscriptionServer() as other:
        pass
    refused(f"http://127.0.0.1:{other.port}/v1", "cannot be reached: .* .allowed: the address of a server that runs")
    refused(f"http://127.0.0.1:{other.port}/v1#named", "cannot be reached")
    refused(server.url(path="/v2"), "answers 404 Not Found")
    refused(server.url(path="/v2", name="named"), "answers 404 Not Found")
    assert time.monotonic() - started < 5, "there is nothing to try again"


@pytest.mark.parametrize("models", [None, (), ("a", "b")])
def test_a_server_that_does_not_have_one_model(models: tuple[str, ...] | None) -> None:
    with TranscriptionServer(models=models) as server:
        refused(server.url(), "404" if models is None else f"serves {len(models)} models .allowed: http://127.0.0.1:.*/v1#NAME")
        assert load_transcriber(server.url(name="b")).card.id == "b"


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("concurency=2", "'concurency' is unknown; did you mean 'concurrency'"),
        ("api_key=sk-1", "'api_key' is unknown"),
        ("concurrency=0", "concurrency: '0' is out of range"),
        ("concurrency=2.5", "concurrency: '2.5' is out of range"),
        ("requests_per_second=0", "requests_per_second: '0' is out of range"),
        ("timeout_s=nan", "timeout_s: 'nan' is out of range"),
        ("timeout_s", "timeout_s: '' is out of range"),
        ("retries=-1", "retries: '-1' is out of range"),
        ("confidences=all", "confidences: 'all' is unknown"),
    ],
)
def test_settings_that_are_none(query: str, match: str) -> None:
    assert "sk-1" not in refused(f"http://127.0.0.1:9/v1?{query}", match)


@pytest.mark.parametrize("model", ["http://", "http:///v1", "http://[::1/v1", "http://host:port/v1", "http://user:sk-1@host/v1"])
def test_urls_that_are_none(model: str) -> None:
    assert "sk-1" not in refused(model, "model: .*URL.*allowed: http://HOST:PORT/v1#MODEL")


def test_options_that_a_server_cannot_be_told(server: TranscriptionServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for option, value in {"dtype": "float16", "num_beams": 5, "task": "translate", "threads": 2, "device": "cpu"}.items():
        refused(server.url(), f"{option}: .* cannot be set for http://", **{option: value})
    monkeypatch.setenv("ASKD_BENCH_API_KEY", "schlüssel")
    assert "schl" not in refused(server.url(), "ASKD_BENCH_API_KEY: holds what no key does")
