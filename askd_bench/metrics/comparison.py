"""A student beside its teacher and its control: what differs, what is handed down, and what this corpus cannot tell."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics import inheritance
from askd_bench.metrics.bootstrap import RESAMPLES, Clusters, cluster_by, resample
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION
from askd_bench.metrics.estimate import Estimate, rounded
from askd_bench.metrics.inheritance import BlindSpots
from askd_bench.metrics.metric import ratio_of
from askd_bench.metrics.significance import ALPHA, MatchedPairs, PairedDifference, holm, mapsswe, paired_bootstrap
from askd_bench.metrics.systems import Aligned, align_systems
from askd_bench.metrics.word_errors import WER
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS
from askd_bench.types import Row

STUDENT, TEACHER, CONTROL = 0, 1, 2
POOLED = "pooled"

_WER = WER.measured(count="words", formula=ratio_of("errors", "words"), needs=(("words", 1, "no reference words"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """One paired comparison under one condition: student minus other.

    Attributes:
        difference: of WER, with interval and minimum detectable difference; negative where the student is better.
        p_holm: its bootstrap p-value after Holm's correction over the conditions.
        matched_pairs: MAPSSWE; positive Z where the student makes more errors.
        matched_pairs_p_holm: its p-value after Holm's correction over the conditions.
        verdict: in words; a difference counts where MAPSSWE's corrected p, or without it the bootstrap's, is below .05.
    """

    difference: PairedDifference
    p_holm: float | None
    matched_pairs: MatchedPairs
    matched_pairs_p_holm: float | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionComparison:
    """All of it under one condition, over the utterances that every system transcribed.

    Attributes:
        condition: its id, or "pooled".
        utterances: compared. left_out: without a hypothesis from at least one system.
        wer: system -> word error rate on the compared utterances.
        versus_teacher, versus_control: paired comparisons of the student.
        inheritance: metric -> estimate, see `askd_bench.metrics.inheritance`.
        blind_spots: what became of the teacher's errors in the student. control_blind_spots: the same in the control.
    """

    condition: str
    utterances: int
    left_out: int
    wer: Mapping[str, Estimate]
    versus_teacher: Versus
    versus_control: Versus | None
    inheritance: Mapping[str, Estimate]
    blind_spots: BlindSpots
    control_blind_spots: BlindSpots | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Per condition and pooled. `resampled` is "speaker" or "utterance": whom the intervals speak for."""

    normalizer: str
    normalizer_version: str
    resampled: str
    clusters: int
    resamples: int
    conditions: tuple[ConditionComparison, ...]
    pooled: ConditionComparison

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict, floats rounded to six digits."""
        out: dict[str, Any] = _json(asdict(self))
        return out


def compare(
    student_rows: Iterable[Row],
    teacher_rows: Iterable[Row],
    control_rows: Iterable[Row] | None = None,
    *,
    normalizer: str = DEFAULT_NORMALISER,
    aggregation: str = DEFAULT_AGGREGATION,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare a student with its teacher, and with a control trained without the teacher, on the same audio.

    Test utterances are compared ("dev" ones only where there are no others); those that a system has no hypothesis for are left out of that
    condition and counted. Clusters are speakers from ten up, else utterances; the pooled comparison keeps an utterance's conditions
    together.

    Raises:
        UserError: the results differ in conditions, utterances, references or audio; the message says which and where.
    """
    systems = [student_rows, teacher_rows, *([control_rows] if control_rows is not None else [])]
    names = ["student", "teacher", "control"][: len(systems)]
    aligned = align_systems(systems, names=names, normalizer=normalizer, aggregation=aggregation)
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    errors = [aligned.errors(k) for k in range(len(systems))]
    conditions = [str(name) for name in np.unique(aligned.condition)]
    keeps = {name: aligned.condition == name for name in conditions} | {POOLED: np.ones(len(aligned.condition), np.bool_)}
    others = range(1, len(systems))
    raw = {
        (name, other): _paired(aligned, errors, clusters, keep, other, resamples=resamples, seed=seed)
        for name, keep in keeps.items()
        for other in others
    }
    versus: dict[tuple[str, int], Versus] = {}
    for other in others:
        # the pooled test is a question of its own, not one of the conditions'
        for family in (conditions, [POOLED]):
            bootstrap_p = holm([raw[name, other][0].p for name in family])
            matched_p = holm([raw[name, other][1].p for name in family])
            for name, p, q in zip(family, bootstrap_p, matched_p, strict=True):
                difference, pairs = raw[name, other]
                verdict = _verdict(difference, q if q is not None else p, names[other])
                versus[name, other] = Versus(difference=difference, p_holm=p, matched_pairs=pairs, matched_pairs_p_holm=q, verdict=verdict)

    def table(name: str) -> ConditionComparison:
        keep = keeps[name]
        used = keep & aligned.done
        control = CONTROL if len(systems) > CONTROL else None
        resampled = [
            resample({"errors": e * used, "words": aligned.reference_words * used}, clusters, resamples=resamples, seed=seed)
            for e in errors
        ]
        return ConditionComparison(
            condition=name,
            utterances=int(used.sum()),
            left_out=int(keep.sum() - used.sum()),
            wer={system: _WER.estimate(r) for system, r in zip(names, resampled, strict=True)},
            versus_teacher=versus[name, TEACHER],
            versus_control=versus[name, CONTROL] if control else None,
            inheritance=inheritance.estimates(aligned, clusters, control=control, keep=keep, resamples=resamples, seed=seed),
            blind_spots=inheritance.blind_spots(aligned, keep=keep),
            control_blind_spots=inheritance.blind_spots(aligned, student=control, keep=keep) if control else None,
        )

    return Comparison(
        normalizer=normalizer,
        normalizer_version=NORMALISERS[normalizer],
        resampled=clusters.kind,
        clusters=clusters.count,
        resamples=resamples,
        conditions=tuple(table(name) for name in conditions),
        pooled=table(POOLED),
    )


def _paired(
    aligned: Aligned,
    errors: list[NDArray[np.int64]],
    clusters: Clusters,
    keep: NDArray[np.bool_],
    other: int,
    *,
    resamples: int,
    seed: int,
) -> tuple[PairedDifference, MatchedPairs]:
    used = keep & aligned.done
    words = aligned.reference_words * used
    difference = paired_bootstrap(errors[STUDENT] * used, errors[other] * used, words, clusters, resamples=resamples, seed=seed)
    return difference, mapsswe(aligned, a=STUDENT, b=other, keep=used)


def _verdict(difference: PairedDifference, p: float | None, other: str) -> str:
    value = difference.difference.value
    if value is None:
        return difference.difference.reason or "no comparison"
    if p is not None and p < ALPHA and value != 0:
        return f"{'better' if value < 0 else 'worse'} than the {other}"
    if difference.detectable is None:
        return "no difference in this corpus" if value == 0 else f"no test ({difference.difference.reason})"
    return f"no difference that this corpus could show (it shows {100 * difference.detectable:.1f} points four times in five)"


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return rounded(value) if isinstance(value, float) else value
