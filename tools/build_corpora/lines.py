"""What every corpus shares: the line of a script, how its text is cleaned, what the transcript check said, the manifest row."""

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from askd_bench.audio import read_audio
from askd_bench.errors import UserError
from askd_bench.types import SAMPLING_RATE
from build_corpora.spelling import standard_spelling

HERE = Path(__file__).resolve().parent
MIN_WORDS = 3
MAX_DURATION_S = 30.0
_READABLE = re.compile(r"[A-Za-z0-9 '\",.?!:;-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A recorded line as its source gives it. `audio` names the recording inside the source."""

    id: str
    text: str
    audio: str
    character: str | None = None
    actor: str | None = None
    accent: str | None = None
    flag: str = ""
    sha256: str | None = None


def read_table(name: str) -> list[Line]:
    """Read a committed line table, `<name>_lines.jsonl.gz`."""
    with gzip.open(HERE / f"{name}_lines.jsonl.gz", "rt", encoding="utf-8") as file:
        return [Line(**json.loads(row)) for row in file]


def clean_text(text: str) -> str:
    """Return a script's text as a transcript: no ellipses or stage codes (@ ^), single spaces, standard spelling. Capitals stay.

    An ellipsis would leave a stray "." behind the Whisper normaliser, and that would count as a word.

    >>> clean_text("...but I'm TOO BUSY to bother with that...  right?")
    "but I'm TOO BUSY to bother with that right?"
    >>> clean_text('"Dear John..."')
    '"Dear John"'
    """
    spaced = " ".join(re.sub(r"\.{2,}|[…@^]", " ", text).split())
    unspaced = re.sub(r"\s+([,.?!;:])", r"\1", spaced).lstrip(",.?!;: ")
    unquoted = re.sub(r'"\s*([^"]*?)\s*"', r'"\1"', unspaced)
    return standard_spelling(re.sub(r'^"\s+|\s+"$', '"', unquoted))


def usable(line: Line) -> bool:
    """Whether a line can be a reference at all: no flag, three words or more, no symbol whose reading is left open (# * / and the like)."""
    text = clean_text(line.text)
    return not line.flag and len(text.split()) >= MIN_WORDS and _READABLE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The transcript check, `transcript_check.jsonl`: per line the systems' outputs, the verdict and, where mended, the new text."""

    rows: dict[str, dict[str, str]]

    @classmethod
    def read(cls) -> "Verdicts":
        text = (HERE / "transcript_check.jsonl").read_text(encoding="utf-8")
        return cls({row["id"]: row for row in map(json.loads, text.splitlines())})

    def reference(self, line: Line) -> str | None:
        """Return the transcript of a checked line, None where the check dropped it.

        Raises:
            UserError: the line was never checked.
        """
        if line.id not in self.rows:
            raise UserError(f"transcript_check.jsonl: {line.id} has not been checked")
        row = self.rows[line.id]
        return {"kept": clean_text(line.text), "mended": row.get("mended_text"), "dropped": None}[row["verdict"]]


def manifest_row(line: Line, text: str, audio_filepath: str, content: bytes, *, split: str, **more: str | None) -> dict[str, object]:
    """Return the manifest row of a recording; `content` is the file's bytes, decoded once for the duration."""
    samples = read_audio(content, name_hint=audio_filepath)
    row: dict[str, object | None] = {
        "id": line.id,
        "audio_filepath": audio_filepath,
        "text": text,
        "duration": round(len(samples) / SAMPLING_RATE, 3),
        **{key: more.get(key) for key in ("speaker", "group")},
        "split": split,
        "character": line.character,
        **{key: more.get(key) for key in ("source", "licence")},
        "audio_sha256": sha256(content).hexdigest(),
    }
    return {key: value for key, value in row.items() if value is not None}


def write_manifest(folder: Path, rows: Iterable[dict[str, object]]) -> None:
    """Write `manifest.jsonl`, one row a line, in the order given."""
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_manifest(folder: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of `manifest.jsonl`."""
    yield from map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
