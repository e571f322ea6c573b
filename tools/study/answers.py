"""A study's questions with their answers in words, each made of the differences that the tables show."""

from collections.abc import Sequence

from askd_bench.metrics.significance import ALPHA
from study import outcomes as o
from study.measurements import Measurements
from study.plan import CLEAN, SHIFTED, TEACHER
from study.tables import difference_text, figure_text, primary_differences, shown


def verdict(measurements: Measurements) -> str:
    """Return the verdict in sentences, with what speaks against it: no significance, seeds that disagree, loops that carry it."""
    first, second = measurements.plan.primary
    sentences = []
    for one, delta, p in primary_differences(measurements):
        if shown(delta, p):
            word = "lower" if delta.value < 0 else "higher"
            text = f"**{one.label}**: {first}'s is {word} than {second}'s for these trainings, and all seeds agree."
        else:
            text = f"**{one.label}**: no difference between {first} and {second} is shown; {_why_not(delta, p)}."
        sentences.append(text + _without_loops(measurements, one, delta))
    return " ".join(sentences)


def _why_not(delta: o.Difference, p: float | None) -> str:
    reasons = []
    if p is None or delta.p is None:
        reasons.append("it has no interval")
    elif delta.p < ALPHA <= p:
        reasons.append("it is not significant after Holm's correction")
    elif p >= ALPHA:
        reasons.append("it is within what other utterances would give")
    if not delta.agree:
        reasons.append("the seeds do not agree in sign")
    return " and ".join(reasons)


def _without_loops(measurements: Measurements, outcome: o.Outcome, delta: o.Difference) -> str:
    """Say whether the outcome that no loop can carry tells the same."""
    other = o.WITHOUT_LOOPS.get(outcome)
    if other is None:
        return ""
    first, second = (measurements.plan.arms[arm] for arm in measurements.plan.primary)
    robust = o.difference(measurements, first, second, SHIFTED, other)
    if robust is None:
        return ""
    alike = robust.value * delta.value >= 0 and leaning(robust) == leaning(delta)
    label, tells = other.label[0].upper() + other.label[1:], "agrees" if alike else "tells otherwise"
    return f" {label}, which no loop can carry, {tells}: {difference_text(robust, other)}."


def leaning(delta: o.Difference | None) -> str:
    """Return "fewer", "more" or "no clear difference", by whether the interval excludes 0."""
    if delta is None or delta.interval is None or delta.interval[0] <= 0 <= delta.interval[1]:
        return "no clear difference"
    return "fewer" if delta.value < 0 else "more"


def answers(measurements: Measurements) -> str:
    """Return a paragraph a question; intervals are not corrected for how many there are, and only the verdict decides."""
    first, second = measurements.plan.primary
    arms = measurements.plan.arms
    paragraphs = [
        f"**Does {first} generalise better than {second}?** {first} − {second}: "
        + _differences(measurements, (first, second), SHIFTED, (o.WER, o.CAPPED, o.DEGRADATION))
        + (
            f"; on clean speech {_differences(measurements, (first, second), CLEAN, (o.WER,))}"
            if CLEAN in measurements.plan.domains
            else ""
        )
        + f". Against the teacher, {first} has "
        + _differences(measurements, (first, TEACHER), SHIFTED, (o.WER, o.CAPPED))
        + ".",
        f"**Is it less over-confident?** {first} − {second}: "
        + _differences(measurements, (first, second), SHIFTED, (o.CONFIDENT, o.SUBSTITUTED, o.GAP, o.ECE))
        + ", with "
        + _differences(measurements, (first, second), SHIFTED, (o.DELETIONS,))
        + " (who leaves words out is not wrong about them).",
        "**Does it inherit less?** Errors of the teacher repeated beyond chance: "
        + "; ".join(
            f"{arm} {figure_text(o.figure(measurements, models, SHIFTED, o.INHERITANCE), o.INHERITANCE)}" for arm, models in arms.items()
        )
        + f". {first} − {second}: "
        + _differences(measurements, (first, second), SHIFTED, (o.INHERITANCE, o.CONFIDENT_INHERITANCE, *o.FATES))
        + ".",
        f"**What remains after temperature scaling?** {first} − {second}: "
        + _differences(measurements, (first, second), SHIFTED, (o.CONFIDENT_SCALED, o.ECE_SCALED, o.GAP_SCALED))
        + ".",
    ]
    controls = [pair for pair in measurements.plan.contrasts if pair[0] == first and pair[1] != TEACHER]
    if controls:
        paragraphs.append("**Beside cheaper controls?** " + _pairs(measurements, controls, SHIFTED, (o.WER, o.CONFIDENT, o.ECE)))
    for domain in measurements.plan.unheard:
        pairs = measurements.plan.by_domain
        paragraphs.append(f"**With noise in training, on {domain}?** " + _pairs(measurements, pairs, domain, (o.WER, o.CONFIDENT)))
    return "\n\n".join(paragraphs)


def _pairs(measurements: Measurements, pairs: Sequence[tuple[str, str]], domain: str, outcomes: Sequence[o.Outcome]) -> str:
    return "; ".join(f"{a} − {b}: {_differences(measurements, (a, b), domain, outcomes)}" for a, b in pairs) + "."


def _differences(measurements: Measurements, pair: tuple[str, str], domain: str, outcomes: Sequence[o.Outcome]) -> str:
    arms = {TEACHER: (measurements.plan.teacher,), **measurements.plan.arms}
    parts = []
    for one in outcomes:
        delta = o.difference(measurements, arms[pair[0]], arms[pair[1]], domain, one)
        if delta is not None:
            parts.append(f"{one.label} {difference_text(delta, one)}")
    return ", ".join(parts)
