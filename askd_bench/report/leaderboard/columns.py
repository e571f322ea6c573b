"""The leaderboard's columns: what each is called, what it means, and how a record's value is shown in it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from askd_bench.report.leaderboard.sheet import DASH, Cell, Column

Record = Mapping[str, Any]
"""A row of the leaderboard's frame."""

_RANK = "rank"

MODEL = Column(label="model", name="model", text=True)
RANK = Column(
    label="rank",
    about="by WER over all conditions; a range where models cannot be told apart: from 1 + the number of models significantly better to "
    "the number of models minus those significantly worse (MAPSSWE on the same clips, Holm-corrected over all pairs)",
    name=_RANK,
)
PARAMETERS = Column(label="M par.", about="million parameters", name="parameters", factor=1e-6)
RTFX = Column(
    label="RTFx",
    about="seconds of audio per second of decoding on the machine that ran it, see Models for the circumstances; never ranked by",
    name="rtfx",
)
RTFX_ALONE = Column(
    label="RTFx at 1",
    about="seconds of audio per second of decoding at batch 1, measured apart from the rows, see Speed; never ranked by",
    name="rtfx_alone",
)
WER = Column(
    label="WER %",
    about="word errors per 100 reference words over all conditions, pooled, with 95 % bootstrap interval; ranks go by it",
    name="wer",
    factor=100,
    interval=True,
)
CAPPED = Column(
    label="capped",
    about="the same with no utterance counted as more than all wrong, so that no loop of repeated words carries it",
    name="wer_capped",
    factor=100,
    interval=True,
)
CLEAN = Column(
    label="clean", about="WER % in the baseline condition: the recordings as they are", name="wer_clean", factor=100, interval=True
)
SHIFTED = Column(label="shifted", about="WER % over all other conditions", name="wer_shifted", factor=100, interval=True)
DELTA = Column(
    label="Δ clean",
    about="WER points of the other conditions above the baseline condition, same utterances",
    name="degradation",
    factor=100,
    signed=True,
)
ECE_CLEAN = Column(
    label="ECE clean",
    about="expected calibration error of word confidence in the baseline condition (needs 300 words)",
    name="ece_clean",
    digits=3,
)
ECE_SHIFTED = Column(label="ECE shifted", about="the same over all other conditions", name="ece_shifted", digits=3)
CONFIDENT = Column(
    label="conf. err.", about="wrong words held with confidence above 0.7, per 100 words of the hypotheses", name="confident_errors_0.7"
)
INSERTED = Column(label="ins. %", about="inserted words per 100 reference words", name="insertion_rate", factor=100)
UNRELATED = Column(
    label="halluc. %", about="utterances whose hypothesis shares no word with the reference", name="hallucination_rate", factor=100
)
SILENT = Column(
    label="words in silence %",
    about="clips in which nobody speaks and for which the model writes any word at all",
    name="hallucination_rate",
    factor=100,
)
INVENTED = Column(
    label="words/min", about="words written per minute of audio in which nobody speaks", name="invented_words_per_minute", digits=2
)
INHERITS = Column(
    label="inherits",
    about="share of its teacher's errors that it repeats in the same way beyond chance: 0 independent, 1 a copy",
    name="inheritance_excess",
    digits=2,
    interval=True,
)
FAILED = Column(
    label="failed", about="clips without a hypothesis (the rows say why): in no figure and no comparison", name="failed", digits=0
)
LEGEND = (
    *(RANK, PARAMETERS, RTFX_ALONE, RTFX, WER, CAPPED, CLEAN, SHIFTED, DELTA, ECE_CLEAN, ECE_SHIFTED),
    *(CONFIDENT, INSERTED, UNRELATED, SILENT, INVENTED, INHERITS, FAILED),
)
"""All that need explaining, in reading order."""

TEACHING = (
    Column(label="student", name="model", text=True),
    Column(label="teacher", name="teacher", text=True),
    Column(label="control", name="control", text=True),
    Column(label="WER − teacher, points", name="wer_minus_teacher", factor=100, interval=True, signed=True),
    Column(label="inherited %", name="inherited", factor=100, interval=True),
    Column(label="expected %", name="inherited_expected", factor=100),
    Column(label="excess", name="inheritance_excess", digits=2, interval=True),
    Column(label="conf. excess", name="confident_inheritance_excess", digits=2, interval=True),
    Column(label="inherited − control, points", name="inherited_vs_control", factor=100, interval=True, signed=True),
)

SPEED = (
    MODEL,
    *(Column(label=label, name=label, text=True) for label in ("dtype", "device", "threads")),
    Column(label="clips", name="clips", digits=0),
    Column(label="batch", name="batch_size", digits=0),
    Column(label="p50, s", name="p50_s", digits=3),
    Column(label="p95, s", name="p95_s", digits=3),
    Column(label="RTFx", name="rtfx"),
    Column(label="times its teacher's", name="times_teacher", digits=2),
)

MODELS = (
    MODEL,
    PARAMETERS,
    Column(label="what it is", name="description", text=True),
    Column(label="licence", name="licence", text=True),
    Column(label="teacher", name="teacher", text=True),
    *(Column(label=label, name=label, text=True) for label in ("dtype", "device", "threads")),
    Column(label="batch", name="batch_size", text=True),
)


def cell_of(record: Record, column: Column) -> Cell:
    """Return a record's value as a column shows it; a dash where it has none."""
    if column.name == _RANK:
        return _rank(record)
    value = record.get(column.name)
    if _missing(value):
        return Cell(DASH)
    if isinstance(value, str):
        return Cell(value, value)
    low, high = record.get(f"{column.name}_low"), record.get(f"{column.name}_high")
    has_interval = column.interval and not _missing(low) and not _missing(high)
    interval = f"[{_shown(low, column)}, {_shown(high, column)}]" if has_interval else ""
    return Cell(_shown(value, column), float(value), interval)  # type: ignore[arg-type]  # a number: neither missing nor text


def _rank(record: Record) -> Cell:
    best, worst = record.get("rank_best"), record.get("rank_worst")
    if _missing(best) or _missing(worst):
        return Cell(DASH)
    return Cell(str(best) if best == worst else f"{best}–{worst}", float(best) + float(worst) / 1000)  # type: ignore[arg-type]


def _shown(value: Any, column: Column) -> str:
    rounded = round(column.factor * float(value), column.digits) + 0.0  # no "-0.0"
    return f"{rounded:{'+' if column.signed else ''}.{column.digits}f}".replace("-", "−")


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or value != value
