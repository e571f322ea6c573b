"""Errors over thresholds, against counting marked words one by one."""

import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.metrics import confident_errors
from askd_bench.metrics.bootstrap import clusters_of, resample
from askd_bench.metrics.calibration import items_of
from askd_bench.metrics.calibration import metrics as calibration_metrics
from askd_bench.metrics.calibration import statistics as calibration_statistics
from askd_bench.metrics.confident_errors import METRICS, THRESHOLDS, error_curve, statistics, substitution_curve
from askd_bench.metrics.loop_free import CONFIDENT_SUBSTITUTIONS, confident_substitutions
from askd_bench.metrics.scoring import score
from askd_bench.metrics.systems import align_systems
from askd_bench.metrics.utterance import mark
from askd_bench.types import Row, Word

ROWS = list(simulate(references(60), dev_share=0))


def figures(rows: list[Row]) -> dict[str, float | None]:
    scored = score(rows)
    resampled = resample(statistics(scored), clusters_of(scored), resamples=20)
    return {metric.name: metric.estimate(resampled).value for metric in METRICS}


def test_figures_are_those_of_marked_words() -> None:
    words = [word for row in ROWS for word in mark(row) if word.hypothesis is not None]
    substituted = [word for word in words if word.kind == "substitution"]
    got = figures(ROWS)
    for t in THRESHOLDS:
        share = sum(word.confidence > t for word in substituted) / len(substituted)
        assert got[f"confident_substitution_share_{t}"] == pytest.approx(share)
        wrong = sum(word.kind != "hit" and word.confidence > t for word in words)
        if f"confident_errors_{t}" in got:
            assert got[f"confident_errors_{t}"] == pytest.approx(100 * wrong / len(words))
        assert error_curve(items_of(score(ROWS)), np.array([t]))[0] == pytest.approx(100 * wrong / len(words))
        assert substitution_curve(items_of(score(ROWS)), np.array([t]))[0] == pytest.approx(100 * share)


def test_the_three_thresholds_of_calibration_are_on_the_curve() -> None:
    scored = score(ROWS)
    own = resample(calibration_statistics(scored), clusters_of(scored), resamples=20)
    for metric in calibration_metrics("word"):
        if metric.name.startswith("confident_errors_"):
            t = float(metric.name.rsplit("_", 1)[1])
            assert metric.estimate(own).value == pytest.approx(error_curve(items_of(scored), np.array([t]))[0])


def test_the_numerator_is_that_of_confident_substitutions() -> None:
    theirs = confident_substitutions(align_systems([ROWS], names=["m"]))
    ours = statistics(score(ROWS))
    assert ours["substitutions_above_0.7"].sum() == theirs["confident_substitutions"].sum() > 0
    assert CONFIDENT_SUBSTITUTIONS.count in theirs


def test_more_errors_of_the_same_confidence_do_not_raise_the_share_and_insertions_are_not_in_it() -> None:
    def row(utterance: str, hypothesis: str, confidences: list[float]) -> Row:
        words = tuple(Word(word, confidence) for word, confidence in zip(hypothesis.split(), confidences, strict=True))
        return Row(condition="clean", utterance=utterance, reference="a b c d", hypothesis=hypothesis, duration_s=1.0, words=words)

    few = figures([row("u", "a b x y", [1, 1, 0.9, 0.2])])
    many = figures([row("u", "v w x y", [0.9, 0.2, 0.9, 0.2])])
    looping = figures([row("u", "l l l a b x y", [0.9, 0.9, 0.9, 1, 1, 0.9, 0.2])])
    shares = {one["confident_substitution_share_0.7"] for one in (few, many, looping)}
    assert shares == {0.5}
    assert figures([row("u", "a b c d", [1, 1, 1, 1])])["confident_substitution_share_0.7"] is None


def test_curves_fall() -> None:
    for metric_of in (error_curve, substitution_curve):
        values = metric_of(items_of(score(ROWS)), np.arange(100) / 100)
        assert np.all(np.diff(values) <= 0)
    assert confident_errors.substitutions(items_of(score(ROWS))).any()
