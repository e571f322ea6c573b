"""Beneath a Steel Sky: the `accents` corpus. Its recordings live in this repository only, so they are verified, not fetched."""

from hashlib import sha256
from pathlib import Path

from askd_bench.errors import UserError
from build_corpora.lines import Line, Verdicts, manifest_row, read_table, usable

LICENCE = "LicenseRef-Beneath-a-Steel-Sky"
SOURCE = "beneath-a-steel-sky (game data, voice recordings)"


def accents(folder: Path, verdicts: Verdicts, bundled: Path) -> list[dict[str, object]]:
    """Copy the checked recordings from `bundled` (the repository's audio folder) into `folder` and return the manifest rows."""
    rows = []
    for line in read_table("bass"):
        text = verdicts.reference(line) if usable(line) else None
        if text is not None:
            rows.append(_row(folder, line, text, bundled / line.audio))
    return rows


def _row(folder: Path, line: Line, text: str, recording: Path) -> dict[str, object]:
    if not recording.is_file() or sha256(content := recording.read_bytes()).hexdigest() != line.sha256:
        raise UserError(f"{recording}: is missing or altered; its sha256 should be {line.sha256}")
    path = f"audio/{line.audio}"
    (folder / path).write_bytes(content)
    more = {"speaker": line.character, "group": line.accent, "source": SOURCE, "licence": LICENCE}
    return manifest_row(line, text, path, content, split="test", **more)
