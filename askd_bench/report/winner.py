"""The last lines of `compare`: who makes fewer capped errors, or how many recordings would tell; `--power`, for one that matters."""

import math
from collections.abc import Iterator

from askd_bench.errors import UserError
from askd_bench.metrics.bootstrap import NO_VARIATION
from askd_bench.metrics.comparison import Comparison, ConditionComparison, Versus
from askd_bench.metrics.power import FEW, recordings_needed
from askd_bench.metrics.significance import ALPHA, POWER
from askd_bench.tables.format import p_value

_POINTS = "points of capped WER"


def check_power(difference: float) -> float:
    """Return a difference in points.

    Raises:
        UserError: it is not one that two systems can have.
    """
    if not 0 < difference <= 100:
        raise UserError(f"power: {difference:g} is out of range (allowed: a difference in {_POINTS}, above 0 and up to 100)")
    return difference


def closing_lines(comparison: Comparison, *, power: float | None = None) -> list[str]:
    """Return a line on the student and each other system, all conditions pooled; with `power` another on the recordings it takes.

    Args:
        comparison: of results.
        power: a difference in points of capped WER.

    Raises:
        UserError: a difference out of range.
    """
    difference = None if power is None else check_power(power)
    versus = {"teacher": comparison.pooled.versus_teacher, "control": comparison.pooled.versus_control}
    others = {other: one for other, one in versus.items() if one is not None}
    winners = [_winner(comparison.pooled, one, other) for other, one in others.items()]
    return winners + ([_needed(comparison, other, difference) for other in others] if difference else [])


def _winner(pooled: ConditionComparison, versus: Versus, other: str) -> str:
    paired, p = versus.capped, versus.capped_p_holm
    value = paired.difference.value
    if value and p is not None and p < ALPHA:
        winner, loser = ("student", other) if value < 0 else (other, "student")
        return f"The {winner} makes fewer capped errors than the {loser}: {100 * abs(value):.1f} {_POINTS}, {_p(p)}, all conditions pooled."
    no_winner = f"No winner yet between student and {other}"
    if paired.difference.reason == NO_VARIATION:
        return f"{no_winner}: they make as many capped errors on each of these {pooled.recordings} recordings."
    if paired.detectable is None:
        return f"{no_winner}: {paired.difference.reason}."
    now = f"these {pooled.recordings} show {100 * paired.detectable:.1f} or more, four times in five"
    if not value or not (needed := recordings_needed(paired, pooled.recordings, value)):
        return f"{no_winner}: equal in {_POINTS}; {now}."
    points = 100 * abs(value)
    seen = f"{points:{'.1f' if points >= 1 else '.2g'}} {_POINTS}"
    return f"{no_winner}: about {_about(needed)} recordings like these would show the difference seen, {seen}; {now}."


def _needed(comparison: Comparison, other: str, difference: float) -> str:
    told = list(_needed_under(comparison, other, difference / 100))
    points = _POINTS.replace("points", "point") if difference == 1 else _POINTS
    head = f"Recordings that show {difference:g} {points} between student and {other} (power {POWER:g}, p < {ALPHA:g})"
    rough = f" A rough number, from {comparison.clusters} {comparison.resampled}s." if comparison.clusters < FEW else ""
    return f"{head}, where all are like these {comparison.pooled.recordings}: {'; '.join(told)}.{rough}"


def _needed_under(comparison: Comparison, other: str, difference: float) -> Iterator[str]:
    alone = comparison.conditions if len(comparison.conditions) > 1 else ()
    for one in (comparison.pooled, *alone):
        versus: Versus = getattr(one, f"versus_{other}")
        needed = recordings_needed(versus.capped, one.recordings, difference)
        where = f"under {one.condition} alone" if one is not comparison.pooled else "all conditions pooled" if alone else "in all"
        yield f"{where} {f'about {_about(needed)}' if needed else f'unknown ({versus.capped.difference.reason})'}"


def _about(count: int) -> str:
    """Round up to two digits.

    >>> _about(3142), _about(87)
    ('3,200', '87')
    """
    step: int = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return f"{-(-count // step) * step:,}"


def _p(p: float) -> str:
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
