"""`verify`: do result directories hold what they claim? Rows, signature, plan, summary, and a sample of the audio rendered again."""

import math
import os
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import cast

from threadpoolctl import threadpool_limits

from askd_bench.arguments import Several, StrPath, path_of, paths_of, whole_number_of
from askd_bench.errors import UserError
from askd_bench.evaluation.checks.confidence import confidence_problems
from askd_bench.evaluation.checks.known import Known
from askd_bench.evaluation.checks.rows import is_own, row_problem, run_problems
from askd_bench.evaluation.checks.signature import card_problems, place_problems, same_model_problems
from askd_bench.evaluation.inputs import Inputs, resolve_inputs
from askd_bench.evaluation.plan import Plan
from askd_bench.evaluation.rendered_audio import hashes_now
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.options import Reported, SpeechOptions
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result, result_folders
from askd_bench.rows import Key, row_from_json, row_to_json
from askd_bench.signature import Signature
from askd_bench.suites import load_suite
from askd_bench.types import Row, Utterance

SAMPLE = 3
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one directory: how many rows, how many clips were rendered again, what is wrong (nothing: it holds), and what is
    worth a note.
    """

    path: Path
    rows: int
    rendered: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.problems:
            return f"WRONG {self.path}: {'; '.join(self.problems)}"
        held = f"ok {self.path}: {self.rows} rows as planned, summary follows from them, clips rendered to the same bits: {self.rendered}"
        return "; ".join([held, *self.notes])


def verify(
    result_dirs: Several | None = None, *, sample: int = SAMPLE, noise_dir: StrPath | None = None, workers: int | None = None
) -> Iterator[Verdict]:
    """Yield a verdict on each result directory, in order.

    Args:
        result_dirs: None for all packaged results.
        sample: how many clips of each to render again, drawn at random each time, so that nobody can prepare them; 0 for none.
        noise_dir: the recordings, for results made with `noise_dir`.
        workers: processes that verify; None for one a core, 0 for none besides this one.

    Raises:
        UserError: a directory is no result, or a number out of range.
    """
    for name, value in (("sample", sample), ("workers", workers or 0)):
        whole_number_of(name, value, least=0)
    folders = result_folders(REFERENCE_RESULTS_DIR) if result_dirs is None else paths_of("result_dirs", result_dirs)
    results = [Result.at(path) for path in folders]
    if not results:
        raise UserError(f"result_dirs: there are none in {str(REFERENCE_RESULTS_DIR)!r} (allowed: at least one)")
    count = min(len(results), os.cpu_count() or 1) if workers is None else workers
    folder = None if noise_dir is None else path_of("noise_dir", noise_dir)
    if count > 1:
        return _in_processes(partial(_verify_all, sample=sample, noise_dir=folder), results, count)
    return map(partial(_verify, sample=sample, speech=_Speech(folder)), results)


def _in_processes(task: "partial[list[Verdict]]", results: Sequence[Result], workers: int) -> Iterator[Verdict]:
    """Give each process results on the same suite and corpus, so that their speech is opened and their references normalised once."""
    alike: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, result in enumerate(results):
        alike[result.path.parent.name, result.path.name].append(place)
    most = math.ceil(len(results) / workers)
    parts = [places[start : start + most] for places in alike.values() for start in range(0, len(places), most)]
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=threadpool_limits, initargs=(1,)) as pool:
        done = [pool.submit(task, [results[place] for place in places]) for places in parts]
        of_place = {place: (part, i) for part, places in zip(done, parts, strict=True) for i, place in enumerate(places)}
        for place in range(len(results)):
            part, i = of_place[place]
            yield part.result()[i]


def _verify_all(results: Sequence[Result], *, sample: int, noise_dir: Path | None) -> list[Verdict]:
    speech = _Speech(noise_dir)
    return [_verify(result, sample=sample, speech=speech) for result in results]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a run starts from that asks for one speech: its signature, whose model is anyone's, and which utterance each row is of."""

    inputs: Inputs
    signature: Signature
    planned: Mapping[Key, Utterance]

    @classmethod
    def of(cls, inputs: Inputs, signature: Signature) -> "_Asked":
        [selected] = inputs.corpora
        plan = Plan(
            conditions=inputs.conditions,
            reported=selected.reported,
            fitting=selected.fitting,
            baseline=inputs.suite.baseline,
            batch_size=1,
            window_s=None,
        )
        planned = {(batch.condition.id, utterance.id): utterance for batch in plan for utterance in batch.utterances}
        return cls(inputs, _as_now(signature, inputs), planned)


def _as_now(signature: Signature, inputs: Inputs) -> Signature:
    return inputs.signature(
        inputs.corpora[0],
        model=signature.model,
        batch_size=signature.batch_size,
        planned_rows=signature.planned_rows,
        versions=signature.versions,
    )


@dataclass(frozen=True, slots=True)
class _Speech:
    """What runs start from, opened once for all results that ask for the same."""

    noise_dir: Path | None
    opened: dict[tuple[object, ...], _Asked] = field(default_factory=dict)
    known: Known = field(default_factory=lambda: Known(REFERENCE_RESULTS_DIR))

    def asked(self, signature: Signature, limit: int | None) -> _Asked:
        corpus = signature.corpus
        key = (signature.suite.name, corpus.source, tuple(signature.conditions), corpus.split, limit)
        if key not in self.opened:
            options = SpeechOptions(
                corpus=corpus.source,
                conditions=list(signature.conditions),
                limit=limit,
                split=cast("Reported", corpus.split),
                noise_dir=self.noise_dir,
            )
            self.opened[key] = _Asked.of(resolve_inputs(signature.suite.name, options, stored=True), signature)
        return self.opened[key]


def _verify(result: Result, *, sample: int, speech: _Speech) -> Verdict:
    problems: list[str] = []
    rows: list[Row] = []
    apart: list[Key] = []
    rendered = 0
    try:
        signature = Result.open(result.path).signature()
        rows, malformed = _read(result)
        problems += malformed
        problems += place_problems(result.path, signature)
        asked, wrong = _asked(signature, rows, speech)
        problems += wrong
        problems += _plan(asked.planned, rows)
        if not malformed:
            problems += _invented(result, signature, rows, asked, speech.known)
            wrong, apart = speech.known.audio_problems(signature, rows)
            problems += _shortened(wrong, "rows")
        if not problems:  # figures of rows that do not hold say nothing
            problems += _summary(result, rows)
        if sample and not problems:
            alike = [row for row in rows if (row.condition, row.utterance) not in apart]
            rendered, wrong = _audio(signature, alike, sample, speech.noise_dir)
            problems += wrong
    except UserError as error:
        problems.append(str(error))
    except (KeyError, TypeError, AttributeError) as error:  # of files that anyone may have written
        problems.append(f"malformed: {error!r}")
    notes = [f"{condition}, {utterance}: other bits than those of {DEFAULT_MODEL}'s packaged row" for condition, utterance in apart]
    return Verdict(result.path, len(rows), rendered, tuple(problems), tuple(_shortened(notes, "clips")))


def _read(result: Result) -> tuple[list[Row], list[str]]:
    """Return the rows, and what is wrong with single ones."""
    rows, wrong = [], []
    for number, line in enumerate(result.lines(), start=1):
        row = row_from_json(line)
        rows.append(row)
        if (row_to_json(row) + "\n").encode() != line:
            wrong.append(f"row {number}: not as a run writes it (order of keys, digits, or a field of another type)")
        elif problem := row_problem(row):
            wrong.append(f"row {number} ({row.condition}, {row.utterance}): {problem}")
    return rows, _shortened(wrong, "rows")


def _asked(signature: Signature, rows: Sequence[Row], speech: _Speech) -> tuple[_Asked, list[str]]:
    """Open what the run started from, and compare what its signature would be now.

    A signature of before `limit` was recorded does not say how many utterances were asked for: all, as many as there are, or the suite's
    own limit.
    """
    heard = len({row.utterance for row in rows if row.split == signature.corpus.split})
    limits = [signature.limit] if signature.limit is not None else [0, heard, load_suite(signature.suite.name).limit]
    found: list[tuple[list[str], _Asked]] = []
    for limit in dict.fromkeys(limits):
        asked = speech.asked(signature, limit)
        own = {"model": signature.model, "batch_size": signature.batch_size, "versions": signature.versions}
        found.append((signature.of_another_run(asked.signature.model_copy(update=own)), asked))
        if not found[-1][0]:
            break
    different, asked = min(found, key=lambda one: len(one[0]))
    return asked, _shortened([f"signature: {one}" for one in different], "entries of the signature")


def _plan(planned: Mapping[Key, Utterance], rows: Sequence[Row]) -> list[str]:
    """Say whether every planned condition and utterance is there exactly once, and nothing else, with the corpus' texts and speakers."""
    there = Counter((row.condition, row.utterance) for row in rows)
    wrong = [f"{condition}, {utterance}: planned, but there is no row" for condition, utterance in planned.keys() - there.keys()]
    wrong += [f"{condition}, {utterance}: not planned" for condition, utterance in there.keys() - planned.keys()]
    wrong += [f"{condition}, {utterance}: {count} rows" for (condition, utterance), count in there.items() if count > 1]
    for row in rows:
        utterance = planned.get((row.condition, row.utterance))
        for name in ("reference", "speaker", "group", "split"):
            if utterance is not None and getattr(utterance, name) != getattr(row, name):
                wrong.append(f"{row.condition}, {row.utterance}: {name} is not the corpus'")
    return _shortened(sorted(wrong), "rows")


def _invented(result: Result, signature: Signature, rows: Sequence[Row], asked: _Asked, known: Known) -> list[str]:
    """Say what no run leaves behind: see `checks`."""
    models = known.of_model(result.path, signature)
    confidence = confidence_problems(signature, rows) if is_own(signature) else ()
    return [
        *_shortened([f"signature: {one}" for one in card_problems(signature, len(asked.planned))], "entries of the signature"),
        *_shortened([f"signature: {one}" for one in same_model_problems(signature, models)], "entries of the signature"),
        *_shortened(list(run_problems(signature, rows)), "rows"),
        *_shortened(list(confidence), "rows"),
        *_shortened(list(known.copy_problems(result, signature, rows)), "models"),
    ]


def _summary(result: Result, rows: Sequence[Row]) -> list[str]:
    different = result.differences_from_summary(rows)
    return _shortened([f"summary: {one} from the rows" for one in different], "entries of the summary")


def _audio(signature: Signature, rows: Sequence[Row], sample: int, noise_dir: Path | None) -> tuple[int, list[str]]:
    """Render a sample again that nobody can foresee; return how many clips, and those that came out otherwise."""
    heard = {(row.condition, row.utterance): row.audio_sha256 for row in rows if row.audio_sha256}
    chosen = secrets.SystemRandom().sample(sorted(heard), min(sample, len(heard)))
    again = hashes_now(signature.suite.name, signature.corpus.source, chosen, noise_dir, 0)
    wrong = [
        f"audio of {condition}, {utterance}: {heard[condition, utterance]} -> {sha256}"
        for condition, utterance, sha256 in again
        if sha256 != heard[condition, utterance]
    ]
    return len(chosen), _shortened(wrong, "clips")


def _shortened(problems: Sequence[str], what: str) -> list[str]:
    more = len(problems) - _SHOWN
    return [*problems[:_SHOWN], *([f"and {more} more {what}"] if more > 0 else [])]
