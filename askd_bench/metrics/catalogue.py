"""Every figure that is shown anywhere, by name: what tables, legends, `askd-bench list metrics` and docs/METRICS.md are made of."""

from collections.abc import Mapping
from dataclasses import replace

from askd_bench.metrics import (
    calibration,
    confident_errors,
    groups,
    hallucination,
    inheritance,
    loop_free,
    ranking,
    robustness,
    selective,
    significance,
    speed,
    word_errors,
)
from askd_bench.metrics.metric import Metric, Quantity

RESCALED = ("ece", "ece_equal_mass", "nll", "overconfidence_gap", "confident_errors_0.7", "confident_substitution_share_0.7")
"""What is measured again at the fitted temperature."""

_PLAIN: dict[str, Metric] = {
    one.name: one for module in (word_errors, hallucination, calibration, confident_errors, inheritance) for one in module.METRICS
}


def _rescaled(name: str) -> Quantity:
    one = _PLAIN[name]
    label = "scaled" if name == "ece" else f"{one.label}, scaled"
    again = one.within("scaled", label=label, meaning=f"{one.meaning}, after temperature scaling on dev")
    return replace(again, long_label=f"{one.long_label}, scaled", priority=3)


SCOPED = (
    _PLAIN["wer"].within("clean", label="clean", meaning="WER % in the baseline condition: the recordings as they are"),
    _PLAIN["wer"].within("shifted", label="shifted", meaning="WER % over all other conditions"),
    _PLAIN["hallucination_rate"].within(
        "silence",
        label="words in silence %",
        meaning="clips in which nobody speaks and for which the model writes any word at all",
        key="hallucination_rate",
    ),
    inheritance.INHERITANCE_BEYOND.within(
        "own_teacher",
        label="inherits",
        meaning="share of its teacher's errors that it repeats beyond what systems unrelated to that teacher do: "
        "0 no more than they, 1 a copy",
        key="inheritance_beyond",
    ),
    _PLAIN["ece"].within(
        "clean", label="ECE clean", meaning="expected calibration error of word confidence in the baseline condition (needs 300 words)"
    ),
    _PLAIN["ece"].within("shifted", label="ECE shifted", meaning="the same over all other conditions"),
    *map(_rescaled, RESCALED),
)
"""Figures of a part of the utterances, or at another temperature."""

SAMPLE = (
    Quantity(name="utterances", label="utt.", meaning="utterances", unit="utterances", digits=0, priority=0),
    Quantity(
        name="failed",
        meaning="clips without a hypothesis (the rows say why): in no figure and no comparison",
        unit="utterances",
        better="lower",
        digits=0,
    ),
)
SIZE = (
    Quantity(name="parameters", label="M par.", meaning="million parameters", unit="parameters", better="lower", factor=1e-6),
    Quantity(name="weights_bytes", label="weights, MB", meaning="size of the weights", unit="bytes", better="lower", factor=1e-6, digits=0),
    Quantity(
        name="macs_per_second",
        label="MMAC per second of audio",
        meaning="million multiply-accumulates per second of audio",
        unit="1/s",
        better="lower",
        factor=1e-6,
        digits=0,
    ),
    Quantity(name="temperature", meaning="divides the logits; the one that fits the dev words best", unit="ratio", digits=4),
)

METRICS: Mapping[str, Quantity] = {
    one.name: one
    for one in (
        *word_errors.METRICS,
        *loop_free.METRICS,
        *loop_free.QUANTITIES,
        *robustness.METRICS,
        *robustness.QUANTITIES,
        *hallucination.METRICS,
        *calibration.METRICS,
        *confident_errors.METRICS,
        *selective.METRICS,
        *SCOPED,
        *inheritance.METRICS,
        *inheritance.VS_UNRELATED,
        *inheritance.VS_CONTROL,
        *inheritance.BLIND_SPOTS,
        *significance.QUANTITIES,
        ranking.RANK,
        *groups.QUANTITIES,
        *speed.METRICS,
        *speed.QUANTITIES,
        *SIZE,
        *SAMPLE,
    )
}
"""Name -> figure, in the order in which they are listed."""
