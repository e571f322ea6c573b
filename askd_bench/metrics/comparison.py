"""A student beside its teacher and its control: what differs, what is handed down, and what this corpus cannot tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics import inheritance
from askd_bench.metrics.bootstrap import RESAMPLES, Clusters, cluster_by, resample
from askd_bench.metrics.confidence import DEFAULT_AGGREGATION
from askd_bench.metrics.estimate import Estimate, rounded
from askd_bench.metrics.inheritance import BlindSpots
from askd_bench.metrics.loop_free import WER_CAPPED
from askd_bench.metrics.metric import Metric, ratio_of
from askd_bench.metrics.significance import ALPHA, MatchedPairs, PairedDifference, holm, mapsswe, paired_difference
from askd_bench.metrics.systems import Aligned, align_systems
from askd_bench.metrics.word_errors import WER
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS
from askd_bench.types import Row

STUDENT, TEACHER, CONTROL = 0, 1, 2
POOLED = "pooled"
_NOT_POOLED = MatchedPairs(0, None, None, None, None, "segments of several renderings of one recording are not independent")

_WER, _CAPPED = (
    one.measured(count="words", formula=ratio_of("errors", "words"), needs=(("words", 1, "no reference words"),))
    for one in (WER, WER_CAPPED)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """One paired comparison under one condition: student minus other.

    Attributes:
        difference: of WER, with interval and minimum detectable difference; negative where the student is better.
        p_holm: its p-value after Holm's correction over the conditions.
        verdict: in words; a difference counts where that is below .05.
        capped, capped_p_holm, capped_verdict: the same of capped WER, which no loop can carry.
        matched_pairs: MAPSSWE, the classical figure of one condition; positive Z where the student makes more errors. No verdict rests on
            it, and pooled over renderings of one recording there is none.
        matched_pairs_p_holm: its p-value after Holm's correction over the conditions.
    """

    difference: PairedDifference
    p_holm: float | None
    verdict: str
    capped: PairedDifference
    capped_p_holm: float | None
    capped_verdict: str
    matched_pairs: MatchedPairs
    matched_pairs_p_holm: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionComparison:
    """All of it under one condition, over the utterances that every system transcribed.

    Attributes:
        condition: its id, or "pooled".
        utterances: compared, each rendering one. recordings: compared, each once. left_out: utterances without a hypothesis from at
            least one system.
        wer, wer_capped: system -> word error rate on the compared utterances, as it is and capped.
        versus_teacher, versus_control: paired comparisons of the student.
        inheritance: metric -> estimate, see `askd_bench.metrics.inheritance`.
        blind_spots: what became of the teacher's errors in the student. control_blind_spots: the same in the control.
    """

    condition: str
    utterances: int
    recordings: int
    left_out: int
    wer: Mapping[str, Estimate]
    wer_capped: Mapping[str, Estimate]
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
    condition and counted. Clusters are speakers where there are enough, else utterances; an utterance's conditions stay together.

    Raises:
        UserError: the results differ in conditions, utterances, references or audio; the message says which and where.
    """
    systems = [student_rows, teacher_rows, *([control_rows] if control_rows is not None else [])]
    names = ["student", "teacher", "control"][: len(systems)]
    aligned = align_systems(systems, names=names, normalizer=normalizer, aggregation=aggregation)
    clusters = cluster_by(aligned.speaker, aligned.utterance)
    errors = [aligned.errors(k) for k in range(len(systems))]
    capped = [aligned.capped_errors(k) for k in range(len(systems))]
    conditions = [str(name) for name in np.unique(aligned.condition)]
    keeps = {name: aligned.condition == name for name in conditions} | {POOLED: np.ones(len(aligned.condition), np.bool_)}
    # the pooled test is a question of its own, not one of the conditions'
    versus = {
        (name, other): one
        for other in range(1, len(systems))
        for family in (conditions, [POOLED])
        for name, one in _versus(aligned, (errors, capped), clusters, keeps, family, other, names[other], resamples, seed).items()
    }

    def estimates(metric: Metric, counts: Sequence[NDArray[np.int64]], used: NDArray[np.bool_]) -> dict[str, Estimate]:
        sums = [{"errors": one * used, "words": aligned.reference_words * used} for one in counts]
        return {
            system: metric.estimate(resample(one, clusters, resamples=resamples, seed=seed))
            for system, one in zip(names, sums, strict=True)
        }

    def table(name: str) -> ConditionComparison:
        keep = keeps[name]
        used = keep & aligned.done
        control = CONTROL if len(systems) > CONTROL else None
        return ConditionComparison(
            condition=name,
            utterances=int(used.sum()),
            recordings=len(np.unique(aligned.utterance[used])),
            left_out=int(keep.sum() - used.sum()),
            wer=estimates(_WER, errors, used),
            wer_capped=estimates(_CAPPED, capped, used),
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


def _versus(
    aligned: Aligned,
    counts: tuple[Sequence[NDArray[np.int64]], Sequence[NDArray[np.int64]]],
    clusters: Clusters,
    keeps: Mapping[str, NDArray[np.bool_]],
    family: Sequence[str],
    other: int,
    name_of_other: str,
    swaps: int,
    seed: int,
) -> dict[str, Versus]:
    """Compare the student with `other` under each condition of `family`; corrected over these."""
    used = {name: keeps[name] & aligned.done for name in family}
    plain, capped = (
        [
            paired_difference(one[STUDENT] * use, one[other] * use, aligned.reference_words * use, clusters, swaps=swaps, seed=seed)
            for use in used.values()
        ]
        for one in counts
    )
    pairs = [_NOT_POOLED if name == POOLED else mapsswe(aligned, a=STUDENT, b=other, keep=used[name]) for name in family]
    plain_p, capped_p = (holm([one.p for one in tests]) for tests in (plain, capped))
    pairs_p = holm([one.p for one in pairs])
    return {
        name: Versus(
            difference=plain[i],
            p_holm=plain_p[i],
            verdict=_verdict(plain[i], plain_p[i], name_of_other),
            capped=capped[i],
            capped_p_holm=capped_p[i],
            capped_verdict=_verdict(capped[i], capped_p[i], name_of_other),
            matched_pairs=pairs[i],
            matched_pairs_p_holm=pairs_p[i],
        )
        for i, name in enumerate(family)
    }


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
