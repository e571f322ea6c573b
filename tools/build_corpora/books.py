"""Five clips of a LibriVox reading that pocketsphinx carries as test data: the `books` corpus."""

from pathlib import Path

from build_corpora.lines import Line, Verdicts, manifest_row
from build_corpora.packages import POCKETSPHINX, unpacked

SPEAKER = "librivox-sense-and-sensibility-reader"
LICENCE = "LicenseRef-Public-Domain"
SOURCE = f"{POCKETSPHINX.name} {POCKETSPHINX.version}"


def recordings() -> list[Path]:
    """Return the clips in the package."""
    return sorted(unpacked(POCKETSPHINX).glob("*/test/data/librivox/*.wav"))


def line_of(recording: Path) -> Line:
    """Return a clip's line, its text from the .txt file beside it."""
    text = recording.with_suffix(".txt").read_text(encoding="utf-8").strip()
    return Line(id=f"librivox-{recording.stem[-4:]}", text=text, audio=recording.name)


def books(folder: Path, verdicts: Verdicts) -> list[dict[str, object]]:
    """Write the audio of `books` into `folder` and return its manifest rows."""
    rows = []
    for recording in recordings():
        line = line_of(recording)
        text = verdicts.reference(line)
        if text is not None:
            path = f"audio/{line.id}.wav"
            content = recording.read_bytes()
            (folder / path).write_bytes(content)
            more = {"speaker": SPEAKER, "group": "read book", "source": f"{SOURCE}: {line.audio}", "licence": LICENCE}
            rows.append(manifest_row(line, text, path, content, split="test", **more))
    return rows
