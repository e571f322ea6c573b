"""Files of a run: whole or absent when they are written, one line when they are damaged."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from askd_bench.errors import UserError
from askd_bench.files import write_whole

MANIFEST = "manifest.jsonl"
"""The utterances of a folder that `pseudo-label` or `join` wrote."""


def write_json(path: Path, content: Any, *, argument: str = "output") -> None:
    """Write JSON; see `write_whole`."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode(), argument=argument)


def write_manifest(folder: Path, rows: Iterable[Mapping[str, Any]], *, argument: str = "out") -> None:
    """Write `MANIFEST`, by which a folder is a corpus to train on; see `write_whole`."""
    write_whole(folder / MANIFEST, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(), argument=argument)


def read_json(path: Path, *, argument: str = "output") -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: it is damaged or cannot be read.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{argument}: {path} is damaged; choose another folder, or remove what {path.parent} holds") from error
    if not isinstance(content, dict):
        raise UserError(f"{argument}: {path} is damaged; choose another folder, or remove what {path.parent} holds")
    return content
