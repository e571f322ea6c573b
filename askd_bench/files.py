"""Files: read into a typed model within bounds, written whole or not at all; whatever goes wrong is one `UserError` of one line."""

import functools
import json
import os
import secrets
import stat
import tomllib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError

from askd_bench.compression import packed, stored_bytes
from askd_bench.errors import UserError, unknown_name

MOST_BYTES = 16 * 2**20
"""The largest document that is read: the largest summary of a packaged result has 0.3 MB."""

Text = InstanceOf[str]
"""Any text, half surrogate pairs included: JSON can say them, and names of files and answers of servers hold them."""

Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
"""A number whose square and whose sum over any corpus are finite."""

Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""A whole number that float64 and int64 hold."""

T = TypeVar("T")
_MOST_SHOWN = 80


class Document(BaseModel):
    """A document, or a table of one: no unknown keys, no value of another type, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read_toml(path: Path, kind: type[T], *, argument: str) -> T:
    """Read TOML, UTF-8, into a model.

    Args:
        path: of the file.
        kind: a pydantic model, or any type that pydantic checks. Types are strict, but for arrays, which fill any sequence.
        argument: what the user named the file by; messages begin with it.

    Raises:
        UserError: the file cannot be read, is too large, is not TOML, or does not fit the model.
    """
    stored = _read(path, argument)
    try:
        content = tomllib.loads(stored.decode("utf-8"))
        as_json = json.dumps(content, default=str).encode()
    except UnicodeDecodeError as error:
        raise UserError(f"{argument}: {path}: not UTF-8 text: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{argument}: {path}: not valid TOML: {error}") from None
    return parse_json(as_json, kind, where=f"{argument}: {path}")


def read_json(path: Path, kind: type[T], *, argument: str) -> T:
    """Read JSON into a model, decompressed where the name says so; see `read_toml`."""
    return parse_json(_read(path, argument), kind, where=f"{argument}: {path}")


def parse_json(content: bytes, kind: type[T], *, where: str) -> T:
    """Check JSON against a type. Nesting and numbers are limited by the type.

    Raises:
        UserError: it is not JSON, or does not fit; the message begins with `where`.
    """
    adapter: TypeAdapter[T] = _adapter(cast(Hashable, kind))
    try:
        if b"\\ud" not in content and b"\\uD" not in content:
            return adapter.validate_json(content, strict=True)
        return adapter.validate_python(_with_tuples(json.loads(content)), strict=True)  # pydantic's parser refuses half surrogate pairs
    except ValidationError as error:
        raise UserError(f"{where}: {_first_problem(error, kind)}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON: {error}") from None


def to_json(content: object) -> bytes:
    """Return plain values as JSON on several lines: the same bytes each time. Half surrogate pairs, which UTF-8 has not, are escaped."""
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def write_json(path: Path, content: object, *, argument: str = "output") -> None:
    """Write plain values as JSON (see `to_json`) whole or not at all, compressed where the name says so."""
    write_whole(path, packed(to_json(content), path), argument=argument)


def write_whole(path: Path, content: bytes, *, argument: str = "output") -> None:
    """Write a file whole or not at all; see `write_together`."""
    write_together({path: content}, argument=argument)


def write_together(contents: Mapping[Path, bytes], *, argument: str = "output") -> None:
    """Write files: each is complete, under a name of its own beside its place, before the first is moved there.

    A link in a file's place is replaced, never followed.

    Raises:
        UserError: the disk is full, or a folder cannot be written. What was there before stays, and no remains.
    """
    temporary = {path: path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            with cannot_be("written", path, argument=argument), temporary[path].open("xb") as file:  # x: it must be new, and no link
                file.write(content)
        for path in contents:
            with cannot_be("written", path, argument=argument):
                os.replace(temporary[path], path)
    finally:
        for file_left in temporary.values():
            with suppress(OSError):
                file_left.unlink(missing_ok=True)


@contextmanager
def writing(path: Path, *, argument: str = "output") -> Iterator[BinaryIO]:
    """Give a file to write to, which takes the place of `path` where the body ends well; see `write_together`."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with cannot_be("written", path, argument=argument):
            with temporary.open("xb") as file:
                yield file
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def cannot_be(done: str, path: Path, *, argument: str) -> Iterator[None]:
    """Turn the system's complaint into one line: `argument: 'path' cannot be written: No space left on device`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{argument}: {str(path)!r} cannot be {done}: {error.strerror or error}") from error


def _read(path: Path, argument: str) -> bytes:
    with cannot_be("read", path, argument=argument):
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise UserError(f"{argument}: {str(path)!r} is not a file (allowed: a file)")
        content = stored_bytes(path, MOST_BYTES)
    if content is None:
        raise UserError(f"{argument}: {str(path)!r} holds more than {MOST_BYTES // 2**20} MiB (allowed: less)")
    return content


@functools.lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _with_tuples(content: object) -> object:
    """Return JSON with tuples for its arrays, as strict checking of Python values asks for."""
    if isinstance(content, dict):
        return {key: _with_tuples(value) for key, value in content.items()}
    return tuple(map(_with_tuples, content)) if isinstance(content, list) else content


def _first_problem(error: ValidationError, kind: object) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, problem["loc"]))[:_MOST_SHOWN]
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "json_invalid":
        return f"not valid JSON: {said.removeprefix('Invalid JSON: ')}"
    if problem["type"] == "missing":
        return f"{where}: is missing"
    if problem["type"] == "extra_forbidden" and (known := _keys_at(kind, problem["loc"][:-1])):
        return str(unknown_name(f"key {where}", str(problem["loc"][-1])[:_MOST_SHOWN], known))
    value = repr(problem["input"])
    got = f" (got {value})" if where and len(value) <= _MOST_SHOWN else ""
    return f"{where}: {said}{got}" if where else said


def _keys_at(kind: object, location: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the model at a place within another; empty where there is none."""
    model = _model_in(kind)
    for part in location:  # indices, and keys of mappings, lead no deeper
        field = model.model_fields.get(str(part)) if model else None
        model = (_model_in(field.annotation) if field else None) or model
    return sorted(model.model_fields) if model else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _model_in(argument))), None)
