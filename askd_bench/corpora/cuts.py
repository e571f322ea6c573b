"""Reads a Lhotse cut manifest (`cuts.jsonl.gz`): each supervision of a cut is an utterance (lhotse.readthedocs.io/en/latest/cuts.html)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from askd_bench.corpora.records import numbered_lines, recording_path, utterance_of
from askd_bench.errors import UserError
from askd_bench.files import Number, Text, parse_json
from askd_bench.types import SAMPLING_RATE, Utterance


class _Source(BaseModel):
    type: str
    channels: list[int]
    source: Text


class _Recording(BaseModel):
    id: Text
    sources: list[_Source]
    duration: Number
    transforms: list[dict[str, object]] | None = None


class _Supervision(BaseModel):
    id: Text
    start: Number
    duration: Number
    text: Text | None = None
    speaker: Text | None = None


class _Cut(BaseModel):
    id: Text
    type: Literal["MonoCut"]
    start: Number
    channel: int
    supervisions: list[_Supervision]
    recording: _Recording


def is_cuts(manifest: Path) -> bool:
    """Whether the first line is a cut of Lhotse, by its type.

    Raises:
        UserError: the file cannot be read.
    """
    _, first = next(numbered_lines(manifest), ("", "{}"))
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and str(record.get("type")).endswith("Cut")


def read_cuts(manifest: Path) -> Iterator[Utterance | None]:
    """Yield the supervisions of each cut as `CutSet.trim_to_supervisions(keep_overlapping=False)` cuts them; None for one without a text.

    Their ids and speakers are those of the utterances. Paths are relative to the working directory, as in Lhotse, or else to the folder.

    Raises:
        UserError: the file cannot be read, or a line is not a `MonoCut` of a recording in a file that no transform changes.
    """
    for where, line in numbered_lines(manifest):
        cut = parse_json(line.encode("utf-8", "surrogatepass"), _Cut, where=where)
        source = _source(cut, where)
        for supervision in cut.supervisions:
            yield None if supervision.text is None else _utterance(cut, source, supervision, manifest.parent, where)


def _source(cut: _Cut, where: str) -> _Source:
    recording = cut.recording
    source = next((one for one in recording.sources if cut.channel in one.channels), None)
    if source is None:
        raise UserError(f"{where}: channel: {cut.channel} is in no source of recording {recording.id!r}")
    if source.type != "file":
        raise UserError(f"{where}: recording {recording.id!r} comes of a {source.type!r}, and nothing is run or fetched (allowed: 'file')")
    heard = next((one for one in recording.transforms or () if _is_heard(one)), None)
    if heard is not None:
        raise UserError(f"{where}: recording {recording.id!r} is to be changed by {heard.get('name')!r} (allowed: recordings as they are)")
    return source


def _is_heard(transform: Mapping[str, object]) -> bool:
    """Whether it does more than to resample to a rate that is no lower than ours, to which every recording is brought."""
    settings = transform.get("kwargs")
    rate = settings.get("target_sampling_rate") if isinstance(settings, dict) else None
    return transform.get("name") != "Resample" or not isinstance(rate, int) or rate < SAMPLING_RATE


def _utterance(cut: _Cut, source: _Source, supervision: _Supervision, folder: Path, where: str) -> Utterance:
    whole_s = cut.recording.duration
    start_s = round(max(cut.start + supervision.start, 0.0), 6)
    duration_s = round(min(cut.start + supervision.start + supervision.duration, whole_s) - start_s, 6)
    if duration_s <= 0:
        raise UserError(f"{where}: supervision {supervision.id!r} lies outside of its recording, which lasts {whole_s:g} s")
    is_part = start_s > 0 or duration_s < round(whole_s, 6)
    record = {
        "audio_filepath": str(recording_path(source.source, folder, where)),
        "id": supervision.id,
        "text": supervision.text,
        "speaker": supervision.speaker,
        "duration": duration_s,
        "offset": start_s if is_part else None,
        "channel_selector": source.channels.index(cut.channel) if len(source.channels) > 1 else None,
    }
    return utterance_of(record, Path(), where)
