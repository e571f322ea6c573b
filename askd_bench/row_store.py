"""The rows of a run under way: appended batch by batch, so that a run that was cut short goes on after its last whole batch."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from askd_bench.errors import UserError
from askd_bench.files import cannot_be, writing
from askd_bench.results import Result
from askd_bench.rows import ROWS_FILE, Key, row_from_json, row_to_json
from askd_bench.signature import SIGNATURE_FILE, Signature
from askd_bench.types import Row


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
