"""`export`: a result's texts in the formats of other scorers, and its rows as Parquet.

Conventions:
    - One file a condition and kind; test utterances, "dev" ones only where there are no others. Utterances without a hypothesis are left
      out of both sides, as they are of every error rate.
    - Texts are normalised as figures are ("none": raw), so that a scorer that compares words finds the same error rate.
    - TRN (sclite): `text (utterance)`. STM, CTM, SegLST: the clip is the session, and lasts from 0 to its duration; the channel is 1.
    - CTM wants a time for each word, which runs do not have: the clip is dealt out evenly. Confidences are there where each word of the
      normalised text is one of the model's words.
    - White space in ids becomes `_`: these formats are lines of fields.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from askd_bench.arguments import StrPath, one_of, path_of
from askd_bench.errors import UserError
from askd_bench.files import cannot_be, write_together
from askd_bench.metrics.utterance import mark
from askd_bench.results import Result
from askd_bench.rows import row_to_json
from askd_bench.tables.printable import printable
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import Row

_Files = Mapping[str, bytes]
"""Name of a file -> its content."""


def export(format: str, result_dir: StrPath, *, out: StrPath, normalizer: str = DEFAULT_NORMALISER) -> list[Path]:
    """Write a result for other tools, and return the files.

    Args:
        format: a name of `FORMATS`.
        result_dir: a result directory of `run`.
        out: a folder; files of the same name are replaced.
        normalizer: of the texts; Parquet holds the rows as they are.

    Raises:
        UserError: an unknown format or normaliser, no result, or a folder that cannot be written.
    """
    one_of("format", format, FORMATS)
    normaliser(normalizer)
    result, out = Result.open(path_of("result_dir", result_dir)), path_of("out", out)
    rows = list(result.rows())
    if not rows:
        raise UserError(f"result_dir: {str(result_dir)!r} has no rows (allowed: a run that has scored something)")
    files = {out / name: content for name, content in FORMATS[format](result, rows, normalizer).items()}
    with cannot_be("made", out, argument="out"):
        out.mkdir(parents=True, exist_ok=True)
    write_together(files, argument="out")
    return list(files)


def _per_condition(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    reported = [row for row in rows if row.split != "dev"] or rows
    done = [row for row in reported if row.hypothesis is not None]
    for condition in dict.fromkeys(row.condition for row in done):
        yield condition, [row for row in done if row.condition == condition]


def _trn(result: Result, rows: Sequence[Row], normalizer: str) -> _Files:
    def lines(part: Sequence[Row], texts: Callable[[Row], str]) -> bytes:
        return _lines(f"{normaliser(normalizer)(texts(row))} ({_field(row.utterance)})".lstrip() for row in part)

    return {
        f"{_field(condition)}.{side}.trn": lines(part, texts)
        for condition, part in _per_condition(rows)
        for side, texts in (("ref", _reference), ("hyp", _hypothesis))
    }


def _stm(result: Result, rows: Sequence[Row], normalizer: str) -> _Files:
    def lines(part: Sequence[Row], texts: Callable[[Row], str]) -> bytes:
        return _lines(
            f"{_field(row.utterance)} 1 {_speaker(row)} 0.00 {row.duration_s:.2f} {normaliser(normalizer)(texts(row))}" for row in part
        )

    return {
        f"{_field(condition)}.{side}.stm": lines(part, texts)
        for condition, part in _per_condition(rows)
        for side, texts in (("ref", _reference), ("hyp", _hypothesis))
    }


def _ctm(result: Result, rows: Sequence[Row], normalizer: str) -> _Files:
    return {
        f"{_field(condition)}.hyp.ctm": _lines(line for row in part for line in _word_lines(row, normalizer))
        for condition, part in _per_condition(rows)
    }


def _word_lines(row: Row, normalizer: str) -> Iterable[str]:
    words = [one for one in mark(row, normalizer=normalizer) if one.hypothesis is not None]
    each = row.duration_s / max(1, len(words))
    for place, word in enumerate(words):
        confidence = "" if word.confidence is None else f" {word.confidence:.5f}"
        yield f"{_field(row.utterance)} 1 {place * each:.3f} {each:.3f} {word.hypothesis}{confidence}"


def _seglst(result: Result, rows: Sequence[Row], normalizer: str) -> _Files:
    def segments(part: Sequence[Row], texts: Callable[[Row], str]) -> bytes:
        return json.dumps(
            [
                {
                    "session_id": row.utterance,
                    "speaker": _speaker(row),
                    "start_time": 0.0,
                    "end_time": row.duration_s,
                    "words": normaliser(normalizer)(texts(row)),
                }
                for row in part
            ],
            ensure_ascii=False,
            indent=1,
        ).encode("utf-8", "replace")

    return {
        f"{_field(condition)}.{side}.seglst.json": segments(part, texts)
        for condition, part in _per_condition(rows)
        for side, texts in (("ref", _reference), ("hyp", _hypothesis))
    }


def _parquet(result: Result, rows: Sequence[Row], normalizer: str) -> _Files:
    """Return one table with a column a field of the rows, as JSON has them, behind columns that say of which run they are."""
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    signature = result.signature()
    of = {"model": signature.model.id, "suite": signature.suite.label, "corpus": signature.corpus.name}
    records = []
    for row in rows:
        record = json.loads(row_to_json(row))
        record["words"] = [{"text": word, "confidence": confidence} for word, confidence in record["words"]]
        for mapping in ("tempered_logprobs", "realised"):
            record[mapping] = json.dumps(record[mapping], ensure_ascii=False)
        records.append(of | record)
    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(records), stream)
    return {"rows.parquet": stream.getvalue()}


def _reference(row: Row) -> str:
    return row.reference


def _hypothesis(row: Row) -> str:
    return row.hypothesis or ""


def _speaker(row: Row) -> str:
    return _field(row.speaker or row.utterance)


def _field(text: str) -> str:
    """Return a text fit for a field of a line and for the name of a file."""
    return re.sub(r"[\s/()]+", "_", printable(text))


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


FORMATS: Mapping[str, Callable[[Result, Sequence[Row], str], _Files]] = {
    "trn": _trn,
    "stm": _stm,
    "ctm": _ctm,
    "seglst": _seglst,
    "parquet": _parquet,
}
"""Name -> what makes the files of a result."""
