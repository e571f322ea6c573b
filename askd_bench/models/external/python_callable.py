"""`python:module:factory`: any recogniser that Python can call.

`factory()` returns `transcribe(audio, sampling_rate)`: a list of float32 arrays, shape (num_samples,), in [-1, 1], and 16000 come in; one
answer for each goes out, in order: its text, a `Transcription`, or a dict with `text` and optionally `words`, `word_tokens` and
`token_logprobs` as in `answers.read_transcription`. The callable may have attributes: `name` (of the result directory), `parameters` (how
many) and `window_s` (longer clips come alone).

`weights_sha256` is the SHA-256 of the module's source: what the module reads is its own affair and cannot be verified.
"""

import hashlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from askd_bench.errors import UserError, unknown_name
from askd_bench.models.external.answers import OPTIONS, UNSTATED, read_transcription, safe_name
from askd_bench.models.memory import is_out_of_memory
from askd_bench.models.protocol import Features, RawAudio
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import SAMPLING_RATE, Transcription

_FORMS = "python:module:factory or python:path/to/file.py:factory"
_KEYS = ("text", "words", "word_tokens", "token_logprobs")


def load(model: str, options: ModelOptions) -> "CallableTranscriber":
    """Import the module and call the factory.

    Raises:
        UserError: there is no such module or factory, its code fails, or what it returns is not callable or has unusable attributes.
    """
    options.must_be_default(*OPTIONS, model="python:, whose callable decides it alone")
    target, _, factory = model.removeprefix("python:").rpartition(":")
    if not target or not factory:
        raise UserError(f"model: {model!r} names no factory (allowed: {_FORMS})")
    module = _module(model, target)
    if not hasattr(module, factory):
        public = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise unknown_name(f"model: {model!r}: factory", factory, public)
    source = _source(model, module)
    with _users_code(f"model: {model!r}", source):
        transcribe = getattr(module, factory)()
    if not callable(transcribe):
        raise UserError(f"model: {model!r} gave {type(transcribe).__name__!r} (allowed: something to call with audio and sampling rate)")
    return CallableTranscriber(
        transcribe,
        ModelCard(
            id=safe_name(_attribute(model, transcribe, "name", str) or f"{Path(target).stem if _is_file(target) else target}.{factory}"),
            source=model,
            architecture="python",
            parameters=_attribute(model, transcribe, "parameters", int),
            weights_bytes=None,
            macs_per_second=None,
            weights_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
            decoding={"weights": "not verified: weights_sha256 is of the module's source"},
            dtype=UNSTATED,
            device=UNSTATED,
            threads=os.cpu_count() or 1,
        ),
        window_s=_attribute(model, transcribe, "window_s", float),
        source=source,
    )


class CallableTranscriber:
    """Transcribes with a user's callable; see the module."""

    def __init__(self, transcribe: Callable[..., Any], card: ModelCard, *, window_s: float | None, source: Path) -> None:
        self.card = card
        self.window_s = window_s
        self.frontend = RawAudio()
        self._call, self._source = transcribe, source
        self._who = f"model: {card.source!r}"

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each clip; see `Transcriber`.

        Raises:
            UserError: the callable raised, or its answers are not as they must be. Running out of memory is passed on as it is.
        """
        with _users_code(self._who, self._source, memory_is_told=True):
            answers = self._call([samples.copy() for samples in features], SAMPLING_RATE)  # copies: other models may be given them too
        if not isinstance(answers, list | tuple):
            raise UserError(f"{self._who} returned {type(answers).__name__!r} (allowed: a list with one answer for each clip)")
        if len(answers) != len(features):
            raise UserError(f"{self._who} returned {len(answers)} answers to {len(features)} clips (allowed: one for each, in order)")
        return [self._read(position, answer) for position, answer in enumerate(answers)]

    def _read(self, position: int, answer: object) -> Transcription:
        if isinstance(answer, Transcription):
            return answer
        try:
            if not isinstance(answer, dict):
                return read_transcription(answer, {})
            unknown = sorted(str(key) for key in answer if key not in _KEYS)
            if unknown or "text" not in answer:
                raise ValueError(f"keys are {', '.join(map(str, answer))} (allowed: text, and perhaps {', '.join(_KEYS[1:])})")
            return read_transcription(answer["text"], answer)
        except ValueError as error:
            raise UserError(f"{self._who} returned answers[{position}] whose {error}") from None


def _is_file(target: str) -> bool:
    return target.endswith(".py")


def _module(model: str, target: str) -> ModuleType:
    if _is_file(target):
        return _from_file(model, Path(target).expanduser())
    if not all(part.isidentifier() for part in target.split(".")):
        raise UserError(f"model: {model!r} names no module (allowed: {_FORMS})")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    with _users_code(f"model: {model!r}", Path(f"{target.split('.')[-1]}.py")):
        try:
            return import_module(target)
        except ModuleNotFoundError as error:
            if error.name and f"{target}.".startswith(f"{error.name}."):
                where = "in this folder or on sys.path"
                raise UserError(f"model: {model!r}: there is no module {error.name!r} {where} (allowed: {_FORMS})") from None
            raise


def _from_file(model: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"model: {model!r}: {str(path)!r} does not exist (allowed: {_FORMS})")
    spec = spec_from_file_location(f"_recogniser_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    with _users_code(f"model: {model!r}", path):
        spec.loader.exec_module(module)
    return module


def _source(model: str, module: ModuleType) -> Path:
    if not getattr(module, "__file__", None):
        raise UserError(f"model: {model!r}: {module.__name__!r} is not in a file, so that nothing identifies it (allowed: {_FORMS})")
    return Path(str(module.__file__))


def _attribute(model: str, transcribe: object, name: str, kind: type) -> Any:
    value = getattr(transcribe, name, None)
    if value is None:
        return None
    usable = isinstance(value, str) and value.strip() if kind is str else isinstance(value, int | kind) and not isinstance(value, bool)
    if not usable or (kind is not str and not value > 0):
        allowed = {str: "a name", int: "a whole number above 0", float: "seconds, above 0"}[kind]
        raise UserError(f"model: {model!r} has {name} = {value!r} (allowed: {allowed})")
    return kind(value)


@contextmanager
def _users_code(who: str, source: Path, *, memory_is_told: bool = False) -> Iterator[None]:
    """Tell in one line what the user's code raised and where; the exception is chained."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if memory_is_told and is_out_of_memory(error):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == source.name]
        place = f"line {own[-1].lineno} of {source.name}; " if own else ""
        raise UserError(f"{who} raised {said} ({place}ASKD_BENCH_TRACEBACK=1 shows the traceback)") from error
