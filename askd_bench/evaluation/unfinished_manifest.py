"""The manifest of a rendering under way: what an interruption leaves, and where the same rendering goes on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

from askd_bench.errors import UserError
from askd_bench.evaluation.inputs import Inputs
from askd_bench.files import cannot_be, writing

UNFINISHED_FILE = "manifest.unfinished"
"""A first line that says what is rendered, then the manifest's rows so far: each is written when its audio is there."""


class UnfinishedManifest:
    """Rows of a rendering, appended as they come. Use it as a context manager.

    Attributes:
        done: how many rows an earlier attempt left.
    """

    def __init__(self, out: Path, inputs: Inputs) -> None:
        """Take a folder that is new, empty, or holds the beginning of this very rendering.

        Raises:
            UserError: it holds something else.
            OSError: it cannot be written.
        """
        self._out, self._path = out, out / UNFINISHED_FILE
        header = _line(_identity(inputs))
        left = self._path.read_bytes().splitlines(keepends=True) if self._path.is_file() and not self._path.is_symlink() else []
        whole = [line for line in left if line.endswith(b"\n")]
        begun = whole[:1] == [header] or (not whole and left != [])
        if out.exists() and not begun and (not out.is_dir() or any(out.iterdir())):
            raise UserError(f"out: {str(out)!r} is not empty (allowed: a new or empty folder, or the beginning of this very rendering)")
        self.done = max(len(whole) - 1, 0)
        out.mkdir(parents=True, exist_ok=True)
        for remains in out.glob("**/.*.tmp"):  # of files that were being written
            remains.unlink()
        with writing(self._path, argument="out") as lines:
            lines.write(b"".join(whole or [header]))
        self._lines: IO[bytes] = self._path.open("ab")

    def append(self, row: Mapping[str, Any]) -> None:
        """Add the row of a rendering whose audio is there.

        Raises:
            UserError: the disk is full.
        """
        with cannot_be("written", self._path, argument="out"):
            self._lines.write(_line(row))
            self._lines.flush()

    def finish(self, manifest: Path) -> Path:
        """Make the manifest of all rows, and return its path."""
        rows = self._path.read_bytes().partition(b"\n")[2]
        with writing(manifest, argument="out") as whole:
            whole.write(rows)
        self._path.unlink()
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()


def _identity(inputs: Inputs) -> dict[str, Any]:
    """Return everything that decides what is rendered, and in which order."""
    return {
        "suite": inputs.suite.fingerprint,
        "version": inputs.suite.version,
        "conditions": [condition.id for condition in inputs.conditions],
        "corpora": [[selected.reported.source, selected.reported.fingerprint()] for selected in inputs.corpora],
        "talkers": inputs.talkers.fingerprint(),
        "noise_dir": None if inputs.noise_dir is None else str(inputs.noise_dir),
    }


def _line(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
