"""Flight of the Amazon Queen: the `dialogue` corpus (dev and test actors) and the training corpus (all other identified actors)."""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

from askd_bench.errors import UserError
from build_corpora.lines import Line, Verdicts, clean_text, manifest_row, read_table, usable
from build_corpora.packages import FOTAQ, unpacked

ACTORS = {
    "dev": ("Barry James", "Debbie Arnold"),
    "test": ("Bill Hootkins", "Lisa Valdez", "Penelope Keith"),
    "train": ("Brad Lavelle", "Tom Hill", "Jon Coleman", "Enn Reitel", "Enn Reitel or Mike Hurley", "Regina Reagan", "Jessica Martin"),
}
DIALOGUE_LINES = {"dev": 90, "test": 160}
LICENCE = "LicenseRef-Flight-of-the-Amazon-Queen"
SOURCE = f"{FOTAQ.name} {FOTAQ.version}"


def recordings() -> dict[str, bytes]:
    """Return the MP3 of every recording by resource name.

    The data file is a table of resources: "QTBL", 6 bytes of version, 2 unused, 1 of compression (1: MP3), a big-endian count, then entries
    of 21 bytes: name in 12, bundle in 1, offset and size in 4 each.
    """
    blob = next(unpacked(FOTAQ).rglob("queen.1c")).read_bytes()
    if blob[:4] != b"QTBL" or blob[12] != 1:
        raise UserError(f"{FOTAQ.filename}: queen.1c is not the MP3 edition of the data file")
    (count,) = struct.unpack_from(">H", blob, 13)
    entries = (struct.unpack_from(">12sBII", blob, 15 + 21 * i) for i in range(count))
    return {name.split(b"\0")[0].decode("latin-1"): blob[offset : offset + size] for name, _, offset, size in entries}


def lines_of(split: str) -> list[Line]:
    """Return the usable lines of a split's actors, in the order of the game."""
    return [line for line in read_table("fotaq") if line.actor in ACTORS[split] and usable(line)]


def dialogue_lines(verdicts: Verdicts) -> Iterator[tuple[str, Line, str]]:
    """Yield (split, line, transcript): from each character in turn the next line of a seeded shuffle, until the split is full.

    A character that runs out passes its turn on. Passed over are lines whose transcript was dropped, and texts already taken or in the
    training corpus: no text is in two splits.
    """
    used = {clean_text(line.text).casefold() for line in lines_of("train")}
    for split, total in DIALOGUE_LINES.items():
        queues: dict[str, list[Line]] = {}
        for line in lines_of(split):
            queues.setdefault(line.character or "", []).append(line)
        for character, queue in queues.items():
            random.Random(f"dialogue 1 {character}").shuffle(queue)
        taken: list[tuple[str, Line, str]] = []
        while len(taken) < total:
            for character in sorted(queues):
                if len(taken) < total and (chosen := _next(queues[character], verdicts, used)):
                    taken.append((split, *chosen))
        yield from sorted(taken, key=lambda item: item[1].id)


def _next(queue: list[Line], verdicts: Verdicts, used: set[str]) -> tuple[Line, str] | None:
    while queue:
        line = queue.pop(0)
        if clean_text(line.text).casefold() in used:
            continue
        text = verdicts.reference(line)
        if text is not None and text.casefold() not in used:
            used |= {text.casefold(), clean_text(line.text).casefold()}
            return line, text
    return None


def dialogue(folder: Path, verdicts: Verdicts) -> list[dict[str, object]]:
    """Write the audio of `dialogue` into `folder` and return its manifest rows."""
    audio = recordings()
    return [_row(folder, line, text, split, audio) for split, line, text in dialogue_lines(verdicts)]


def training(folder: Path) -> list[dict[str, object]]:
    """Write the audio of the training corpus into `folder` and return its manifest rows. Its transcripts are the script's, unchecked."""
    audio = recordings()
    return [_row(folder, line, clean_text(line.text), "train", audio) for line in lines_of("train")]


def _row(folder: Path, line: Line, text: str, split: str, audio: dict[str, bytes]) -> dict[str, object]:
    content = audio[line.audio]
    path = f"audio/{line.id}.mp3"
    (folder / path).write_bytes(content)
    more = {"speaker": line.actor, "group": line.accent, "source": f"{SOURCE}: {line.audio}", "licence": LICENCE}
    return manifest_row(line, text, path, content, split=split, **more)
