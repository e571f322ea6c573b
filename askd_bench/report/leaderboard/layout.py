"""The leaderboard as sections: what is shown, in which order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from askd_bench.metrics.bootstrap import effective_number
from askd_bench.metrics.catalogue import METRICS
from askd_bench.report.leaderboard.boards import CORE, Board
from askd_bench.report.leaderboard.columns import LEGEND, MODELS, SPEED, TEACHING, Record, about, entry, heading, table_of
from askd_bench.report.leaderboard.commands import commands
from askd_bench.report.leaderboard.descriptions import Published
from askd_bench.report.leaderboard.document import Section
from askd_bench.report.leaderboard.figures import decisive
from askd_bench.report.leaderboard.frame import ALL_CONDITIONS, ALL_CORPORA, OVERALL, Leaderboard
from askd_bench.report.leaderboard.pools import Pool, pool
from askd_bench.report.leaderboard.speeds import rtfx_alone, speed_records
from askd_bench.tables.model import DASH, Cell, Column, Table

_SHIFTED = ("wer_clean", "wer_shifted", "degradation")
_INVENTED = ("confident_errors_0.7", "insertion_rate", "hallucination_rate")
_SILENT = "hallucination_rate_silence"
_INVENTS = "invented_words_per_minute"
_INHERITS = "inheritance_beyond_own_teacher"


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
    size = ("parameters", *(("rtfx",) if any(record["rtfx"] == record["rtfx"] for record in records) else ()))  # unless all are NaN
    columns: tuple[str, ...] = ("model", *size, _SILENT, "invented_words_per_minute")
    if board.has_words:
        shifted, ece = (_SHIFTED, ("ece_clean", "ece_shifted")) if board.has_shifts else ((), ("ece_clean",))
        columns = ("model", "rank", *size, "wer_capped", "wer", *shifted, *ece, *_INVENTED)
        columns += ("failed",) if any(record["failed"] for record in records) else ()
    else:
        records.sort(key=lambda record: (np.nan_to_num(record["hallucination_rate"], nan=np.inf), record["model"]))
    by_condition = _conditions(board, _records(frame[frame["condition"] != ALL_CONDITIONS]), [record["model"] for record in records])
    return Section(
        title=f"{board.suite}, {board.corpus}" + (f", other audio ({number})" if number > 1 else ""),
        level=3,
        notes=(_about(pool([board])),),
        table=table_of(columns, records),
        folded=(f"By condition: {METRICS[_figure(board)].label}", by_condition) if board.has_shifts else None,
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
    before = (
        "model",
        "rank",
        "parameters",
        "rtfx_alone" if leaderboard.speeds else "rtfx",
        "wer_capped_mean",
        "wer",
        "wer_capped",
        "wer_clean",
    )
    after = ("degradation", "ece_clean", "ece_shifted", "confident_errors_0.7")
    rows = []
    for name in dict.fromkeys([*complete, *sorted(name for table in pooled.values() for name in table)]):
        record = complete.get(name, {"model": name, "parameters": _parameters(leaderboard, name)})
        record = record | {"rtfx_alone": rtfx_alone(leaderboard.speeds.get(name))}
        rows.append(
            (
                *(entry(column, record) for column in before),
                *(entry("wer_shifted", pooled[suite].get(name, {})) for suite in domains),
                *(entry(column, record) for column in after),
                *([entry(_INVENTS, pooled[silent].get(name, {}))] if silent else []),
                entry(_INHERITS, record),
            )
        )
    columns = (
        *map(heading, before),
        *(Column(label=suite, meaning=f"WER % over the conditions of {suite} besides its baseline") for suite in domains),
        *map(heading, after),
        *([heading(_INVENTS)] if silent else []),
        heading(_INHERITS),
    )
    heard = "; ".join(
        f"{suite} ({', '.join(board.corpus for board in leaderboard.overall.boards if board.suite == suite)})"
        for suite in dict.fromkeys(board.suite for board in leaderboard.overall.boards)
    )
    notes = (
        f"On what {leaderboard.anchor} heard of {heard}: {_about(leaderboard.overall)} Clips that suites share count once.",
        f"A model is ranked if it heard all of it. {DASH} stands where a model lacks a suite, and where a figure is undefined.",
    )
    return Section(title="Overall", notes=notes, table=Table(columns=columns, rows=tuple(rows)))


def _speed(leaderboard: Leaderboard) -> list[Section]:
    teachers = {name: about.teacher for name, about in leaderboard.models.items()}
    note = (
        "From features to text, one model at a time (askd-bench bench): p50 and p95 of a batch, seconds; RTFx, seconds of audio a second. "
        "Ratios are of models measured on the same clips, device and threads, each in its type; another machine gives other figures, and "
        "is not noted."
    )
    records = speed_records(leaderboard.speeds, teachers)
    return [Section(title="Speed", notes=(note,), table=table_of(SPEED, records))] if records else []


def _teaching(leaderboard: Leaderboard) -> list[Section]:
    everyone = _records(_part(leaderboard.frame, OVERALL, ALL_CORPORA))
    students = [record for record in everyone if record["wer_minus_teacher"] == record["wer_minus_teacher"]]  # not NaN
    note = (
        "On the clips of the overall table. Of the teacher's errors a student makes some in the same way (inherited), some in another way "
        "(changed), and has some right (mended); new: its errors per 100 words that the teacher has right. Expected: the inherited share "
        "by chance, for a student of its habits; excess: beyond that. Hard recordings are hard for everybody, so that systems that have "
        "nothing to do with the teacher have an excess too (unrelated: of every other family in this table the model at its head, which no "
        "other here taught, pooled). Inherited beyond unrelated: 0 no more than they, 1 a copy; conf.: of errors that both hold with "
        "confidence above 0.7. A control is trained alike on the truth alone; its layers were cut from the teacher all the same."
    )
    return [Section(title="Students beside their teachers", notes=(note,), table=table_of(TEACHING, students))] if students else []


def _figure(board: Board) -> str:
    """Return the figure that is shown of each condition."""
    return "wer" if board.has_words else _SILENT


def _conditions(board: Board, records: Sequence[Record], models: Sequence[str]) -> Table:
    of = {(record["condition"], record["model"]): record for record in records}
    clips = {record["condition"]: record["utterances"] for record in records}
    columns = (Column(label="condition", text=True), Column(label="clips"), *(Column(label=model) for model in models))
    rows = [
        (
            Cell(text=condition, sort=condition),
            Cell(text=str(count), sort=count),
            *(entry(_figure(board), of[condition, model]) for model in models),
        )
        for condition, count in clips.items()
    ]
    return Table(columns=columns, rows=tuple(rows))


def _legend() -> Section:
    explained = ((METRICS[name].label, about(name)) for name in LEGEND)
    rows = tuple((Cell(text=label, sort=label), Cell(text=meaning, sort=meaning)) for label, meaning in explained)
    columns = (Column(label="column"), Column(label="meaning", text=True))
    return Section(title="What the columns mean", table=Table(columns=columns, rows=rows))


def _models(leaderboard: Leaderboard) -> Section:
    records: dict[str, dict[str, Any]] = {}
    for record in _records(leaderboard.frame, ALL_CONDITIONS):
        about = leaderboard.models.get(record["model"])
        records.setdefault(record["model"], record | (about.model_dump() if about else {}))
    return Section(title="Models", table=table_of(MODELS, [records[name] for name in sorted(records)]))


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
            cells.append([Cell(text=value if isinstance(value, str) else f"{value:.{digits}f}", sort=value) for value in values])
        table = Table(columns=tuple(columns), rows=tuple(zip(*cells, strict=True)))
        sections.append(Section(title=one.title, level=3, notes=(f"{one.source}. {one.note}",), table=table, url=one.url, elsewhere=True))
    return sections


def _about(pooled: Pool) -> str:
    clusters, words = pooled.clusters, int(pooled.aligned.reference_words.sum())
    conditions = len(set(pooled.aligned.condition))
    left_out = sum(board.left_out for board in pooled.boards)
    parts = [
        f"{len(pooled.clean)} clips in {conditions} condition{'s' if conditions > 1 else ''}, "
        f"{f'{words} reference words' if words else 'no words'}",
        f"intervals and ranks go by {clusters.count} {_RESAMPLED[clusters.kind]}",
    ]
    if left_out:
        parts.append(f"{left_out} more left out, since some of these models heard other bits (rendered on another kind of processor)")
    return f"{'; '.join(parts)}. {_voices(pooled)}{_leverage(pooled)}".rstrip()


_RESAMPLED = {
    "speaker": "speakers, so they speak for new speakers of this kind (a little too surely where one voice acts several)",
    "utterance": "recordings with all their renderings, so they speak for new recordings of these voices and for no other voice",
}


def _voices(pooled: Pool) -> str:
    """Say how many equal speakers these are worth, where words are known to be theirs."""
    known = pooled.aligned.speaker != ""
    speakers = np.unique(pooled.aligned.speaker[known], return_inverse=True)[1]
    if not pooled.aligned.reference_words.any() or not len(speakers):
        return ""
    sizes = np.bincount(speakers, weights=pooled.aligned.reference_words[known])
    return f"By words, its {len(sizes)} speaker{'s' if len(sizes) > 1 else ''} weigh as {effective_number(sizes):.1f} equal ones. "


def _leverage(pooled: Pool) -> str:
    """Say which recording decides most places."""
    if len(pooled.models) < 2:
        return ""
    one = decisive(pooled)
    if one is None:
        return "No place depends on a single recording." if pooled.aligned.reference_words.any() else ""
    places = f"{one.places} place{'s' if one.places > 1 else ''}"
    return f"Largest leverage: without the recording {one.utterance}, {one.model} would move by {places}."


def _part(frame: pd.DataFrame, suite: str, corpus: str, number: int = 1) -> pd.DataFrame:
    return frame[(frame["suite"] == suite) & (frame["corpus"] == corpus) & (frame["board"] == number)]


def _records(frame: pd.DataFrame, condition: str | None = None) -> list[dict[str, Any]]:
    chosen = frame if condition is None else frame[frame["condition"] == condition]
    return [{str(key): value for key, value in record.items()} for record in chosen.to_dict("records")]


def _by_model(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {record["model"]: record for record in _records(frame)}
