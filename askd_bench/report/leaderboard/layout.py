"""The leaderboard as sections: what is shown, in which order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from askd_bench.report.leaderboard.boards import CORE, Board
from askd_bench.report.leaderboard.columns import (
    CAPPED,
    CLEAN,
    CONFIDENT,
    DELTA,
    ECE_CLEAN,
    ECE_SHIFTED,
    FAILED,
    INHERITS,
    INSERTED,
    INVENTED,
    LEGEND,
    MODEL,
    MODELS,
    PARAMETERS,
    RANK,
    RTFX,
    RTFX_ALONE,
    SHIFTED,
    SILENT,
    SPEED,
    TEACHING,
    UNRELATED,
    WER,
    Record,
    cell_of,
)
from askd_bench.report.leaderboard.commands import commands
from askd_bench.report.leaderboard.descriptions import Published
from askd_bench.report.leaderboard.frame import ALL_CONDITIONS, ALL_CORPORA, OVERALL, Leaderboard
from askd_bench.report.leaderboard.pools import Pool, pool
from askd_bench.report.leaderboard.sheet import DASH, Cell, Column, Section, Table
from askd_bench.report.leaderboard.speeds import rtfx_alone, speed_records


def sections(leaderboard: Leaderboard) -> list[Section]:
    """Return the whole leaderboard, section by section."""
    out = [_overall(leaderboard), *_teaching(leaderboard)]
    for suite in dict.fromkeys(board.suite for board in leaderboard.boards):
        out.append(Section(title=suite))
        out += [board_section(leaderboard, board) for board in leaderboard.boards if board.suite == suite]
    return [*out, _legend(), *_speed(leaderboard), _models(leaderboard), _to_be_ranked(leaderboard), *_published(leaderboard.published)]


def board_section(leaderboard: Leaderboard, board: Board, *, only: Sequence[str] | None = None) -> Section:
    """Return the section of one board, of all its models or `only` of some: its table, and one by condition."""
    number = board_number(leaderboard, board)
    frame = _part(leaderboard.frame, board.suite, board.corpus, number)
    records = [record for record in _records(frame, ALL_CONDITIONS) if only is None or record["model"] in only]
    size = (PARAMETERS, *((RTFX,) if any(record["rtfx"] == record["rtfx"] for record in records) else ()))  # unless all are NaN
    columns: tuple[Column, ...] = (MODEL, *size, SILENT, INVENTED)
    if board.has_words:
        shifted, ece_shifted = ((CLEAN, SHIFTED, DELTA), (ECE_SHIFTED,)) if board.has_shifts else ((), ())
        columns = (MODEL, RANK, *size, WER, CAPPED, *shifted, ECE_CLEAN, *ece_shifted, CONFIDENT, INSERTED, UNRELATED)
        columns += (FAILED,) if any(record["failed"] for record in records) else ()
    else:
        records.sort(key=lambda record: (np.nan_to_num(record["hallucination_rate"], nan=np.inf), record["model"]))
    by_condition = _conditions(board, _records(frame[frame["condition"] != ALL_CONDITIONS]), [record["model"] for record in records])
    return Section(
        title=f"{board.suite}, {board.corpus}" + (f", other audio ({number})" if number > 1 else ""),
        level=3,
        notes=(_about(pool([board])),),
        table=_table(columns, records),
        folded=("By condition: " + ("WER %" if board.has_words else SILENT.label), by_condition) if board.has_shifts else None,
    )


def board_number(leaderboard: Leaderboard, board: Board) -> int:
    """Return which of the boards of its suite and corpus this is, from 1."""
    return [one for one in leaderboard.boards if (one.suite, one.corpus) == (board.suite, board.corpus)].index(board) + 1


def _overall(leaderboard: Leaderboard) -> Section:
    if leaderboard.overall is None:
        return Section(title="Overall", notes=(f"{leaderboard.anchor} has no result on speech: there is nothing to rank.",))
    own = [board for board in leaderboard.boards if leaderboard.anchor in board.results]
    domains = list(dict.fromkeys(board.suite for board in own if board.has_words and board.has_shifts))
    silent = next((board.suite for board in own if not board.has_words), None)
    pooled = {board.suite: _by_model(_part(leaderboard.frame, board.suite, ALL_CORPORA)) for board in own}
    complete = _by_model(_part(leaderboard.frame, OVERALL, ALL_CORPORA))
    before = (MODEL, RANK, PARAMETERS, RTFX_ALONE if leaderboard.speeds else RTFX, WER, CAPPED, CLEAN)
    rows = []
    for name in dict.fromkeys([*complete, *sorted(name for table in pooled.values() for name in table)]):
        record = complete.get(name, {"model": name, "parameters": _parameters(leaderboard, name)})
        record = record | {RTFX_ALONE.name: rtfx_alone(leaderboard.speeds.get(name))}
        rows.append(
            (
                *(cell_of(record, column) for column in before),
                *(cell_of(pooled[suite].get(name, {}), SHIFTED) for suite in domains),
                *(cell_of(record, column) for column in _AFTER),
                *([cell_of(pooled[silent].get(name, {}), SILENT)] if silent else []),
                cell_of(record, INHERITS),
            )
        )
    columns = (
        *before,
        *(Column(label=suite, about=f"WER % over the conditions of {suite} besides its baseline") for suite in domains),
        *_AFTER,
        *([SILENT] if silent else []),
        INHERITS,
    )
    heard = "; ".join(
        f"{suite} ({', '.join(board.corpus for board in leaderboard.overall.boards if board.suite == suite)})"
        for suite in dict.fromkeys(board.suite for board in leaderboard.overall.boards)
    )
    notes = (
        f"On what {leaderboard.anchor} heard of {heard}: {_about(leaderboard.overall)} Clips that suites share count once.",
        f"A model is ranked if it heard all of it. {DASH} stands where a model lacks a suite, and where a figure is undefined.",
    )
    return Section(title="Overall", notes=notes, table=Table(columns, tuple(rows)))


_AFTER = (DELTA, ECE_CLEAN, ECE_SHIFTED, CONFIDENT)


def _speed(leaderboard: Leaderboard) -> list[Section]:
    teachers = {name: about.teacher for name, about in leaderboard.models.items()}
    note = (
        "From features to text, one model at a time (askd-bench bench): p50 and p95 of a batch, seconds; RTFx, seconds of audio a second. "
        "Ratios are of models measured on the same clips, device and threads, each in its type; another machine gives other figures, and "
        "is not noted."
    )
    records = speed_records(leaderboard.speeds, teachers)
    return [Section(title="Speed", notes=(note,), table=_table(SPEED, records))] if records else []


def _teaching(leaderboard: Leaderboard) -> list[Section]:
    everyone = _records(_part(leaderboard.frame, OVERALL, ALL_CORPORA))
    students = [record for record in everyone if record["wer_minus_teacher"] == record["wer_minus_teacher"]]  # not NaN
    note = (
        "On the clips of the overall table. Inherited: share of the teacher's errors that the student makes in the same way; expected: the "
        "share for a student of equal WER whose errors are independent; excess: 0 independent, 1 a copy; conf.: of errors that both hold "
        "with confidence above 0.7. A control is trained alike on the truth alone, without the teacher: what it shares was not handed down."
    )
    return [Section(title="Students beside their teachers", notes=(note,), table=_table(TEACHING, students))] if students else []


def _conditions(board: Board, records: Sequence[Record], models: Sequence[str]) -> Table:
    figure = WER if board.has_words else SILENT
    of = {(record["condition"], record["model"]): record for record in records}
    clips = {record["condition"]: record["utterances"] for record in records}
    columns = (Column(label="condition", text=True), Column(label="clips"), *(Column(label=model) for model in models))
    rows = [
        (Cell(condition, condition), Cell(str(count), count), *(cell_of(of[condition, model], figure) for model in models))
        for condition, count in clips.items()
    ]
    return Table(columns, tuple(rows))


def _legend() -> Section:
    rows = tuple((Cell(column.label, column.label), Cell(column.about, column.about)) for column in LEGEND)
    return Section(title="What the columns mean", table=Table((Column(label="column"), Column(label="meaning", text=True)), rows))


def _models(leaderboard: Leaderboard) -> Section:
    records: dict[str, dict[str, Any]] = {}
    for record in _records(leaderboard.frame, ALL_CONDITIONS):
        about = leaderboard.models.get(record["model"])
        records.setdefault(record["model"], record | (about.model_dump() if about else {}))
    return Section(title="Models", table=_table(MODELS, [records[name] for name in sorted(records)]))


def _to_be_ranked(leaderboard: Leaderboard) -> Section:
    note = (
        f"These commands make a model hear at least what {leaderboard.anchor} heard. More does no harm, since tables are cut to that; a "
        f"model that heard less has tables of its own. The overall rank rests on {', '.join(CORE)}."
    )
    return Section(title="To be ranked", notes=(note,), code=tuple(commands(leaderboard)))


def _parameters(leaderboard: Leaderboard, model: str) -> int | None:
    """Return a model's number of parameters, from any of its results; None where it has none that can be counted."""
    return next(board.signatures[model].model.parameters for board in leaderboard.boards if model in board.results)


def _published(tables: Sequence[Published]) -> list[Section]:
    if not tables:
        return []
    note = "Other speech, perturbations, normalisers and machines: none of these figures says anything about a place in the tables above."
    sections = [Section(title="Published elsewhere, not comparable", notes=(note,), elsewhere=True)]
    for one in tables:
        columns, cells = [], []
        for label, values in zip(one.columns, zip(*one.rows, strict=True), strict=True):
            digits = max(len(str(value).partition(".")[2]) if isinstance(value, float) else 0 for value in values)
            columns.append(Column(label=label, text=isinstance(values[0], str)))
            cells.append([Cell(value if isinstance(value, str) else f"{value:.{digits}f}", value) for value in values])
        table = Table(tuple(columns), tuple(zip(*cells, strict=True)))
        sections.append(Section(title=one.title, level=3, notes=(f"{one.source}. {one.note}",), table=table, url=one.url, elsewhere=True))
    return sections


def _about(pooled: Pool) -> str:
    clusters, words = pooled.clusters, int(pooled.aligned.reference_words.sum())
    new_speakers = "new speakers of this kind (a little too surely where one voice acts several)"
    speaks_for = new_speakers if clusters.kind == "speaker" else "new utterances of these speakers"
    conditions = len(set(pooled.aligned.condition))
    return (
        f"{len(pooled.clean)} clips in {conditions} condition{'s' if conditions > 1 else ''}, "
        f"{f'{words} reference words' if words else 'no words'}; intervals resample {clusters.count} {clusters.kind}s, so they speak for "
        f"{speaks_for}."
    )


def _table(columns: Sequence[Column], records: Sequence[Record]) -> Table:
    return Table(tuple(columns), tuple(tuple(cell_of(record, column) for column in columns) for record in records))


def _part(frame: pd.DataFrame, suite: str, corpus: str, number: int = 1) -> pd.DataFrame:
    return frame[(frame["suite"] == suite) & (frame["corpus"] == corpus) & (frame["board"] == number)]


def _records(frame: pd.DataFrame, condition: str | None = None) -> list[dict[str, Any]]:
    chosen = frame if condition is None else frame[frame["condition"] == condition]
    return [{str(key): value for key, value in record.items()} for record in chosen.to_dict("records")]


def _by_model(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {record["model"]: record for record in _records(frame)}
