"""Asterisk's core prompts, spoken by Allison Smith: the `prompts` corpus, in the package's G.722."""

import gzip
import random
from pathlib import Path

from askd_bench.errors import UserError
from build_corpora.lines import Line, Verdicts, clean_text, manifest_row, usable
from build_corpora.packages import PROMPT_TEXTS, PROMPTS, unpacked

NUM_PROMPTS = 100
SPEAKER = "Allison Smith"
LICENCE = "CC-BY-SA-3.0"
SOURCE = f"{PROMPTS.name} {PROMPTS.version}"
_BYTES_PER_S = 8000
_MAX_BYTES = 20 * _BYTES_PER_S  # G.722 at 64 kbit/s; the demo's long monologues would be a fifth of the corpus


def candidates() -> list[Line]:
    """Return the usable prompts in the order of the package's text file, each text once; where a text was read twice, the first reading."""
    sounds = next(unpacked(PROMPTS).rglob("en_US_f_Allison"))
    listing = next(unpacked(PROMPT_TEXTS).rglob("core-sounds-en.txt.gz"))
    lines: dict[str, Line] = {}
    with gzip.open(listing, "rt", encoding="utf-8") as file:
        for entry in file:
            name, colon, text = entry.partition(":")
            line = Line(id=f"asterisk-{name.replace('/', '-')}", text=text.strip(), audio=f"{name}.g722")
            recording = sounds / line.audio
            if colon and usable(line) and recording.is_file() and recording.stat().st_size <= _MAX_BYTES:
                lines.setdefault(clean_text(text).casefold().strip(".?!"), line)
    return list(lines.values())


def prompts(folder: Path, verdicts: Verdicts) -> list[dict[str, object]]:
    """Write the audio of `prompts` into `folder` and return its manifest rows: the first of a seeded shuffle that passed the check."""
    sounds = next(unpacked(PROMPTS).rglob("en_US_f_Allison"))
    rows: list[dict[str, object]] = []
    for line in shuffled():
        text = verdicts.reference(line)
        if text is None:
            continue
        content = (sounds / line.audio).read_bytes()
        path = f"audio/{line.id}.g722"
        (folder / path).write_bytes(content)
        more = {"speaker": SPEAKER, "group": "north-american", "source": f"{SOURCE}: {line.audio}", "licence": LICENCE}
        rows.append(manifest_row(line, text, path, content, split="test", **more))
        if len(rows) == NUM_PROMPTS:
            return sorted(rows, key=lambda row: str(row["id"]))
    raise UserError(f"prompts: only {len(rows)} checked lines, {NUM_PROMPTS} are wanted")


def shuffled() -> list[Line]:
    """Return the candidates in the order in which they are taken."""
    lines = candidates()
    random.Random("prompts 1").shuffle(lines)
    return lines
