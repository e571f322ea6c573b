"""Requests to a server that many clips go to: a rate limit, tries again where that may help, and errors that never show the key."""

import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from askd_bench.errors import UserError

try:
    import httpx2
except ImportError:
    raise UserError("model: http:// needs the package httpx2 (allowed: pip install 'askd-bench[http]')") from None

MAX_PAUSE_S = 60.0
"""Seconds. Longest pause between tries that we choose."""

MAX_ASKED_PAUSE_S = 300.0
"""Seconds. A server that asks for a longer pause (`Retry-After`) is taken to refuse for now: a daily quota is no reason to wait."""

MOST_ANSWER_BYTES = 16 * 2**20
"""The largest answer that is read: an hour of speech with log-probabilities has a tenth of it."""

_MOST_SAID_BYTES = 2_000
_OF_THE_REQUEST = (400, 413, 415, 422, 501)
_TRANSIENT = (408, 409, 425, 429)


class Refused(Exception):
    """The server will not take this request: its content is at fault. The message says what it answered."""


class Exhausted(Exception):
    """No usable answer after all tries. The message says what was wrong the last time."""


@dataclass(slots=True)
class Pace:
    """Spaces requests of many threads evenly.

    Attributes:
        per_second: requests; None for no limit.
    """

    per_second: float | None
    _free: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self) -> float:
        """Return how many seconds to wait before the next request, which is thereby taken."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._free)
            self._free = at + (1 / self.per_second if self.per_second else 0.0)
            return at - now

    def hold(self, seconds: float) -> None:
        """Let no further request go for a while."""
        with self._lock:
            self._free = max(self._free, time.monotonic() + seconds)


class Client:
    """Talks JSON with one server, from any number of threads.

    Tries again, with pauses that double and vary by half, after 429 and other statuses of the moment, 5xx, timeouts, broken connections and
    answers that are not JSON. `Retry-After` holds all threads. Before the server has answered anything at all there is one try: an address
    that is wrong is told at once.

    Attributes:
        in_doubt: set when all tries of a request were in vain. While it is set nothing is tried again: whoever clears it finds out first
            what the server can do.
    """

    def __init__(
        self, base: str, *, key: str | None, connections: int, timeout_s: float, per_second: float | None, retries: int, backoff_s: float
    ) -> None:
        self._base, self._key, self._retries, self._backoff_s = base, key, retries, backoff_s
        self._timeout_s = timeout_s
        self._pace = Pace(per_second)
        self._answered = False
        self.in_doubt = threading.Event()
        self._stopping = threading.Event()
        self._stop_reason = UserError("interrupted")
        self._random = random.Random()
        self._http = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def stop(self, reason: UserError) -> None:
        """Make every thread that waits or tries again raise `reason`."""
        self._stop_reason = reason
        self._stopping.set()

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a path; see `post`."""
        return self._request("GET", path, {}, needs=None)

    def post(self, path: str, form: Mapping[str, str], wav: bytes) -> dict[str, Any]:
        """Send a form with a WAV file and return the JSON object that comes back, which has a `text`.

        Raises:
            Refused: 400, 413, 415, 422 or 501.
            Exhausted: no usable answer after all tries.
            UserError: the server was never reached, or answers what will be the same for every clip (401, 403, 404, a redirect...).
        """
        return self._request("POST", path, {"data": form, "files": {"file": ("audio.wav", wav, "audio/wav")}}, needs="text")

    def _request(self, method: str, path: str, content: dict[str, Any], *, needs: str | None) -> dict[str, Any]:
        reason, tries = "", 0
        while tries == 0 or (tries <= self._retries and not self.in_doubt.is_set()):
            if tries:
                self._wait(min(self._backoff_s * 2 ** (tries - 1), MAX_PAUSE_S) * self._random.uniform(0.5, 1.5))
            self._wait(self._pace.reserve())
            tries += 1
            try:
                with self._http.stream(method, self._base + path, **content) as response:
                    self._answered = True
                    body = _bounded(response, self._timeout_s)
                if response.is_success:
                    return _content(body, needs)
                reason = self._judged(response, body)
            except httpx2.TimeoutException:
                reason = f"no answer within {self._timeout_s:g} s"
            except httpx2.InvalidURL as error:
                raise self._stop(f"is no address: {error} (allowed: http://HOST:PORT/v1)") from None
            except httpx2.RequestError as error:
                reason = self._hidden(str(error)) or type(error).__name__
            except ValueError as error:  # of `_content`
                reason = self._hidden(f"an unreadable answer: {error}")
            if not self._answered:
                raise self._stop(f"cannot be reached: {reason} (allowed: the address of a server that runs)")
        self.in_doubt.set()
        raise Exhausted(f"{reason} (tries: {tries})")

    def _judged(self, response: httpx2.Response, body: bytes) -> str:
        """Return why to try again, or raise."""
        status, said = response.status_code, self._said(response, body)
        if status in _OF_THE_REQUEST:
            raise Refused(said)
        if status not in _TRANSIENT and status < 500:
            raise self._stop(f"answers {said} (allowed: the URL of an OpenAI-compatible server, its key in ASKD_BENCH_API_KEY)")
        pause_s = _asked_pause_s(response.headers.get("Retry-After"))
        if pause_s > MAX_ASKED_PAUSE_S:
            raise Exhausted(f"{said}, asking for a pause of {pause_s:.0f} s")
        self._pace.hold(pause_s)
        return said

    def _said(self, response: httpx2.Response, body: bytes) -> str:
        """Return status and message of an error, as one line without the key."""
        if response.status_code == 401:  # such messages tend to show a part of it
            return f"401 {response.reason_phrase}"
        try:
            content = json.loads(body)
            error = content.get("error", content.get("detail", content.get("message", "")))
            message = error.get("message", "") if isinstance(error, dict) else error
        except (ValueError, AttributeError, RecursionError):
            message = body[:_MOST_SAID_BYTES].decode("utf-8", "replace")
        return self._hidden(f"{response.status_code} {message or response.reason_phrase}")

    def _hidden(self, text: str) -> str:
        line = " ".join(text.split())
        line = line.replace(self._key, "***") if self._key else line
        return line if len(line) <= 200 else line[:197] + "..."

    def _stop(self, what: str) -> UserError:
        """Stop every thread, and return the error to raise."""
        reason = UserError(f"model: {self._base} {what}")
        self.stop(reason)
        return reason

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise self._stop_reason


def _bounded(response: httpx2.Response, timeout_s: float) -> bytes:
    """Return the body, decompressed, of an answer that is neither huge nor sent drop by drop.

    Raises:
        ValueError: it holds more than any transcript does.
        httpx2.ReadTimeout: it is not there in time.
    """
    deadline, body = time.monotonic() + timeout_s, bytearray()
    for part in response.iter_bytes():  # as it comes: a part that is waited for has no deadline
        body += part
        if len(body) > MOST_ANSWER_BYTES:
            raise ValueError(f"more than {MOST_ANSWER_BYTES // 2**20} MiB")
        if time.monotonic() > deadline:
            raise httpx2.ReadTimeout("the answer came too slowly", request=response.request)
    return bytes(body)


def _content(body: bytes, needs: str | None) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict) or (needs and not isinstance(content.get(needs), str)):
        raise ValueError(f"not a JSON object{f' with {needs}' if needs else ''}")
    return content


def _asked_pause_s(header: str | None) -> float:
    """Return the seconds of a `Retry-After` header, which holds seconds or a date (RFC 9110, 10.2.3); 0 where it says nothing."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
