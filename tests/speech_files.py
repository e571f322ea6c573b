"""Writes manifests of recordings for tests."""

import json
from pathlib import Path
from typing import Any


def write_manifest(folder: Path, records: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "manifest.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file
