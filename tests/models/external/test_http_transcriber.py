"""A real server on the loopback: how it is addressed and asked, and what becomes of each clip."""

import threading
import time
from typing import Any

import pytest
from http_calls import clips, expected, refused, texts
from transcription_server import FAULTS, Handler, TranscriptionServer

from askd_bench.audio import audio_sha256, to_int16
from askd_bench.models.external.http_transcriber import load
from askd_bench.models.load import load_transcriber
from askd_bench.options import ModelOptions
from askd_bench.types import Failure, Transcription

pytestmark = pytest.mark.usefixtures("no_keys")
UNFIT: list[Any] = [None, [], "tokens", [{"token": "x"}], [{"token": "other", "logprob": -1}], [{"token": 1, "logprob": "a"}]]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/audio/transcriptions"])
def test_the_url_is_completed(path: str, server: TranscriptionServer) -> None:
    assert load_transcriber(server.url(path=path)).card.source == f"http://127.0.0.1:{server.port}/v1#tiny/whisper"


@pytest.mark.parametrize("model", ["http://", "http:///v1", "http://[::1/v1", "http://host:port/v1", "http://user:sk-1@host/v1"])
def test_urls_that_are_none(model: str) -> None:
    assert "sk-1" not in refused(model, "model: .*URL.*allowed: http://HOST:PORT/v1#MODEL")


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


def test_options_that_a_server_cannot_be_told(server: TranscriptionServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for option, value in {
        "dtype": "float16",
        "num_beams": 5,
        "task": "translate",
        "threads": 2,
        "device": "cpu",
        "audio_context": "0",
    }.items():
        refused(server.url(), f"{option}: .* cannot be set for http://", **{option: value})
    monkeypatch.setenv("ASKD_BENCH_API_KEY", "schlüssel")
    assert "schl" not in refused(server.url(), "ASKD_BENCH_API_KEY: holds what no key does")


@pytest.mark.parametrize("models", [None, (), ("a", "b")])
def test_a_server_that_does_not_have_one_model(models: tuple[str, ...] | None) -> None:
    with TranscriptionServer(models=models) as server:
        refused(server.url(), "404" if models is None else f"serves {len(models)} models .allowed: http://127.0.0.1:.*/v1#NAME")
        assert load_transcriber(server.url(name="b")).card.id == "b"


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
    assert load(server.url("concurrency=3"), ModelOptions(language="de")).card == card
    other = load_transcriber(server.url(name="other"))
    assert other.card.weights_sha256 != card.weights_sha256
    assert server.requests[-1].form["model"] == "other"


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


@pytest.mark.parametrize("logprobs", UNFIT)
def test_confidences_that_do_not_fit_are_left_out(logprobs: object, server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url())
    server.fault = lambda request, before: lambda handler: handler.answer(200, {"text": "so it is", "logprobs": logprobs})
    [found] = transcriber.transcribe(clips(1))
    assert isinstance(found, Transcription)
    assert [(word.text, word.confidence) for word in found.words] == [("so", None), ("it", None), ("is", None)]


def test_text_that_is_no_text_is_a_failure(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url())
    server.fault = lambda request, before: lambda handler: handler.answer(200, b'{"text": "half \\ud800"}')
    [found] = transcriber.transcribe(clips(1))
    assert isinstance(found, Failure)
    assert "halves of characters" in found.reason


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
