"""The learning rate over steps, as a multiple of its peak: transformers' schedules in closed form, and what phase B makes of them."""

import math


def multiplier(step: int, *, kind: str, total: int, warmup: int) -> float:
    """Return the multiple at `step`, counted from 0; equal to that of transformers' schedule of this name.

    >>> [multiplier(step, kind="linear", total=4, warmup=0) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if step < warmup:
        return step / max(1, warmup)
    if kind == "constant_with_warmup":
        return 1.0
    progress = (step - warmup) / max(1, total - warmup)
    return max(0.0, 1.0 - progress if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress)))


def phased_multiplier(step: int, *, kind: str, total: int, warmup: int, phase_a: int, phase_b: str) -> float:
    """Return the multiple where phase B has a say in it.

    Args:
        step: counted from 0.
        kind, total, warmup: of the schedule.
        phase_a: T_A, the last step of phase A.
        phase_b: "continue" the schedule over all steps, "hold" the multiple of step T_A, or "restart": each phase has the whole schedule.

    >>> [phased_multiplier(step, kind="linear", total=8, warmup=0, phase_a=4, phase_b="hold") for step in (3, 4, 7)]
    [0.625, 0.5, 0.5]
    >>> [phased_multiplier(step, kind="linear", total=8, warmup=0, phase_a=4, phase_b="restart") for step in (3, 4, 7)]
    [0.25, 1.0, 0.25]
    """
    if phase_b == "hold":
        return multiplier(min(step, phase_a), kind=kind, total=total, warmup=warmup)
    if phase_b == "continue" or phase_a >= total:
        return multiplier(step, kind=kind, total=total, warmup=warmup)
    if step < phase_a:
        return multiplier(step, kind=kind, total=phase_a, warmup=warmup)
    return multiplier(step - phase_a, kind=kind, total=total - phase_a, warmup=warmup)
