"""The leaderboard's columns as lists of names: of figures (`askd_bench.metrics.catalogue`), and of words."""

from collections.abc import Mapping, Sequence
from typing import Any

from askd_bench.metrics.catalogue import METRICS
from askd_bench.tables.format import record_cell
from askd_bench.tables.model import Cell, Column, Table

Record = Mapping[str, Any]
"""A row of the leaderboard's frame."""

WORDS: Mapping[str, tuple[str, str]] = {
    "model": ("model", "model"),
    "student": ("student", "model"),
    "teacher": ("teacher", "teacher"),
    "control": ("control", "control"),
    "description": ("what it is", "description"),
    "licence": ("licence", "licence"),
    "dtype": ("dtype", "dtype"),
    "device": ("device", "device"),
    "threads": ("threads", "threads"),
    "batch": ("batch", "batch_size"),
}
"""Columns of words: name -> its label, and what it is called in a record."""

LEGEND = (
    *("rank", "parameters", "rtfx_alone", "rtfx", "wer_capped_mean", "wer_capped", "wer", "wer_clean", "wer_shifted", "degradation"),
    *("ece_clean", "ece_shifted", "confident_errors_0.7", "insertion_rate", "hallucination_rate", "hallucination_rate_silence"),
    *("invented_words_per_minute", "inheritance_beyond_own_teacher", "failed"),
)
"""All figures that need explaining, in reading order."""

TEACHING = (
    *("student", "teacher", "control", "wer_minus_teacher", "inherited", "changed_share", "mended_share", "new_errors"),
    *("inherited_expected", "inheritance_excess", "inheritance_floor", "inheritance_beyond", "confident_inheritance_excess"),
    "inherited_vs_control",
)
SPEED = ("model", "dtype", "device", "threads", "clips", "batch_size", "p50_s", "p95_s", "rtfx_measured", "times_teacher")
MODELS = ("model", "parameters", "description", "licence", "teacher", "dtype", "device", "threads", "batch")

_ABOUT = {
    "wer": "word errors per 100 reference words over all conditions, pooled, with 95 % bootstrap interval",
    "wer_capped": "the same with no utterance counted as more than all wrong, so that no loop of repeated words carries it; ranks go by it",
    "wer_capped_mean": "mean of it over suites, and within a suite over its corpora, which so count alike; overall ranks go by it",
    "degradation": "WER points of the other conditions above the baseline condition, same utterances",
    "confident_errors_0.7": "wrong words held with confidence above 0.7, per 100 words of the hypotheses",
    "insertion_rate": "inserted words per 100 reference words",
    "hallucination_rate": "utterances whose hypothesis shares no word with the reference",
    "invented_words_per_minute": "words written per minute of audio in which nobody speaks",
    "rtfx": "seconds of audio per second of decoding on the machine that ran it, see Models for the circumstances; never ranked by",
}


def about(name: str) -> str:
    """Return what a figure means."""
    return _ABOUT.get(name, METRICS[name].meaning)


def heading(name: str) -> Column:
    """Return the column of that name."""
    if name in WORDS:
        return Column(label=WORDS[name][0], text=True)
    return Column(label=METRICS[name].label, meaning=about(name) if name in LEGEND else "")


def entry(name: str, record: Record) -> Cell:
    """Return a record's entry in the column of that name; a dash where it has none."""
    if name == "rank":
        return _rank(record)
    if name not in WORDS:
        return record_cell(METRICS[name], record)
    value = record.get(WORDS[name][1])
    return Cell(text=value, sort=value) if isinstance(value, str) else Cell()


def table_of(names: Sequence[str], records: Sequence[Record]) -> Table:
    """Return a row a record, a column a name."""
    rows = tuple(tuple(entry(name, record) for name in names) for record in records)
    return Table(columns=tuple(map(heading, names)), rows=rows)


def _rank(record: Record) -> Cell:
    best, worst = (record_cell(METRICS["rank"], {"rank": record.get(end)}) for end in ("rank_best", "rank_worst"))
    if not isinstance(best.sort, float) or not isinstance(worst.sort, float):
        return Cell()
    return Cell(text=best.text if best == worst else f"{best.text}–{worst.text}", sort=best.sort + worst.sort / 1000)
