r"""Which of the teacher's errors does the student make too, and in the same way: blind spots handed down, mended, new.

Conventions:
    - The unit is a reference word with its outcome: the hypothesis word aligned with it, or deleted. Both systems' words are aligned with
      the same normalised reference. Inserted words have no reference word and are not part of this (`hallucination` counts them).
    - Inherited share: of the words the teacher gets wrong, the share where the student's outcome is the same (the same wrong word, or
      deleted by both).
    - Expected share: what a student of the same error rate and habits would reach if its errors came independently of the teacher's. For
      each word the teacher gets wrong, with outcome $h$ on reference word $r$, the chance that the student does $h$ is estimated from the
      student's outcomes on all *other* occurrences of $r$ in the condition, with one pseudo-count on the student's overall rate of $h$:
      $(c(h, r) + b(h)) / (n(r) + 1)$, where $b(h)$ counts $h$ in the place of words other than $h$ only, over all words: words it gets
      right are no errors. So common confusions ("a" -> "the") are not counted as inheritance. Pooled figures add up what each
      condition gives: the same recording under another condition is no independent occurrence.
    - Excess $e = (observed - expected) / (1 - expected)$ on the teacher's wrong words: 1 for a copy; negative for one that avoids the
      teacher's errors.
    - This null knows words, not how hard a recording is: on a mumbled word, systems that have nothing to do with each other fail alike, so
      that their excess is not 0 but, say, 0.2. Hence the floor: $e_U$ of systems unrelated to the teacher, pooled, on the same words.
      Inherited beyond unrelated systems $= (e - e_U) / (1 - e_U)$: 0 for a student that repeats no more than they do, 1 for a copy.
    - What isolates this teaching is the difference to a control trained on the truth only, `inherited_vs_control`. A control whose layers
      are the teacher's to begin with has those.
    - A student may inherit less by being right, or by being wrong in another way, and may have errors that are its own: the same, changed
      and mended shares of the teacher's errors add up to 1, and stand beside new errors per 100 words that the teacher has right.
    - Confident inheritance: of the words the teacher substitutes with confidence above 0.7, the share where the student writes the same
      word with confidence above 0.7. Deletions carry no confidence and do not take part.
    - Cohen's kappa on whether each reference word is right: agreement beyond chance, any wrong way counting as wrong.
    - Intervals resample clusters; expected chances are kept from the whole condition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics.bootstrap import Array, Clusters, Sums, ratio, resample
from askd_bench.metrics.calibration import CONFIDENT
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.metric import Metric, Quantity, ratio_of
from askd_bench.metrics.systems import DELETED, Aligned

_ELSE = -2


BLIND_SPOTS = tuple(
    Quantity(name=name, meaning=f"reference words: {meaning}", unit="words", digits=0)
    for name, meaning in (
        ("handed_down", "teacher wrong, student wrong in the same way"),
        ("changed", "both wrong, in different ways"),
        ("mended", "teacher wrong, student right"),
        ("new", "teacher right, student wrong"),
        ("both_right", "neither wrong"),
    )
)
"""The fields of `BlindSpots`."""


@dataclass(frozen=True, slots=True)
class BlindSpots:
    """Reference words of utterances that both systems transcribed; the five numbers add up to all of them.

    Attributes:
        handed_down: teacher wrong, student wrong in the same way.
        changed: both wrong, in different ways.
        mended: teacher wrong, student right.
        new: teacher right, student wrong.
        both_right: neither wrong.
    """

    handed_down: int
    changed: int
    mended: int
    new: int
    both_right: int


def blind_spots(aligned: Aligned, *, student: int = 0, teacher: int = 1, keep: NDArray[np.bool_] | None = None) -> BlindSpots:
    """Count what became of the teacher's errors; `keep`: bool, shape (num_utterances,), which utterances to count."""
    use = _used_words(aligned, keep)
    s, t = aligned.wrong(student)[use], aligned.wrong(teacher)[use]
    same = (aligned.systems[student].outcome == aligned.systems[teacher].outcome)[use]
    return BlindSpots(int(np.sum(s & t & same)), int(np.sum(s & t & ~same)), int(np.sum(t & ~s)), int(np.sum(s & ~t)), int(np.sum(~s & ~t)))


def expected_agreement(
    reference: NDArray[np.int64], student: NDArray[np.int64], teacher: NDArray[np.int64], at: NDArray[np.bool_]
) -> Array:
    """Return, for the words in `at`, the chance that an independent student has the teacher's outcome there.

    Args:
        reference: int64, shape (num_words,), number of each reference word.
        student: int64, shape (num_words,), its outcomes.
        teacher: int64, shape (num_words,), its outcomes.
        at: bool, shape (num_words,), where the chance is wanted.

    Returns:
        float64, shape (at.sum(),), in [0, 1].
    """
    n = len(reference)
    if n < 2:
        return np.zeros(int(at.sum()))
    wanted_reference, wanted = reference[at], teacher[at]
    own = (student[at] == wanted).astype(np.float64)
    # counts of (reference word, outcome) pairs by sorting, the word itself left out
    width = np.int64(max(int(student.max()), int(teacher.max())) - _ELSE + 1)
    pairs = reference * width + (student - _ELSE)
    wanted_pairs = wanted_reference * width + (wanted - _ELSE)
    together = _count(pairs, wanted_pairs) - own
    occurrences = _count(reference, wanted_reference) - 1
    # the student's overall rate of this outcome among words for which it would be an error
    overall = (_count(student, wanted) - _count(pairs, wanted * width + (wanted - _ELSE)) - own) / (n - 1)
    chance: Array = (together + overall) / (occurrences + 1)
    return np.clip(chance, 0.0, 1.0)


def _expected(
    condition: NDArray[np.str_],
    reference: NDArray[np.int64],
    student: NDArray[np.int64],
    teacher: NDArray[np.int64],
    at: NDArray[np.bool_],
) -> Array:
    """Return `expected_agreement` of each condition by itself, in the order of the words in `at`; `condition`: of each word."""
    chance = np.zeros(len(at))
    for one in np.unique(condition):
        here = condition == one
        chance[here & at] = expected_agreement(reference[here], student[here], teacher[here], at[here])
    return chance[at]


def _count(values: NDArray[np.int64], wanted: NDArray[np.int64]) -> Array:
    ordered = np.sort(values)
    return (np.searchsorted(ordered, wanted, side="right") - np.searchsorted(ordered, wanted, side="left")).astype(np.float64)


def _used_words(aligned: Aligned, keep: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    use = aligned.done if keep is None else aligned.done & keep
    return use[aligned.word_utterance]


def statistics(aligned: Aligned, *, student: int = 0, teacher: int = 1, keep: NDArray[np.bool_] | None = None) -> dict[str, Array]:
    """Return what the metrics of this module add up, shape (num_utterances,) each; words outside `keep` do not count."""
    use = _used_words(aligned, keep)
    where = aligned.word_utterance[use]
    n = len(aligned.utterance)
    condition = aligned.condition[where]
    reference = aligned.reference[use]
    outcomes = [aligned.systems[k].outcome[use] for k in (student, teacher)]
    sure = [aligned.systems[k].confidence[use] for k in (student, teacher)]
    s, t = (outcome != reference for outcome in outcomes)
    same = (outcomes[0] == outcomes[1]) & t
    confident = [(confidence > CONFIDENT) & (outcome != DELETED) for confidence, outcome in zip(sure, outcomes, strict=True)]
    # a student's word that is not confident is no match for a confident one
    sure_student = np.where(confident[0], outcomes[0], _ELSE)
    confident_wrong = t & confident[1]

    def add(values: NDArray[np.generic], at: NDArray[np.int64] = where) -> Array:
        return np.bincount(at, weights=values, minlength=n).astype(np.float64)

    return {
        "words": add(np.ones(len(where))),
        "teacher_wrong": add(t),
        "student_wrong": add(s),
        "both_wrong": add(s & t),
        "same": add(same),
        "expected": add(_expected(condition, reference, outcomes[0], outcomes[1], t), where[t]),
        "known": add(np.isfinite(sure[0]) & np.isfinite(sure[1])),
        "confident_wrong": add(confident_wrong),
        "confident_same": add(confident_wrong & (sure_student == outcomes[1])),
        "confident_expected": add(_expected(condition, reference, sure_student, outcomes[1], confident_wrong), where[confident_wrong]),
    }


def _excess(observed: str, expected: str, total: str) -> Metric:
    confident = observed.startswith("confident")
    prefix = "confident_" if confident else ""
    kind = f"errors above {CONFIDENT} confidence" if confident else "errors"
    return Metric(
        name=f"{prefix}inheritance_excess",
        label="conf. excess" if confident else "excess",
        long_label="confident inheritance" if confident else "inheritance",
        digits=2,
        long_digits=3,
        interval=True,
        meaning=f"share of the teacher's {kind} the student repeats beyond what its own habits would by chance: 1 a copy; systems that "
        "have nothing to do with the teacher score above 0, since the same recordings are hard for everybody",
        unit="share beyond chance",
        better="lower",
        count=total,
        formula=lambda sums: ratio(sums[observed] - sums[expected], sums[total] - sums[expected]),
        needs=_CONFIDENT if confident else _WRONG,
    )


def _beyond(sums: Sums) -> Array:
    own, floor = _excess_of(sums, ""), _excess_of(sums, "unrelated_")
    return ratio(own - floor, 1 - floor)


def _excess_of(sums: Sums, whose: str) -> Array:
    total = sums[f"{whose}teacher_wrong"]
    return ratio(sums[f"{whose}same"] - sums[f"{whose}expected"], total - sums[f"{whose}expected"])


def _kappa(sums: Sums) -> Array:
    n = sums["words"]
    s, t = ratio(sums["student_wrong"], n), ratio(sums["teacher_wrong"], n)
    observed = 1 - s - t + 2 * ratio(sums["both_wrong"], n)
    chance = s * t + (1 - s) * (1 - t)
    return ratio(observed - chance, 1 - chance)


_WRONG = (("words", 1, "no reference words"), ("teacher_wrong", 1, "the teacher makes no error"))
_CONFIDENT = (
    ("known", 1, "no word confidences: a model or its runtime gives none"),
    ("confident_wrong", 1, f"the teacher substitutes no word with confidence above {CONFIDENT}"),
)

METRICS = (
    Metric(
        name="inherited",
        label="inherited %",
        factor=100,
        interval=True,
        meaning="share of the teacher's errors that the student makes in the same way",
        unit="share of the teacher's errors",
        better="lower",
        count="teacher_wrong",
        formula=ratio_of("same", "teacher_wrong"),
        needs=_WRONG,
    ),
    Metric(
        name="changed_share",
        label="changed %",
        factor=100,
        meaning="share of the teacher's errors where the student is wrong in another way",
        unit="share of the teacher's errors",
        better="lower",
        count="teacher_wrong",
        formula=lambda sums: ratio(sums["both_wrong"] - sums["same"], sums["teacher_wrong"]),
        needs=_WRONG,
    ),
    Metric(
        name="mended_share",
        label="mended %",
        factor=100,
        meaning="share of the teacher's errors where the student is right",
        unit="share of the teacher's errors",
        better="higher",
        count="teacher_wrong",
        formula=lambda sums: ratio(sums["teacher_wrong"] - sums["both_wrong"], sums["teacher_wrong"]),
        needs=_WRONG,
    ),
    Metric(
        name="new_errors",
        label="new per 100",
        meaning="words the student gets wrong, per 100 that the teacher gets right",
        unit="per 100 words",
        better="lower",
        count="words",
        formula=lambda sums: 100 * ratio(sums["student_wrong"] - sums["both_wrong"], sums["words"] - sums["teacher_wrong"]),
        needs=(("words", 1, "no reference words"),),
    ),
    Metric(
        name="inherited_expected",
        label="expected %",
        factor=100,
        meaning="the same share for a student of the same error rate whose errors are independent",
        unit="share of the teacher's errors",
        better="neither",
        count="teacher_wrong",
        formula=ratio_of("expected", "teacher_wrong"),
        needs=_WRONG,
    ),
    _excess("same", "expected", "teacher_wrong"),
    Metric(
        name="confident_inherited",
        label="conf. inherited %",
        factor=100,
        interval=True,
        meaning=f"share of the teacher's substitutions above {CONFIDENT} confidence that the student makes too, above {CONFIDENT}",
        unit="share of the teacher's confident errors",
        better="lower",
        count="confident_wrong",
        formula=ratio_of("confident_same", "confident_wrong"),
        needs=_CONFIDENT,
    ),
    _excess("confident_same", "confident_expected", "confident_wrong"),
    Metric(
        name="kappa",
        digits=2,
        interval=True,
        meaning="agreement of teacher and student on which words are right, beyond chance (Cohen)",
        unit="kappa",
        better="neither",
        count="words",
        formula=_kappa,
        needs=(("words", 1, "no reference words"),),
    ),
)

_NO_FLOOR = (*_WRONG, ("unrelated_words", 1, "no system unrelated to the teacher heard this"))
INHERITANCE_FLOOR, INHERITANCE_BEYOND = VS_UNRELATED = (
    Metric(
        name="inheritance_floor",
        label="unrelated",
        long_label="inheritance of unrelated systems",
        digits=2,
        long_digits=3,
        interval=True,
        meaning="excess of systems that have nothing to do with the teacher, pooled: hard recordings are hard for everybody",
        unit="share beyond chance",
        better="neither",
        count="unrelated_teacher_wrong",
        formula=lambda sums: _excess_of(sums, "unrelated_"),
        needs=_NO_FLOOR,
    ),
    Metric(
        name="inheritance_beyond",
        label="inherited beyond unrelated",
        digits=2,
        long_digits=3,
        interval=True,
        meaning="share of the teacher's errors the student repeats beyond what unrelated systems do: 0 no more than they, 1 a copy",
        unit="share beyond unrelated systems",
        better="lower",
        count="teacher_wrong",
        formula=_beyond,
        needs=_NO_FLOOR,
    ),
)
"""A student beside systems that are unrelated to its teacher."""

VS_CONTROL = tuple(
    Metric(
        name=f"{prefix}inherited_vs_control",
        label=f"{label} − control, points",
        factor=100,
        signed=True,
        interval=True,
        meaning=f"share of the teacher's {kind} the student repeats, minus the share the control repeats",
        unit="share of the teacher's errors",
        better="lower",
        count=f"{total}",
        formula=ratio_of(f"{prefix}difference", total),
        needs=needs,
    )
    for prefix, label, kind, total, needs in (
        ("", "inherited", "errors", "teacher_wrong", _WRONG),
        ("confident_", "conf. inherited", f"errors above {CONFIDENT} confidence", "confident_wrong", _CONFIDENT),
    )
)


def floor(aligned: Aligned, unrelated: Sequence[int], *, teacher: int, keep: NDArray[np.bool_] | None = None) -> Mapping[str, Array]:
    """Return the statistics of systems that have nothing to do with the teacher, added up; zero where there are none."""
    names = ("words", "teacher_wrong", "same", "expected")
    each = [statistics(aligned, student=one, teacher=teacher, keep=keep) for one in unrelated]
    zero = np.zeros(len(aligned.utterance))
    return {f"unrelated_{name}": np.sum([one[name] for one in each], axis=0) if each else zero for name in names}


def estimates(
    aligned: Aligned,
    clusters: Clusters,
    *,
    student: int = 0,
    teacher: int = 1,
    control: int | None = None,
    unrelated: Mapping[str, Array] | None = None,
    keep: NDArray[np.bool_] | None = None,
    resamples: int,
    seed: int = 0,
) -> Mapping[str, Estimate]:
    """Return every metric of this module for one condition (or all), with intervals.

    Against the control too where there is one, and against `unrelated` systems where their `floor` is given.
    """
    mine = statistics(aligned, student=student, teacher=teacher, keep=keep)
    metrics: tuple[Metric, ...] = METRICS
    if control is not None:
        theirs = statistics(aligned, student=control, teacher=teacher, keep=keep)
        mine["difference"] = mine["same"] - theirs["same"]
        mine["confident_difference"] = mine["confident_same"] - theirs["confident_same"]
        mine["known"] = np.minimum(mine["known"], theirs["known"])
        metrics += VS_CONTROL
    if unrelated is not None:
        mine |= unrelated
        metrics += VS_UNRELATED
    resampled = resample(mine, clusters, resamples=resamples, seed=seed)
    return {metric.name: metric.estimate(resampled) for metric in metrics}
