import dataclasses

import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.metrics.calibration import expected_calibration_error, items_of, log_loss_of
from askd_bench.metrics.scoring import score
from askd_bench.metrics.temperature import at_temperature, fit_temperature
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
    # the simulated confidences are about right at 1
    base = fit_temperature(score(honest))
    assert base.temperature in (0.75, 1.0)
    fit = fit_temperature(score(overconfident(honest, 2.0)))
    assert fit.temperature in (1.5, 2.0)
    assert not fit.at_edge or fit.temperature == min(fit.losses)


def test_loss_is_that_of_dev_words_only() -> None:
    scored = score(simulate(references(120), dev_share=0.5))
    fit = fit_temperature(scored)
    words = items_of(scored.select(scored.dev))
    assert fit.n == len(words.correct)
    assert fit.losses[1.0] == pytest.approx(log_loss_of(words.confidence, words.correct).mean())
    assert fit.losses[2.0] == pytest.approx(log_loss_of(words.tempered[2.0], words.correct).mean())
    assert fit.temperature == min(fit.losses, key=fit.losses.get)


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
