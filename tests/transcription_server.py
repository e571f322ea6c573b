"""A transcription server on the loopback: real HTTP, real WAV, a text that hangs on every sample, and faults on demand."""

import email.parser
import email.policy
import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np
import soundfile

from askd_bench.audio import audio_sha256

WORDS = ((" the",), (" pil", "ot"), (" naï", "ve"), (" flew", ","), (" over", "."), (" 東", "京"))
"""Words as tokens; some end in a token of mere punctuation."""


@dataclass(frozen=True)
class Said:
    """What the server makes of one clip: tokens with log-probabilities, and what should be read from them."""

    tokens: list[tuple[str, float]]
    text: str
    words: list[tuple[str, float]]


def said(sha256: str) -> Said:
    rng = np.random.default_rng(list(bytes.fromhex(sha256)))
    tokens: list[tuple[str, float]] = []
    words = []
    for choice in rng.integers(len(WORDS), size=rng.integers(1, 8)):
        pieces = WORDS[choice]
        logprobs = (-rng.exponential(0.4, len(pieces))).tolist()
        tokens += zip(pieces, logprobs, strict=True)
        spoken = [value for piece, value in zip(pieces, logprobs, strict=True) if piece not in (",", ".")]
        words.append(("".join(pieces).strip(), float(np.exp(min(spoken)))))
    return Said(tokens, "".join(token for token, _ in tokens).strip(), words)


@dataclass(frozen=True)
class Request:
    """One POST: when it came and in which thread, its form, its headers, and the hash of its samples."""

    at: float
    thread: int
    form: dict[str, str]
    headers: dict[str, str]
    sha256: str


Fault = Callable[["Handler"], None]


@dataclass
class TranscriptionServer:
    """Use as a context manager.

    Attributes:
        gives: confidences it can give: "tokens", "words", "none".
        strict: forms it does not know are refused with 400, not ignored.
        models: what `/v1/models` lists; None for 404.
        fault: called with the request and how often this clip has come before; a returned fault answers in its place.
        before: called before an answer, e.g. to wait for others.
        port: 0 for any.
    """

    gives: str = "tokens"
    strict: bool = False
    models: tuple[str, ...] | None = ("tiny/whisper",)
    fault: Callable[[Request, int], Fault | None] = lambda request, before: None
    before: Callable[[], None] = lambda: None
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.http.daemon_threads = True
        self.http.state = self  # type: ignore[attr-defined]
        self.port = self.http.server_port
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def url(self, query: str = "retries=3&backoff_s=0.02", path: str = "/v1", name: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}?{query}{f'#{name}' if name else ''}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    @property
    def state(self) -> TranscriptionServer:
        return self.server.state  # type: ignore[attr-defined,no-any-return]

    def answer(self, status: int, content: Any, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path != "/v1/models" or self.state.models is None:
            return self.answer(404, {"detail": "Not Found"})
        return self.answer(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.state.models]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/audio/transcriptions":
            return self.answer(404, {"detail": "Not Found"})
        request = read_request(self.headers, body)
        with self.state.lock:
            before = sum(one.sha256 == request.sha256 for one in self.state.requests)
            self.state.requests.append(request)
        fault = self.state.fault(request, before)
        if fault:
            return fault(self)
        self.state.before()
        return self.transcribe(request)

    def transcribe(self, request: Request) -> None:
        asked = "tokens" if "include[]" in request.form else "words" if request.form["response_format"] == "verbose_json" else "none"
        if asked not in (self.state.gives, "none") and self.state.strict:
            return self.answer(400, {"error": {"message": f"{asked}: not supported"}})
        one = said(request.sha256)
        content: dict[str, Any] = {"text": f" {one.text}"}
        if asked == self.state.gives == "tokens":
            content["logprobs"] = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in one.tokens]
        if asked == "words":
            content["segments"] = [{"avg_logprob": -0.1, "text": one.text}]
            content["words"] = [{"word": f" {w}", "start": 0, "end": 0} for w, _ in one.words]
            if self.state.gives == "words":
                content["words"] = [{"word": f" {w}", "start": 0, "end": 0, "probability": p} for w, p in one.words]
        return self.answer(200, content)


def read_request(headers: Any, body: bytes) -> Request:
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    form: dict[str, str] = {}
    wav = b""
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name == "file":
            wav = content
        else:
            form[name] = content.decode()
    with soundfile.SoundFile(io.BytesIO(wav)) as file:
        assert (file.samplerate, file.channels, file.format, file.subtype) == (16_000, 1, "WAV", "PCM_16")
        samples = file.read(dtype="int16")
    return Request(time.monotonic(), threading.get_ident(), form, dict(headers), audio_sha256(samples))


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


def at_first(count: int, *faults: Fault) -> Callable[[Request, int], Fault | None]:
    """Answer the first requests of some clips with faults, one kind a clip; `count` times."""
    chosen: dict[str, Fault] = {}

    def fault(request: Request, before: int) -> Fault | None:
        if before == 0 and len(chosen) < len(faults):
            chosen[request.sha256] = faults[len(chosen)]
        return chosen.get(request.sha256) if before < count else None

    return fault
