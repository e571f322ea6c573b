"""Reads two ways in which recordings are listed, a NeMo-style JSONL manifest and an audio folder's `metadata.csv`; makes utterances."""

import csv
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, get_args

from askd_bench.compression import stored_lines
from askd_bench.errors import UserError
from askd_bench.types import Split, Utterance

TEXT_COLUMNS = ("transcription", "text", "sentence")
"""Headings of `metadata.csv` that may hold the transcript, the first found is used."""

_CHANNELS = "channel_selector"
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPLITS: tuple[Split, ...] = get_args(Split)


def read_manifest(manifest: Path, *, root: Path | None = None) -> Iterator[Utterance]:
    """Yield the utterances of a JSONL manifest, one object a line.

    Keys: `audio_filepath` (absolute, or relative to the manifest) and `text`; optionally `duration` (s), `offset` (s: then the utterance is
    the part of the recording that begins there and lasts `duration`, as NeMo reads it), `channel_selector` (a channel from 0 up, a list
    of them, or "average", as NeMo reads it; all are mixed without it), `id` (else the relative path without suffix, or the stem of an
    absolute one: an id must not depend on the machine; of parts and channels, with these behind it), `speaker`, `group`, `split` ("dev",
    "test" or "train", else "test"). Other keys are ignored. An empty text is allowed.

    `root`: a folder above all recordings; the id of an absolute path is then its path below it, as stems may repeat.

    Raises:
        UserError: the file cannot be read, or a line is malformed (its number is given).
    """
    for where, line in numbered_lines(manifest):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
            raise UserError(f"{where}: is not JSON ({error})") from error
        if not isinstance(record, dict):
            raise UserError(f"{where}: must be a JSON object, not {type(record).__name__}")
        yield utterance_of(record, manifest.parent, where, root=root)


def numbered_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Yield (where, line) for each line of a text file, UTF-8, that is not blank; decompressed where the name says so.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        for number, line in enumerate(stored_lines(file), start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if text.strip():
                yield f"{file}, line {number}", text
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def read_metadata_csv(table: Path) -> Iterator[Utterance]:
    """Yield the utterances of an audio folder's `metadata.csv`.

    Headings: `file_name` (relative to the table) and one of `TEXT_COLUMNS`; optionally `id`, `duration`, `offset`,
    `channel_selector`, `speaker`, `group`, `split`, as in a manifest; other columns are ignored.

    Raises:
        UserError: the file cannot be read, or a row is malformed (the number of its last line is given).
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            for row in rows:
                where = f"{table}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise UserError(f"{where}: must have {len(rows.fieldnames or ())} cells, as many as the heading")
                # An empty cell is an absent value, except that of the transcript, which may be empty.
                record = {key: cell for key, cell in row.items() if cell or key in TEXT_COLUMNS}
                yield utterance_of(record, table.parent, where, audio_key="file_name", text_keys=TEXT_COLUMNS)
    except csv.Error as error:
        raise UserError(f"{table}: is not CSV ({error})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(table, error) from error


def utterance_of(
    record: Mapping[str, Any],
    folder: Path,
    where: str,
    *,
    audio_key: str = "audio_filepath",
    text_keys: tuple[str, ...] = ("text",),
    root: Path | None = None,
) -> Utterance:
    """Return what an entry of a list says; see `read_manifest`.

    Args:
        record: its keys and values.
        folder: what a relative path is relative to.
        where: the beginning of error messages.
        audio_key: which key is the recording's.
        text_keys: which keys may be the transcript's; the first found is.
        root: see `read_manifest`.

    Raises:
        UserError: a key is missing, or a value is not allowed.
    """
    text_key = next((key for key in text_keys if key in record), None)
    if audio_key not in record or text_key is None:
        raise UserError(f"{where}: must have '{audio_key}' and {' or '.join(map(repr, text_keys))}, has {', '.join(record) or 'nothing'}")
    audio, text = record[audio_key], record[text_key]
    if not isinstance(audio, str) or not audio or "\0" in audio:
        raise UserError(f"{where}: {audio_key}: {audio!r} must be a file name")
    if not isinstance(text, str):
        raise UserError(f"{where}: {text_key}: {text!r} must be text")
    duration_s, offset_s = _seconds(record, "duration", where), _seconds(record, "offset", where)
    if offset_s and not duration_s:
        raise UserError(f"{where}: offset: {record['offset']!r} needs a duration above 0 beside it (allowed: both, in seconds)")
    offset_s = offset_s if duration_s else None
    split = record.get("split", "test")
    if split not in _SPLITS:
        raise UserError(f"{where}: split: {split!r} is unknown (allowed: {', '.join(_SPLITS)})")
    path = PurePath(audio)
    if path.is_absolute():
        path = PurePath(path.name) if root is None else path.relative_to(root)
    default_id = path.with_suffix("").as_posix()
    channels = _channels(record, where)
    if offset_s:
        default_id += f"-{offset_s:g}s"
    if channels:
        default_id += f"-ch{'+'.join(map(str, channels))}"
    utterance = Utterance(
        id=_label(record, "id", where) or default_id,
        audio=folder / audio,
        reference=text,
        duration_s=duration_s,
        offset_s=offset_s,
        speaker=_label(record, "speaker", where),
        group=_label(record, "group", where),
        split=split,
        channels=channels,
    )
    for key, value in ((text_key, text), ("id", utterance.id), ("speaker", utterance.speaker), ("group", utterance.group)):
        if value and _SURROGATE.search(value):  # JSON can say one alone; no recogniser can, and an id seeds the perturbation
            raise UserError(f"{where}: {key}: {value!r} holds half of a surrogate pair (allowed: Unicode text)")
    return utterance


def recording_path(name: str, folder: Path, where: str) -> Path:
    """Return a recording's path as Kaldi and Lhotse mean it, from the working directory; else from the folder of the list.

    Raises:
        UserError: a relative path leads to a file from neither.
    """
    places = [Path(name), folder / name]
    found = next((place for place in places if os.path.isfile(place)), None)  # Path.is_file raises on a null byte
    if found is None and not os.path.isabs(name):
        raise UserError(f"{where}: {name!r} is no file below the working directory nor below {folder} (allowed: a path from one of them)")
    return found or Path(name)


def _label(record: Mapping[str, Any], key: str, where: str) -> str | None:
    value = record.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"{where}: {key}: {value!r} must be text or a whole number")
    return str(value)


def _channels(record: Mapping[str, Any], where: str) -> tuple[int, ...]:
    """Return the channels that NeMo's `channel_selector` names: a number, a list of them, or "average" for all."""
    value = record.get(_CHANNELS)
    if value is None or value == "average":
        return ()
    if isinstance(value, str) and value.isdecimal():  # from a CSV
        value = int(value)
    chosen = value if isinstance(value, list) else [value]
    if not chosen or any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in chosen):
        raise UserError(f"{where}: {_CHANNELS}: {value!r} is no channel (allowed: a number from 0, a list of them, 'average')")
    return tuple(dict.fromkeys(chosen))


def _seconds(record: Mapping[str, Any], key: str, where: str) -> float | None:
    value = record.get(key)
    if value is None:
        return None
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{where}: {key}: {value!r} must be seconds, 0 or more")
    return seconds


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"corpus: {path} does not exist")
    return UserError(f"corpus: {path} cannot be read ({error.strerror if isinstance(error, OSError) else 'not UTF-8'})")
