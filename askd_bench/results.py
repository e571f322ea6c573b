"""Reading and writing a result directory: `signature.json`, `utterances.jsonl`, `summary.json`.

Rows are the result; the summary is a function of them. Rows are appended batch by batch, and a run that was cut short goes on after its
last whole batch, so that an interruption changes nothing but timings.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Annotated, Any

from filelock import FileLock, Timeout
from pydantic import Field

from askd_bench.compression import find_stored, is_compressed, stored_lines
from askd_bench.errors import UserError
from askd_bench.files import Document, Number, Text, Whole, cannot_be, parse_json, read_json, write_json, writing
from askd_bench.metrics.summary import is_current, summarise
from askd_bench.signature import SCHEMA_VERSION, SIGNATURE_FILE, Signature, differences
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS
from askd_bench.types import Row, Split, Word

ROWS_FILE = "utterances.jsonl"
SUMMARY_FILE = "summary.json"
_DIGITS = 5
_ESCAPED = "backslashreplace"  # writes half a surrogate pair (of a file name that is not UTF-8, a server's error) as JSON does
_ROW_FIELDS = tuple(field.name for field in fields(Row))

_Temperature = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$")]

Key = tuple[str, str]
"""(condition, utterance): what a row is of."""


def row_to_json(row: Row) -> str:
    """Return a row as one line of JSON: keys in the order of `Row`, floats rounded to 5 digits, words as [text, confidence] pairs.

    Half a surrogate pair, which UTF-8 cannot hold, is written as JSON's escape of it, and so reads back.

    >>> row = Row(condition="clean", utterance="u1", reference="yes", hypothesis="Yes.", duration_s=1.0)
    >>> row_to_json(row)[:80]
    '{"condition":"clean","utterance":"u1","reference":"yes","hypothesis":"Yes.","dur'
    """
    record = {name: getattr(row, name) for name in _ROW_FIELDS}
    record["words"] = [[word.text, word.confidence] for word in row.words]
    record["tempered_logprobs"] = {str(temperature): values for temperature, values in row.tempered_logprobs.items()}
    line = json.dumps(_rounded(record), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return line.encode("utf-8", _ESCAPED).decode()


class _Stored(Document):
    """A row as a line of JSON holds it; what it leaves out has the default of `Row`."""

    condition: Text
    utterance: Text
    reference: Text
    hypothesis: Text | None
    duration_s: Number
    speaker: Text | None = None
    group: Text | None = None
    split: Split = "test"
    words: tuple[tuple[Text, Number | None], ...] = ()
    word_tokens: tuple[Whole, ...] = ()
    token_logprobs: tuple[Number, ...] = ()
    token_entropies: tuple[Number, ...] = ()
    tempered_logprobs: dict[_Temperature, tuple[Number, ...]] = Field(default_factory=dict)
    long_form: bool = False
    realised: dict[Text, Whole | Number | Text | None] = Field(default_factory=dict)
    batch: Whole = 1
    decode_s: Number | None = None
    audio_sha256: Text | None = None
    error: Text | None = None


def row_from_json(line: str | bytes) -> Row:
    """Read a row back.

    Raises:
        UserError: the line is not a row of this schema.
    """
    where = f"{ROWS_FILE}: not a row of schema {SCHEMA_VERSION}"
    stored = parse_json(line.encode() if isinstance(line, str) else line, _Stored, where=where)
    record: dict[str, Any] = {name: getattr(stored, name) for name in stored.model_fields_set}
    if stored.words:
        record["words"] = tuple(Word(text, confidence) for text, confidence in stored.words)
    if stored.tempered_logprobs:
        record["tempered_logprobs"] = {float(t): values for t, values in stored.tempered_logprobs.items()}
    return Row(**record)


@dataclass(frozen=True, slots=True)
class Result:
    """A result directory that has a signature and rows."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "Result":
        """Open a result directory.

        Raises:
            UserError: it is none, its signature is damaged, or it is that of a shard, whose figures would not be those of a run.
        """
        result = cls.at(path)
        if shard := result.signature().shard:
            part = f"{shard.index}/{shard.count}"
            raise UserError(f"result_dir: {str(path)!r} is shard {part} of a run (allowed: what `askd-bench merge` makes of all shards)")
        return result

    @classmethod
    def at(cls, path: Path | str) -> "Result":
        """Take a directory that has a signature and rows, whatever these hold.

        Raises:
            UserError: it is none.
        """
        result = cls(Path(path))
        if not result.path.is_dir():
            raise UserError(f"result_dir: {str(path)!r} is not a folder (allowed: a folder with {SIGNATURE_FILE} and {ROWS_FILE})")
        for needed, there in ((SIGNATURE_FILE, (result.path / SIGNATURE_FILE).is_file()), (ROWS_FILE, result.rows_file() is not None)):
            if not there:
                nested = sorted(str(p.parent.relative_to(result.path)) for p in result.path.glob(f"**/{SIGNATURE_FILE}"))[:3]
                hint = f"; inside it are {', '.join(nested)}" if nested else ""
                raise UserError(f"result_dir: {str(path)!r} has no {needed} (allowed: one result directory{hint})")
        return result

    def rows_file(self) -> Path | None:
        """Return the file of rows, compressed or not; None where there is none."""
        return find_stored(self.path / ROWS_FILE)

    def summary_file(self) -> Path | None:
        """Return the file of the stored summary, compressed or not; None where the run has not ended.

        A compressed summary is that of rows compressed alike: beside others it is left from an earlier run.
        """
        rows, plain = self.rows_file(), self.path / SUMMARY_FILE
        alike = [plain.with_name(plain.name + rows.suffix)] if rows is not None and is_compressed(rows) else []
        return next((file for file in (plain, *alike) if file.is_file()), None)

    def signature(self) -> Signature:
        """Return the stored signature.

        Raises:
            UserError: it is damaged, or of another schema.
        """
        return Signature.read(self.path)

    def summary(self) -> dict[str, Any] | None:
        """Return the stored summary; None where the run has not ended."""
        file = self.summary_file()
        return None if file is None else read_json(file, dict[str, Any], argument="result_dir")

    def stored_summary(self) -> dict[str, Any]:
        """Return the stored summary.

        Raises:
            UserError: the run has not ended.
        """
        summary = self.summary()
        if summary is None:
            raise UserError(
                f"result_dir: {str(self.path)!r} has no {SUMMARY_FILE}: its run has not ended (allowed: run it again, or score it)"
            )
        return summary

    def current_summary(self) -> dict[str, Any]:
        """Return the stored summary, computed again from the rows where it lacks a figure of today; nothing is stored.

        Raises:
            UserError: the run has not ended.
        """
        stored = self.stored_summary()
        if is_current(stored):
            return stored
        return self.summarise(normalizer=stored["normalizer"]["name"]) | {"peak_memory_bytes": stored["peak_memory_bytes"]}

    def lines(self) -> Iterator[bytes]:
        """Yield the rows as they are stored, streaming."""
        file = self.rows_file()
        if file is not None:
            yield from stored_lines(file)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, streaming.

        Raises:
            UserError: on the way: a line is no row, or a second row of the same condition and utterance: which of them would count?
        """
        seen: set[int] = set()
        for number, line in enumerate(self.lines(), start=1):
            row = row_from_json(line)
            key = hash((row.condition, row.utterance))  # of 64 bits: a million keys as texts would take memory
            if key in seen:
                where = f"{str(self.path)!r}: row {number}"
                raise UserError(f"result_dir: {where} is a second one of {row.condition}, {row.utterance} (allowed: one row each)")
            seen.add(key)
            yield row

    def rows_left(self) -> tuple[int, int] | None:
        """Return how many rows an unfinished run has and how many it planned; None where all are there, or the signature does not say."""
        planned = self.signature().planned_rows
        there = 0 if planned is None else sum(1 for _ in self.lines())
        return None if planned is None or there >= planned else (there, planned)

    def summarise(self, rows: Iterable[Row] | None = None, *, normalizer: str = DEFAULT_NORMALISER) -> dict[str, Any]:
        """Return the summary of the rows, or of those given, which are a part of them; nothing is stored."""
        signature, part = self.signature(), None if rows is None else list(rows)
        severities = signature.severities
        if part is not None:
            there = {row.condition for row in part}
            severities = {family: {name: at for name, at in axis.items() if name in there} for family, axis in severities.items()}
        return summarise(
            self.rows() if part is None else part,
            normalizer=normalizer,
            baseline=signature.suite.baseline,
            severities={family: axis for family, axis in severities.items() if len(set(axis.values())) == len(axis) > 1},
        )

    def differences_from_summary(self, rows: Iterable[Row] | None = None) -> list[str]:
        """Return every entry in which the stored summary is not what follows from the rows, as `entry: stored -> computed`.

        Why a figure is null is passed over: those are words, which a version may put otherwise than the one before. So are figures that
        one of the two lacks: a summary is a cache, and the version that wrote it may know others than this one.

        Raises:
            UserError: there is no summary, or it is damaged.
        """
        stored = self.stored_summary()
        stored.pop("peak_memory_bytes", None)  # of the process, not of rows
        normalizer = stored.get("normalizer")
        name = normalizer.get("name") if isinstance(normalizer, dict) else None
        if name not in NORMALISERS:
            raise UserError(
                f"result_dir: {str(self.path)!r}: {SUMMARY_FILE}: normalizer {name!r} is unknown (allowed: {', '.join(NORMALISERS)})"
            )
        computed: dict[str, Any] = json.loads(json.dumps(self.summarise(rows, normalizer=name)))
        old, new = _without_reasons(stored), _without_reasons(computed)
        return differences(_shared(old, new), _shared(new, old))

    def write_summary(self, normalizer: str = DEFAULT_NORMALISER, *, peak_memory_bytes: int | None = None) -> dict[str, Any]:
        """Compute the summary from the rows, store it, compressed where it was, and return it.

        `peak_memory_bytes`, of the process that decoded, is the one figure that rows do not hold: without one, what is stored stays.

        Raises:
            UserError: an unknown normaliser, no rows, or a directory that cannot be written.
        """
        earlier = None
        with suppress(UserError):  # a damaged summary is made anew from the rows
            earlier = (self.summary() or {}).get("peak_memory_bytes")
        summary = self.summarise(normalizer=normalizer) | {"peak_memory_bytes": peak_memory_bytes or earlier}
        write_json(self.summary_file() or self.path / SUMMARY_FILE, summary, argument="result_dir")
        return summary


def result_folders(folder: Path) -> list[Path]:
    """Return the folders `<model>/<suite>-v<version>/<corpus>/` that have a signature, sorted by these three."""
    return [file.parent for file in sorted(folder.glob(f"*/*-v*/*/{SIGNATURE_FILE}"))]


def find_results(folder: Path) -> list[Result]:
    """Open all results of a folder, see `result_folders`.

    Raises:
        UserError: one of them is no whole result.
    """
    return [Result.open(path) for path in result_folders(folder)]


class RowStore:
    """The rows of a run under way. Use it as a context manager: leaving it closes the file, rows stay."""

    def __init__(self, path: Path, signature: Signature, *, overwrite: bool = False) -> None:
        """Look whether a directory can take a run: new, or a run with the very same signature that may be continued. Writes nothing.

        Args:
            path: of the directory.
            signature: of the run.
            overwrite: whatever run the directory holds will be discarded by `prepare`.

        Raises:
            UserError: the directory holds other results, or cannot be looked at.
        """
        self.path = path
        self._signature = signature
        self._overwrite = overwrite
        self._rows = path / ROWS_FILE
        self._file: IO[bytes] | None = None
        self._resumed = False
        self._holding = ExitStack()
        existing = path / SIGNATURE_FILE
        with cannot_be("read", path, argument="output"):
            if not existing.is_file():
                if self._rows.exists():
                    raise UserError(f"output: {str(path)!r} holds rows without a {SIGNATURE_FILE} (allowed: another --output)")
                return
            if overwrite:
                return
        different = Signature.read(path, argument="output").of_another_run(signature)
        if different:
            shown = "; ".join(different[:3]) + ("; ..." if len(different) > 3 else "")
            raise UserError(f"output: {str(path)!r} holds another run's results ({shown}); allowed: --overwrite, or another --output")

    def prepare(self) -> None:
        """Make the directory, empty of another run's results, and write the signature.

        Raises:
            UserError: it cannot be written, or another run is writing it.
        """
        with cannot_be("written", self.path, argument="output"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._holding.enter_context(locked(self.path))
            if self._overwrite:
                discard(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        self._signature.write(self.path)

    def keep_whole_batches(self, batches: Iterable[Sequence[Key]]) -> int:
        """Drop what an interruption left unfinished and return how many batches of the plan are done.

        Rows are kept up to the end of the last batch that is whole and in the plan's order. If rows are still to come, none has timings,
        neither those kept nor those to come: a run in two parts has no fair speed.

        Raises:
            UserError: a line that others follow is not the row that is planned there. An interruption leaves no such thing, so that the
                file is damaged, and rows behind it would be lost.
        """
        if not self._rows.is_file():
            return 0
        whole, rows_kept, finished = 0, 0, True
        with self._rows.open("rb") as lines:  # as bytes: the last line may end within a character
            for batch in batches:
                if not all(self._is_next(key, lines, rows_kept + place) for place, key in enumerate(batch, start=1)):
                    finished = False
                    break
                whole, rows_kept = whole + 1, rows_kept + len(batch)
            finished = finished and not lines.readline()
        if finished:
            self._refuse_changed()
        else:
            self._rewrite(rows_kept)
            self._resumed = rows_kept > 0
        return whole

    def _is_next(self, key: Key, lines: IO[bytes], number: int) -> bool:
        """Whether the next line is the row that is planned there; where it is not, it must be the last."""
        line = lines.readline()
        there = _key(line) == key
        if not there and lines.read(1):
            raise UserError(
                f"output: {str(self._rows)!r} is damaged: line {number} is not the row of {', '.join(key)}, and others follow it "
                "(allowed: rows as a run wrote them; mend the line, or --overwrite)"
            )
        return there

    def _refuse_changed(self) -> None:
        """Refuse rows of a finished run that are not those it ended with: its summary must not be made to agree with them."""
        result = Result(self.path)
        if result.summary_file() is not None and (different := result.differences_from_summary()):
            raise UserError(
                f"output: {str(self._rows)!r} is not what its run ended with (summary: {different[0]} from the rows; allowed: the rows as "
                "they were, --overwrite, or `askd-bench score` where the rows are right)"
            )

    def _rewrite(self, rows_kept: int) -> None:
        with self._rows.open("rb") as lines, writing(self._rows) as out:
            for _ in range(rows_kept):
                out.write(row_to_json(replace(row_from_json(lines.readline()), decode_s=None)).encode() + b"\n")

    def append(self, rows: Iterable[Row]) -> None:
        """Write the rows of one batch and flush them.

        Raises:
            UserError: the disk is full, or the file a link; the rows of earlier batches stay.
        """
        if self._resumed:
            rows = [replace(row, decode_s=None) for row in rows]
        with cannot_be("written", self._rows, argument="output"):
            if self._file is None:
                self._file = os.fdopen(os.open(self._rows, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666), "ab")
            self._file.write("".join(row_to_json(row) + "\n" for row in rows).encode())
            self._file.flush()

    def __enter__(self) -> "RowStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the directory; may be called again."""
        if self._file is not None:
            with suppress(OSError):  # told when the rows were written
                self._file.close()
            self._file = None
        self._holding.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a result directory, there or to come, from being written by anyone else meanwhile.

    Raises:
        UserError: someone else is writing it.
    """
    lock = FileLock(path.parent / f".{path.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"output: another run is writing {str(path)!r} (allowed: wait for it, or another --output)") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def discard(path: Path) -> None:
    """Remove a result directory, and nothing that is not one."""
    if (path / SIGNATURE_FILE).is_file():
        shutil.rmtree(path)


def _key(line: bytes) -> Key | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = row_from_json(line)
    except UserError:
        return None
    return row.condition, row.utterance


def _without_reasons(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_reasons(value) if isinstance(value, Mapping) else value
        for key, value in summary.items()
        if key != "reason" or isinstance(value, Mapping)
    }


def _shared(summary: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out figures that the other lacks."""
    return {
        key: _shared(value, other[key]) if isinstance(value, Mapping) and isinstance(other.get(key), Mapping) else value
        for key, value in summary.items()
        if key in other or not _is_figure(value)
    }


def _is_figure(value: object) -> bool:
    return isinstance(value, Mapping) and {"value", "low", "high", "n"} <= value.keys()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
