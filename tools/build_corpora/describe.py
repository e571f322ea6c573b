"""The generated end of each corpus.toml: counts of what the manifest holds, and how loud it is."""

from collections import Counter
from pathlib import Path

from build_corpora.levels import summary

_MARK = "# Written by tools/build_corpora from the manifest; do not edit below."


def with_counts(description: str, folder: Path, rows: list[dict[str, object]]) -> str:
    """Return a corpus description with its generated part renewed."""
    hand_written = description.split(_MARK)[0].rstrip()
    words = sum(len(str(row["text"]).split()) for row in rows)
    seconds = sum(float(str(row["duration"])) for row in rows)
    out = [hand_written, "", _MARK, "[counts]", f"utterances = {len(rows)}", f"words = {words}", f"minutes = {seconds / 60:.1f}"]
    out.append(f"speakers = {len({row['speaker'] for row in rows})}")
    for key in ("split", "group", "speaker", "character"):
        counts = Counter(str(row[key]) for row in rows if key in row)
        if counts and not (key == "character" and all(row.get("character") == row["speaker"] for row in rows)):
            out += ["", f"[counts.{key}]", *(f'"{name}" = {count}' for name, count in sorted(counts.items()))]
    levels = summary([folder / str(row["audio_filepath"]) for row in rows])
    out += ["", "[levels]", *(f"{name} = {value}" for name, value in levels.items())]
    return "\n".join(out) + "\n"
