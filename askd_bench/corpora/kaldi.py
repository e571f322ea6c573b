"""Reads a Kaldi data folder: `wav.scp`, `text`, and, where they are there, `segments` and `utt2spk` (kaldi-asr.org/doc/data_prep.html)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from askd_bench.corpora.records import numbered_lines, recording_path, utterance_of
from askd_bench.errors import UserError
from askd_bench.types import Utterance

WAV_SCP = "wav.scp"

_SPACE = re.compile(r"[ \t\r\n]+")  # Kaldi's; a no-break space is a part of a word
_IN_ARCHIVE = re.compile(r":\d+(\[.*\])?$")

Table = Mapping[str, tuple[str, str]]
"""The first word of each line -> (where it is, the rest)."""


def read_data_folder(folder: Path) -> Iterator[Utterance | None]:
    """Yield the utterances of a Kaldi data folder in the order of `segments`, or of `wav.scp` without it; None for one without a text.

    Paths are relative to the working directory, as in Kaldi, or else to the folder. Several channels are mixed, but where a fifth column
    of `segments` chooses one. A segment that ends at -1 goes to the end of its recording. Other files of the folder are not read. Memory
    holds the folder's tables.

    Raises:
        UserError: `wav.scp` or `text` is missing, a line is malformed, an id occurs twice, a file speaks of what the others do not know,
            or a recording comes of a command (none is run) or out of an archive.
    """
    recordings = _table(folder / WAV_SCP)
    for where, source in recordings.values():
        _refuse_commands(where, source)
    segments, is_cut = folder / "segments", (folder / "segments").is_file()
    utterances = _table(segments) if is_cut else recordings
    texts, speakers = _table(folder / "text"), _speakers(folder / "utt2spk", utterances)
    _refuse_unknown(texts, utterances)
    for name, (where, rest) in utterances.items():
        if name in texts:
            place = _part(recordings, where, rest) if is_cut else {"audio_filepath": rest}
            path = recording_path(str(place["audio_filepath"]), folder, where)
            record = {**place, "audio_filepath": str(path), "id": name, "text": texts[name][1], "speaker": speakers.get(name)}
            if record.get("duration") == -1:
                record["duration"] = _rest_s(path, float(str(place["offset"])), where)
            yield utterance_of(record, Path(), where)
        else:
            yield None


def _table(file: Path) -> Table:
    table: dict[str, tuple[str, str]] = {}
    for where, line in numbered_lines(file):
        name, *rest = _SPACE.split(line.strip(" \t\r\n"), maxsplit=1)
        if name in table:
            raise UserError(f"{where}: {name!r} occurs twice (allowed: each once)")
        table[name] = (where, rest[0] if rest else "")
    return table


def _refuse_commands(where: str, source: str) -> None:
    if source.startswith("|") or source.endswith("|"):
        raise UserError(f"{where}: {source!r} is a command, and none is run (allowed: the path of a recording; convert it beforehand)")
    if source in {"", "-"} or _IN_ARCHIVE.search(source):
        raise UserError(f"{where}: {source!r} is no recording of its own (allowed: the path of one, not a place in an archive)")


def _refuse_unknown(named: Table, utterances: Table) -> None:
    for name, (where, _) in named.items():
        if name not in utterances:
            raise UserError(f"{where}: {name!r} is an unknown utterance (allowed: those of segments, or without that file of {WAV_SCP})")


def _speakers(file: Path, utterances: Table) -> Mapping[str, str]:
    if not file.is_file():
        return {}
    speakers = _table(file)
    _refuse_unknown(speakers, utterances)
    for name, (where, _) in utterances.items():
        if name not in speakers:
            raise UserError(f"{where}: {name!r} has no speaker in {file} (allowed: one for each utterance, or no such file)")
    return {name: speaker for name, (_, speaker) in speakers.items()}


def _part(recordings: Table, where: str, rest: str) -> dict[str, str | float]:
    """Return what a line of `segments` says after its id: recording, start, end, perhaps a channel; in the keys of a manifest."""
    recording, *times = _SPACE.split(rest)
    try:
        start, end = map(float, times[:2])
    except ValueError:
        start, end = 0.0, 0.0
    if len(times) > 3 or not (0 <= start < end or (start >= 0 and end == -1)):
        raise UserError(f"{where}: {rest!r} is no segment (allowed: RECORDING START END in seconds, an end of -1, a channel behind it)")
    if recording not in recordings:
        raise UserError(f"{where}: {recording!r} is an unknown recording (allowed: those of {WAV_SCP})")
    channel = {"channel_selector": times[2]} if len(times) == 3 else {}
    duration = -1 if end == -1 else round(end - start, 6)
    return {"audio_filepath": recordings[recording][1], "offset": start, "duration": duration, **channel}


def _rest_s(path: Path, start_s: float, where: str) -> float:
    from askd_bench.audio import audio_duration_s  # reads with av, which `list` must not wait for

    whole_s = audio_duration_s(path)
    if whole_s is None or whole_s <= start_s:
        raise UserError(f"{where}: its recording has no end after {start_s:g} s by its header: {path} (allowed: an END in seconds)")
    return round(whole_s - start_s, 6)
