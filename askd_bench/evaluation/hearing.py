"""One pass over a corpus: every rendering is made once and heard by every model that still lacks it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askd_bench.evaluation.inputs import count
from askd_bench.evaluation.plan import Batch, Plan
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.progress import Progress
from askd_bench.evaluation.transcribing import Decoded, Ensemble
from askd_bench.evaluation.workers import Prepared, Preparer, prepare_all
from askd_bench.models.base import Transcriber, is_timed
from askd_bench.results import RowStore
from askd_bench.suites import Condition
from askd_bench.types import SAMPLING_RATE, Failure, Row


@dataclass(slots=True)
class Listener:
    """A model, where its rows go, which of the front ends is its own, and how many batches of the plan it has done."""

    transcriber: Transcriber
    store: RowStore
    frontend: int
    done: int = 0
    warm: bool = False


def hear(plan: Plan, listeners: Sequence[Listener], preparer: Preparer, *, workers: int, progress: Progress, profile: Profile) -> None:
    """Do what is left of a plan, for models of one window, and store their rows batch by batch.

    Listeners may stand at different batches, each after its own interruption; `warm` says afterwards whether one has decoded anything.
    """
    fitting = count(plan.fitting) if plan.fitting else 0
    part = plan.part.utterances if plan.part else None
    progress.start(plan.reported.name, [c.id for c in plan.conditions], count(plan.reported), fitting, part=part)
    ensemble = Ensemble(progress.note)
    for listener in listeners:
        listener.done = listener.store.keep_whole_batches(batch.keys for batch in plan)
    first = min(listener.done for listener in listeners)
    batches = iter(plan)
    for batch in itertools.islice(batches, first):
        progress.advance(batch.condition.id, len(batch.utterances), kept=True)
    rendered = enumerate(prepare_all(preparer, batches, workers=workers), start=first)
    for number, (batch, prepared) in _measured(rendered, profile):
        lacking = [listener for listener in listeners if listener.done <= number]
        for listener in lacking:
            _warm_up(listener, preparer)
        usable = [item.features for item in prepared if item.features is not None]
        with profile.measure("model"):
            heard = ensemble.transcribe(
                [listener.transcriber for listener in lacking],
                [[features[listener.frontend] for features in usable] for listener in lacking],
            )
        with profile.measure("storing"):
            for listener, decoded in zip(lacking, heard, strict=True):
                listener.store.append(_rows(batch, prepared, decoded))
        progress.advance(batch.condition.id, len(batch.utterances), kept=False)


def _measured(
    rendered: Iterator[tuple[int, tuple[Batch, list[Prepared]]]], profile: Profile
) -> Iterator[tuple[int, tuple[Batch, list[Prepared]]]]:
    while True:
        with profile.measure("waiting"):
            item = next(rendered, None)
        if item is None:
            return
        yield item


def _warm_up(listener: Listener, preparer: Preparer) -> None:
    """Make a first forward pass, which allocates and compiles and is no measure of speed."""
    if not listener.warm and is_timed(listener.transcriber):
        silence = np.zeros(SAMPLING_RATE, np.float32)
        listener.transcriber.transcribe([preparer.frontends[listener.frontend](silence)])
        listener.warm = True


def _rows(batch: Batch, prepared: Sequence[Prepared], decoded: Sequence[Decoded]) -> list[Row]:
    heard = iter(decoded)
    return [_row(batch.condition, item, next(heard) if item.features is not None else None) for item in prepared]


def _row(condition: Condition, item: Prepared, decoded: Decoded | None) -> Row:
    utterance = item.utterance
    common: dict[str, Any] = {
        "condition": condition.id,
        "utterance": utterance.id,
        "reference": utterance.reference,
        "duration_s": item.duration_s,
        "speaker": utterance.speaker,
        "group": utterance.group,
        "split": utterance.split,
        "realised": item.realised,
        "audio_sha256": item.audio_sha256,
    }
    if decoded is None or isinstance(decoded.transcription, Failure):
        reason = item.error if decoded is None else decoded.transcription.reason  # type: ignore[union-attr]
        return Row(hypothesis=None, batch=0, error=reason, **common)
    transcription = decoded.transcription
    return Row(
        hypothesis=transcription.text,
        words=transcription.words,
        word_tokens=transcription.word_tokens,
        token_logprobs=transcription.token_logprobs,
        token_entropies=transcription.token_entropies,
        tempered_logprobs=transcription.tempered_logprobs,
        long_form=transcription.long_form,
        batch=decoded.batch,
        decode_s=decoded.decode_s,
        **common,
    )
