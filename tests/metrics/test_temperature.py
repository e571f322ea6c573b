import dataclasses

import numpy as np
import pytest
import scipy
from simulated import references, simulate

from askd_bench.metrics.bootstrap import Resampled, cluster_by, clusters_of, resample
from askd_bench.metrics.calibration import expected_calibration_error, items_of, log_loss_of, statistics
from askd_bench.metrics.metric import Statistics
from askd_bench.metrics.scoring import score
from askd_bench.metrics.temperature import _DEV_SEED, at_temperature, fit_temperature, resample_at_fits
from askd_bench.metrics.tempered import confidence_at
from askd_bench.types import Row


def overconfident(rows: list[Row], temperature: float) -> list[Row]:
    """Rows whose log-probabilities at `temperature` are those of the honest rows at 1: the logits were multiplied by it."""
    out = []
    for row in rows:
        honest = row.tempered_logprobs | {1.0: row.token_logprobs}
        grid = {t: honest[t / temperature] for t in (1.0, 1.5, 2.0, 3.0, 4.0) if t / temperature in honest}
        out.append(dataclasses.replace(row, token_logprobs=grid[1.0], tempered_logprobs={t: v for t, v in grid.items() if t != 1.0}))
    return out


def test_finds_the_temperature_that_was_put_in() -> None:
    honest = list(simulate(references(400), dev_share=0.5))
    base = fit_temperature(score(honest))
    fit = fit_temperature(score(overconfident(honest, 2.0)))
    assert base.temperature not in base.losses, "between the stored ones"
    assert fit.temperature == pytest.approx(2 * base.temperature, rel=0.01)
    assert not fit.at_edge
    assert fit.only_stored is None


def test_no_temperature_has_a_smaller_loss() -> None:
    scored = score(simulate(references(200), dev_share=0.5))
    fit = fit_temperature(scored)
    words = items_of(scored.select(scored.dev))
    losses = {t: log_loss_of(confidence_at(words, t), words.correct).mean() for t in np.geomspace(0.51, 2.9, 400)}
    assert log_loss_of(confidence_at(words, fit.temperature), words.correct).mean() <= min(losses.values()) + 1e-7


def test_resamples_fit_again_what_was_drawn() -> None:
    scored = score(simulate(references(120), dev_share=0.5))
    fit = fit_temperature(scored, resamples=50, seed=3)
    dev = scored.select(scored.dev)
    words = items_of(dev)
    drawn = resample({"each": np.eye(len(dev))}, cluster_by(dev.speaker, dev.utterance), resamples=50, seed=3 + _DEV_SEED).samples["each"]
    for weights, temperature in list(zip(drawn, fit.resampled, strict=True))[:8]:

        def loss(log: float, weights: np.ndarray = weights[words.utterance]) -> float:
            return float(weights @ log_loss_of(confidence_at(words, float(np.exp(log))), words.correct))

        best = scipy.optimize.minimize_scalar(loss, bounds=(np.log(0.5), np.log(3.0)), method="bounded", options={"xatol": 1e-6})
        assert temperature == pytest.approx(np.exp(best.x), rel=2e-3)
    low, high = fit.interval
    assert low < fit.temperature < high


def test_figures_at_the_fit_vary_with_it() -> None:
    scored = score(simulate(references(300), dev_share=0.3))
    fit = fit_temperature(scored, resamples=400)
    test = scored.select(~scored.dev)
    clusters = clusters_of(test)

    def gaps(resampled: Resampled) -> np.ndarray:
        sums = resampled.samples
        return (sums["word_confidence"] - sums["word_correct"]) / sums["word_items"]

    def at(temperature: float) -> Statistics:
        return statistics(at_temperature(test, temperature))

    ours = resample_at_fits(at, fit, clusters, resamples=400)
    fixed = resample(at(fit.temperature), clusters, resamples=400)
    assert all(np.array_equal(ours.total[name], fixed.total[name]) for name in fixed.total)
    exact = np.array([gaps(resample(at(t), clusters, resamples=400))[draw] for draw, t in list(enumerate(fit.resampled))[:60]])
    assert np.std(gaps(ours)[:60] - exact) < 0.3 * np.std(exact)
    assert np.std(gaps(ours)) > 1.1 * np.std(gaps(fixed))
    same = resample_at_fits(at, dataclasses.replace(fit, resampled=np.empty(0)), clusters, resamples=400)
    assert np.array_equal(gaps(same), gaps(fixed))


def test_loss_is_that_of_dev_words_only() -> None:
    scored = score(simulate(references(120), dev_share=0.5))
    fit = fit_temperature(scored)
    words = items_of(scored.select(scored.dev))
    assert fit.n == len(words.correct)
    assert fit.losses[1.0] == pytest.approx(log_loss_of(words.confidence, words.correct).mean())
    assert fit.losses[2.0] == pytest.approx(log_loss_of(words.tempered[2.0], words.correct).mean())
    grid = fit_temperature(scored, between=False)
    assert grid.temperature == min(grid.losses, key=grid.losses.get)
    assert grid.losses == fit.losses


def test_few_stored_temperatures_leave_a_choice_among_them_and_say_so() -> None:
    rows = [
        dataclasses.replace(row, tempered_logprobs={t: row.tempered_logprobs[t] for t in (0.5, 2.0)})
        for row in simulate(references(120), dev_share=0.5)
    ]
    fit = fit_temperature(score(rows), resamples=20)
    assert fit.temperature == min(fit.losses, key=fit.losses.get)
    assert fit.only_stored == "confidences are stored at 3 temperatures: fewer than 5"
    assert set(fit.resampled) <= {0.5, 1.0, 2.0}


def test_an_optimum_beyond_the_grid_is_marked() -> None:
    fit = fit_temperature(score(overconfident(list(simulate(references(200), dev_share=0.5)), 0.5)))
    assert fit.at_edge == (fit.temperature in (min(fit.losses), max(fit.losses)))


def test_applying_improves_calibration_of_an_overconfident_model() -> None:
    scored = score(overconfident(list(simulate(references(400), dev_share=0.5)), 2.0))
    fit = fit_temperature(scored)
    test = scored.select(~scored.dev)
    before, after = items_of(test), items_of(at_temperature(test, fit.temperature))
    assert np.array_equal(before.correct, after.correct)
    assert expected_calibration_error(after.confidence, after.correct) < 0.7 * expected_calibration_error(before.confidence, before.correct)


def test_temperature_one_changes_nothing() -> None:
    scored = score(simulate(references(20)))
    assert np.array_equal(at_temperature(scored, 1.0).words.confidence, scored.words.confidence)


def test_reasons() -> None:
    rows = list(simulate(references(40), dev_share=0.5))
    assert fit_temperature(score(rows[-20:])).reason == "no dev utterances to fit on"
    bare = [dataclasses.replace(row, tempered_logprobs={}) for row in rows]
    assert fit_temperature(score(bare)).reason == "no log-probabilities at other temperatures are stored"
    assert fit_temperature(score(rows[:4])).reason == "fewer than 100 dev words with confidences at all temperatures"
