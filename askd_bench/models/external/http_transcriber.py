"""`http://HOST:PORT/v1#MODEL`, `https://...`: any server with OpenAI's transcription endpoint (vLLM, speaches, the OpenAI API).

The fragment names the model; without one the server is asked, and must have a single one. The query sets how to call it, for instance
`?concurrency=16&requests_per_second=5`: see `Settings`. The key is read from `ASKD_BENCH_API_KEY`, else `OPENAI_API_KEY`; it goes to the
server that the URL names, and nowhere else.

Every clip is a POST of a 16-bit 16 kHz WAV of the very samples, with temperature 0. Of three forms of request the first is used whose
answer to a bundled clip has confidences, or else the last:

    tokens  `json` with `include[]=logprobs`: log-probabilities of tokens (gpt-4o-transcribe); words are made of them as for Whisper
    words   `verbose_json` with `timestamp_granularities[]=word`: a `probability` of each word, as the server defines it (speaches)
    none    `json`: text alone; the `avg_logprob` of a segment is no confidence of a word

A clip that the server refuses (400, 413, 415, 422) is a failure. Where it has no usable answer after all tries, it is asked again once
the batch is done, with one request at a time: first for the bundled clip, and if it has none of that either, the run stops, so that the
same command goes on later; then for the clip, which is a failure if it is in vain again. An overloaded server so leaves no failures.

`weights_sha256` is the SHA-256 of URL and model name: what a server really runs cannot be verified.
"""

import hashlib
import io
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import soundfile

from askd_bench.audio import read_audio, to_int16
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError, unknown_name
from askd_bench.models.external.answers import OPTIONS, UNSTATED, safe_name
from askd_bench.models.external.http_formats import FORMS, transcription_of
from askd_bench.models.external.http_requests import Client, Exhausted, Refused
from askd_bench.models.protocol import REMOTE, Features, RawAudio
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import SAMPLING_RATE, Failure, Samples, Transcription

_ENDPOINT = "/audio/transcriptions"
_NUMBERS: dict[str, tuple[type, int]] = {
    "concurrency": (int, 1),
    "requests_per_second": (float, 0),
    "timeout_s": (float, 0),
    "retries": (int, 0),
    "backoff_s": (float, 0),
}
_KEY_VARIABLES = ("ASKD_BENCH_API_KEY", "OPENAI_API_KEY")
_PROBE = "prompts"
_PROBE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to call a server; the query of its URL.

    Attributes:
        concurrency: requests at once.
        requests_per_second: most requests; such a run has no timings. None for no limit.
        timeout_s: seconds to wait for the server at each step of a request.
        retries: tries after the first.
        backoff_s: seconds of the first pause between tries; it doubles.
        confidences: a form of request, see the module; None for the first that gives some.
    """

    concurrency: int = 8
    requests_per_second: float | None = None
    timeout_s: float = 60.0
    retries: int = 5
    backoff_s: float = 1.0
    confidences: str | None = None


def load(model: str, options: ModelOptions) -> "ServerTranscriber":
    """Find out which model the server has and which confidences it gives.

    Raises:
        UserError: the URL is not one of a server, it cannot be reached, refuses us, or does not transcribe.
    """
    options.must_be_default(*(name for name in OPTIONS if name != "language"), model="http://, whose server decides it alone")
    base, name, settings = _parsed(model)
    client = Client(
        base,
        key=_key(),
        connections=settings.concurrency,
        timeout_s=settings.timeout_s,
        per_second=settings.requests_per_second,
        retries=settings.retries,
        backoff_s=settings.backoff_s,
    )
    try:
        name = name or _only_model(client, base)
        form = {"model": name, "language": options.language, "temperature": "0"}
        wav = _wav(_probe())
        confidences, accepted = _offered(client, form, wav, settings.confidences)
    except (Refused, Exhausted, ValueError) as error:
        hint = "a server that transcribes; #NAME names its model, ?confidences=none asks for text alone"
        raise UserError(f"model: {base}: {error} (allowed: {hint})") from None
    card = ModelCard(
        id=safe_name(name),
        source=f"{base}#{name}",
        architecture="http",
        parameters=None,
        weights_bytes=None,
        macs_per_second=None,
        weights_sha256=hashlib.sha256(f"{base}#{name}".encode()).hexdigest(),
        decoding={
            "language": options.language,
            "temperature": 0.0,
            "response_format": accepted["response_format"],
            "confidences": confidences,
            "weights": "not verifiable: weights_sha256 is of the URL and the model's name",
            "timings": "of the server and the network; threads are requests at once",
        },
        dtype=UNSTATED,
        device=REMOTE,
        threads=settings.concurrency,
    )
    return ServerTranscriber(client, form | accepted, wav, card, timed=settings.requests_per_second is None)


class ServerTranscriber:
    """Transcribes with a server; see the module."""

    window_s: float | None = None

    def __init__(self, client: Client, form: Mapping[str, str], probe: bytes, card: ModelCard, *, timed: bool) -> None:
        self.card = card
        self.frontend = RawAudio()
        self.timed = timed
        self._client, self._form, self._probe = client, form, probe

    def transcribe(self, features: Sequence[Features]) -> list[Transcription | Failure]:
        """Return one transcription for each clip; see `Transcriber`.

        Raises:
            UserError: the server is gone, or refuses us.
        """
        with ThreadPoolExecutor(min(self.card.threads, len(features))) as pool:
            futures = [pool.submit(self._one, samples) for samples in features]
            try:
                answers = [future.result() for future in futures]
            except BaseException as error:
                self._client.stop(error if isinstance(error, UserError) else UserError("interrupted"))
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        pairs = zip(answers, features, strict=True)
        return [self._alone(samples) if isinstance(answer, Exhausted) else answer for answer, samples in pairs]

    def _one(self, samples: Samples) -> Transcription | Failure | Exhausted:
        try:
            return transcription_of(self._client.post(_ENDPOINT, self._form, _wav(samples)))
        except Refused as error:
            return Failure(f"http: the server refused this clip: {error}")
        except Exhausted as error:
            return error
        except ValueError as error:
            return Failure(f"http: the answer's {error}")

    def _alone(self, samples: Samples) -> Transcription | Failure:
        """Ask once more, with no other request under way; raise if the server does not even answer to what it could transcribe before."""
        try:
            self._client.in_doubt.clear()
            self._client.post(_ENDPOINT, self._form, self._probe)
        except (Refused, Exhausted) as error:
            hint = "the same command goes on where it stopped"
            raise UserError(f"model: {self.card.source} does not answer any more: {error}; {hint}") from None
        answer = self._one(samples)
        self._client.in_doubt.clear()
        return Failure(f"http: no usable answer for this clip: {answer}") if isinstance(answer, Exhausted) else answer


def _key() -> str | None:
    for variable in _KEY_VARIABLES:
        key = os.environ.get(variable, "").strip()
        if key:
            if not key.isascii() or not key.isprintable() or " " in key:
                raise UserError(f"{variable}: holds what no key does (allowed: printable ASCII without spaces)")
            return key
    return None


def _parsed(model: str) -> tuple[str, str, Settings]:
    """Return the base URL, the model's name ("" where none is given) and the settings."""
    try:
        parts = urlsplit(model)
        port = parts.port
    except ValueError:
        raise UserError("model: not a URL (allowed: http://HOST:PORT/v1#MODEL)") from None
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise UserError("model: a URL with a host and without a password is needed (allowed: http://HOST:PORT/v1#MODEL, keys in variables)")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/").removesuffix(_ENDPOINT) or "/v1"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}", parts.fragment, _settings(parts.query)


def _settings(query: str) -> Settings:
    chosen: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "confidences":
            if value not in FORMS:
                raise unknown_name("confidences", value, FORMS)
            chosen[name] = value
        elif name not in _NUMBERS:
            raise unknown_name("model: its query", name, [*_NUMBERS, "confidences"])
        else:
            chosen[name] = _in_range(name, value, *_NUMBERS[name])
    return Settings(**chosen)


def _in_range(name: str, value: str, kind: type, least: int) -> int | float:
    try:
        number: int | float = kind(value)
        usable = math.isfinite(number) and (number >= least if kind is int else number > least)
    except ValueError:
        usable = False
    if not usable:
        allowed = f"{least} or more, whole" if kind is int else f"above {least}"
        raise UserError(f"{name}: {value!r} is out of range (allowed: {allowed})")
    return number


def _only_model(client: Client, base: str) -> str:
    listed = client.get("/models").get("data")
    names = [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one] if isinstance(listed, list) else []
    if len(names) != 1:
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        raise UserError(f"model: {base} serves {len(names)} models (allowed: {base}#NAME, with one of: {shown or 'none'})")
    return names[0]


def _offered(client: Client, form: Mapping[str, str], wav: bytes, wanted: str | None) -> tuple[str, dict[str, str]]:
    """Return the first kind of confidences that the server gives, and how to ask for it."""
    if wanted is not None:
        client.post(_ENDPOINT, {**form, **FORMS[wanted]}, wav)
        return wanted, FORMS[wanted]
    for kind in ("tokens", "words"):
        try:
            answer = client.post(_ENDPOINT, {**form, **FORMS[kind]}, wav)
        except Refused:  # an older server, or another model, does not know the form; the last one tells whether it is that
            continue
        if any(word.confidence is not None for word in transcription_of(answer).words):
            return kind, FORMS[kind]
    client.post(_ENDPOINT, {**form, **FORMS["none"]}, wav)
    return "none", FORMS["none"]


def _probe() -> Samples:
    """Return the first bundled prompt of some seconds."""
    clip = min((one for one in open_corpus(_PROBE) if (one.duration_s or 0) >= _PROBE_S), key=lambda one: one.id)
    return read_audio(clip.audio, name_hint=clip.id)


def _wav(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, to_int16(samples), SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
