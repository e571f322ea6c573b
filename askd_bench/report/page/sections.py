"""Result directories sorted into sections: models that heard the same suite on the same corpus stand side by side."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askd_bench.errors import UserError
from askd_bench.metrics.scoring import Scored, score
from askd_bench.metrics.summary import is_current
from askd_bench.report.page.charts import slug
from askd_bench.results import Result
from askd_bench.signature import CorpusId, Signature, SuiteId
from askd_bench.suites import Suite, has_suite, load_suite
from askd_bench.text import NORMALISERS, normaliser
from askd_bench.types import Row

_HEARD = "{count} rows of {name} and {other} are of different audio (or references): do not compare their figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model's result.

    Attributes:
        name: the model's id, with a number behind it where two results of a section have the same.
        style: number of its look, the same in every section.
        result, signature: as stored.
        summary: of the page's normaliser.
        scored: the reported utterances.
    """

    name: str
    style: int
    result: Result
    signature: Signature
    summary: Mapping[str, Any]
    scored: Scored

    def metric(self, condition: str, name: str) -> Mapping[str, Any] | None:
        """Return an estimate of a condition's summary, None where the condition or the metric is not there."""
        table = self.summary["conditions"].get(condition)
        found: Mapping[str, Any] | None = None if table is None else table["metrics"].get(name)
        return found

    def under(self, condition: str) -> Scored:
        """Return the reported utterances under one condition."""
        return self.scored.select(self.scored.condition == condition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One suite on one corpus.

    Attributes:
        name: for ids and files. title: for people.
        entries: one a model.
        conditions: of any of them, in the suite's order.
        baseline: the condition the others are compared with.
        suite: None where it cannot be read again as it was.
        notes: what stands in the way of a comparison.
    """

    name: str
    title: str
    entries: tuple[Entry, ...]
    conditions: tuple[str, ...]
    baseline: str
    suite: Suite | None
    notes: tuple[str, ...]

    @property
    def corpus(self) -> CorpusId:
        """The corpus of the signature."""
        return self.entries[0].signature.corpus

    @property
    def shared(self) -> tuple[str, ...]:
        """The conditions that every model heard."""
        return tuple(c for c in self.conditions if all(c in entry.summary["conditions"] for entry in self.entries))

    @property
    def worst(self) -> str | None:
        """The condition with the highest word error rate, as a mean over the models; None where there is none but the baseline."""
        rates: dict[str, float] = {}
        for condition in self.shared:
            found = [(entry.metric(condition, "wer") or {}).get("value") for entry in self.entries]
            values = [float(value) for value in found if value is not None]
            if condition != self.baseline and len(values) == len(found):
                rates[condition] = sum(values) / len(values)
        return max(rates, key=lambda name: rates[name]) if rates else None


def open_sections(paths: Sequence[Path], *, normalizer: str, suites: Sequence[Path] = ()) -> list[Section]:
    """Open result directories and sort them into sections, in the order given.

    Args:
        paths: result directories.
        normalizer: of all figures; a summary of another one is computed again.
        suites: files of suites that are not bundled.

    Raises:
        UserError: no directory, one given twice, one that is no result, an unknown normaliser, or an unreadable suite.
    """
    normaliser(normalizer)
    if not paths:
        raise UserError("result_dirs: none given (allowed: one or more result directories)")
    resolved = [path.resolve() for path in paths]
    twice = next((path for path, own in zip(paths, resolved, strict=True) if resolved.count(own) > 1), None)
    if twice is not None:
        raise UserError(f"result_dirs: {str(twice)!r} is given twice (allowed: once)")
    known = [load_suite(path) for path in suites]
    groups: dict[str, list[tuple[Result, Signature]]] = {}
    for path in paths:
        result = Result.open(path)
        signature = result.signature()
        groups.setdefault(signature.speech, []).append((result, signature))
    styles: dict[str, int] = {}
    taken: set[tuple[str, int]] = set()
    return [_section(members, normalizer, known, styles, taken) for members in groups.values()]


def _section(
    members: Sequence[tuple[Result, Signature]],
    normalizer: str,
    known: Sequence[Suite],
    styles: dict[str, int],
    taken: set[tuple[str, int]],
) -> Section:
    entries: list[Entry] = []
    heard: list[dict[tuple[str, str], tuple[str | None, str]]] = []
    names: list[str] = []
    for result, signature in members:
        model = signature.model.id
        names.append(model)
        name = model if names.count(model) == 1 else f"{model} ({names.count(model)})"
        hashes: dict[tuple[str, str], tuple[str | None, str]] = {}
        scored = score(_watched(result.rows(), hashes), normalizer=normalizer)
        if not len(scored):
            raise UserError(f"result_dir: {str(result.path)!r} has no rows (allowed: a run that has scored something)")
        has_test = bool(np.any(~scored.dev))
        entries.append(
            Entry(
                name=name,
                style=styles.setdefault(name, len(styles)),
                result=result,
                signature=signature,
                summary=_summary(result, normalizer),
                scored=scored.select(~scored.dev) if has_test else scored,
            )
        )
        heard.append(hashes)
    signature = members[0][1]
    suite, corpus = signature.suite, signature.corpus
    conditions = _in_order([list(entry.signature.conditions) for entry in entries])
    name = slug(suite.label, corpus.name)
    number = next(number for number in itertools.count(1) if (name, number) not in taken)
    taken.add((name, number))
    return Section(
        name=name if number == 1 else f"{name}-no{number}",
        title=f"{suite.label} on {corpus.name}" + (f" ({number}: other speech, or another version)" if number > 1 else ""),
        entries=tuple(entries),
        conditions=tuple(c for c in conditions if any(c in entry.summary["conditions"] for entry in entries)),
        baseline=suite.baseline,
        suite=_find_suite(suite, known),
        notes=tuple(_notes(entries, heard)),
    )


def _watched(rows: Iterable[Row], hashes: dict[tuple[str, str], tuple[str | None, str]]) -> Iterator[Row]:
    for row in rows:
        hashes[row.condition, row.utterance] = (row.audio_sha256, row.reference)
        yield row


def _summary(result: Result, normalizer: str) -> dict[str, Any]:
    stored = result.summary()
    if stored is not None and stored["normalizer"] == {"name": normalizer, "version": NORMALISERS[normalizer]} and is_current(stored):
        return stored
    return result.summarise(normalizer=normalizer)


def _in_order(lists: Sequence[Sequence[str]]) -> list[str]:
    """Merge lists of conditions: the longest first, what it lacks behind it."""
    longest = max(lists, key=len)
    return list(dict.fromkeys([*longest, *(name for names in lists for name in names)]))


def _find_suite(wanted: SuiteId, known: Sequence[Suite]) -> Suite | None:
    candidates = [suite for suite in known if suite.name == wanted.name]
    if has_suite(wanted.name):
        candidates.append(load_suite(wanted.name))
    return next((suite for suite in candidates if suite.fingerprint == wanted.fingerprint), None)


def _notes(entries: Sequence[Entry], heard: Sequence[Mapping[tuple[str, str], tuple[str | None, str]]]) -> Iterator[str]:
    first, base = entries[0], heard[0]
    for entry, hashes in zip(entries[1:], heard[1:], strict=True):
        different = sum(1 for key in base.keys() & hashes.keys() if base[key] != hashes[key] and None not in (base[key][0], hashes[key][0]))
        if different:
            yield _HEARD.format(count=different, name=first.name, other=entry.name)
        lonely = sorted(set(first.summary["conditions"]) ^ set(entry.summary["conditions"]))
        if lonely:
            yield (
                f"{first.name} and {entry.name} were not run under the same conditions ({', '.join(lonely)}): "
                "their pooled rows are not comparable"
            )
    for entry in entries:
        failed = int(entry.scored.failed.sum())
        if failed:
            yield f"{entry.name}: {failed} of {len(entry.scored)} recordings failed and are in no figure"
        if entry.result.summary() is None:
            yield f"{entry.name}: its run has not ended; the figures are of the rows so far"
        if absent := [name for name in entry.signature.conditions if name not in entry.summary["conditions"]]:
            yield f"{entry.name}: planned and without a row: {', '.join(absent)}"
