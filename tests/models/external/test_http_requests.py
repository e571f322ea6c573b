"""Requests to a real server on the loopback: how soon they are tried again, how many go in a second, and what is not tried again."""

import gzip
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
from http_calls import KEY, clips, expected, refused, texts
from transcription_server import FAULTS, TranscriptionServer, at_first

from askd_bench.errors import UserError
from askd_bench.models.external.http_requests import MOST_ANSWER_BYTES
from askd_bench.models.load import load_transcriber

pytestmark = pytest.mark.usefixtures("no_keys")


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


def test_the_rate_is_kept(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("concurrency=8&requests_per_second=40"))
    transcriber.transcribe(clips(24))
    at = [request.at for request in server.requests[-24:]]
    assert at[-1] - at[0] >= 23 / 40 - 0.1
    for start, later in zip(at, at[8:], strict=False):
        assert later - start >= 8 / 40 - 0.1, "the network may bring two requests closer, not eight"


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


def test_a_server_that_refuses_us_later_stops_the_run(server: TranscriptionServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    transcriber = load_transcriber(server.url())
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    server.fault = lambda request, before: lambda handler: handler.answer(401, {"error": {"message": f"bad key {KEY}"}})
    with pytest.raises(UserError, match="answers 401 Unauthorized") as caught:
        transcriber.transcribe(clips(8))
    assert KEY not in str(caught.value)


def test_a_compressed_answer_is_read_up_to_a_bound(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("retries=0"))
    bomb = gzip.compress(b'{"text": "' + b" " * 2 * MOST_ANSWER_BYTES + b'"}')

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    server.fault = at_first(1, send)
    [answer] = transcriber.transcribe(clips(1))
    assert texts([answer]) == [expected(clips(1)[0]).text], "asked once more, alone"


def test_an_answer_that_comes_drop_by_drop_has_a_deadline(server: TranscriptionServer) -> None:
    transcriber = load_transcriber(server.url("retries=0&timeout_s=0.5"))

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        with suppress(OSError):
            for _ in range(200):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.1)

    server.fault = at_first(1, drip)
    started = time.monotonic()
    assert texts(transcriber.transcribe(clips(1))) == [expected(clips(1)[0]).text]
    assert time.monotonic() - started < 15
