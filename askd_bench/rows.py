"""A row as a line of `utterances.jsonl`: written the same way each time, read back into a strict schema."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import Field

from askd_bench.files import Document, Number, Text, Whole, parse_json
from askd_bench.signature import SCHEMA_VERSION
from askd_bench.types import Row, Split, Word

ROWS_FILE = "utterances.jsonl"

Key = tuple[str, str]
"""(condition, utterance): what a row is of."""

_DIGITS = 5
_ESCAPED = "backslashreplace"  # writes half a surrogate pair (of a file name that is not UTF-8, a server's error) as JSON does
_ROW_FIELDS = tuple(field.name for field in fields(Row))

_Temperature = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$")]


def row_to_json(row: Row) -> str:
    """Return a row as one line of JSON: keys in the order of `Row`, floats rounded to 5 digits, words as [text, confidence] pairs.

    Half a surrogate pair, which UTF-8 cannot hold, is written as JSON's escape of it, and so reads back.

    >>> row = Row(condition="clean", utterance="u1", reference="yes", hypothesis="Yes.", duration_s=1.0)
    >>> row_to_json(row)[:80]
    '{"condition":"clean","utterance":"u1","reference":"yes","hypothesis":"Yes.","dur'
    """
    record = {name: getattr(row, name) for name in _ROW_FIELDS}
    record["words"] = [[word.text, word.confidence] for word in row.words]
    record["tempered_logprobs"] = {str(temperature): values for temperature, values in row.tempered_logprobs.items()}
    line = json.dumps(_rounded(record), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return line.encode("utf-8", _ESCAPED).decode()


class _Stored(Document):
    """A row as a line of JSON holds it; what it leaves out has the default of `Row`."""

    condition: Text
    utterance: Text
    reference: Text
    hypothesis: Text | None
    duration_s: Number
    speaker: Text | None = None
    group: Text | None = None
    split: Split = "test"
    words: tuple[tuple[Text, Number | None], ...] = ()
    word_tokens: tuple[Whole, ...] = ()
    token_logprobs: tuple[Number, ...] = ()
    token_entropies: tuple[Number, ...] = ()
    tempered_logprobs: dict[_Temperature, tuple[Number, ...]] = Field(default_factory=dict)
    long_form: bool = False
    realised: dict[Text, Whole | Number | Text | None] = Field(default_factory=dict)
    batch: Whole = 1
    decode_s: Number | None = None
    audio_sha256: Text | None = None
    error: Text | None = None


def row_from_json(line: str | bytes) -> Row:
    """Read a row back.

    Raises:
        UserError: the line is not a row of this schema.
    """
    where = f"{ROWS_FILE}: not a row of schema {SCHEMA_VERSION}"
    stored = parse_json(line.encode() if isinstance(line, str) else line, _Stored, where=where)
    record: dict[str, Any] = {name: getattr(stored, name) for name in stored.model_fields_set}
    if stored.words:
        record["words"] = tuple(Word(text, confidence) for text, confidence in stored.words)
    if stored.tempered_logprobs:
        record["tempered_logprobs"] = {float(t): values for t, values in stored.tempered_logprobs.items()}
    return Row(**record)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [round(item, _DIGITS) + 0.0 if type(item) is float else _rounded(item) for item in value]  # most are: no call each
    return value
