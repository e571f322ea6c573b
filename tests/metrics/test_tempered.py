"""Interpolated confidences against a softmax over known logits; tests/models/whisper/test_whisper.py does it with a real model's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from askd_bench.metrics.items import Items
from askd_bench.metrics.tempered import MIN_STORED, confidence_at, spline_weights, why_not_between
from askd_bench.models.decoding.confidence import TEMPERATURES

BETWEEN = (3.2, 2.3, 1.8, 1.5, 1.2, 1.03, 0.97, 0.92, 0.85, 0.7, 0.55)


def softmax(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probability of each row's likeliest entry."""
    scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature
    return 1 / np.exp(scaled).sum(axis=1)


def stored(logits: NDArray[np.float64], temperatures: tuple[float, ...] = TEMPERATURES) -> Items:
    """As rows have them: log-probabilities of five digits."""
    kept = {t: np.exp(np.round(np.log(softmax(logits, t)), 5)) for t in (1.0, *temperatures)}
    n = len(logits)
    return Items(np.arange(n), *np.ones((2, n), np.bool_), kept.pop(1.0), kept)


@given(st.integers(0, 10_000), st.floats(0.5, 4), st.integers(2, 2000))
@settings(max_examples=15, deadline=None)
def test_confidences_in_between_are_those_of_the_softmax(seed: int, spread: float, vocabulary: int) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, (30, vocabulary))
    items = stored(logits)
    for temperature in BETWEEN:
        wide = temperature > 2  # nothing is stored between 2 and 4
        np.testing.assert_allclose(confidence_at(items, temperature), softmax(logits, temperature), atol=0.05 if wide else 0.01)
    near = [np.abs(confidence_at(items, t) - softmax(logits, t)).mean() for t in (0.85, 0.97, 1.03, 1.2)]
    assert max(near) < 1e-3


def test_beside_one_rival_log_odds_are_a_line_and_nothing_is_lost() -> None:
    logits = np.array([[gap, 0.0] for gap in np.linspace(0, 9, 40)])
    for temperature in BETWEEN:
        np.testing.assert_allclose(confidence_at(stored(logits), temperature), softmax(logits, temperature), atol=2e-5)


def test_at_stored_temperatures_it_is_what_is_stored() -> None:
    items = stored(np.random.default_rng(0).normal(0, 3, (10, 50)))
    assert confidence_at(items, 1.0) is items.confidence
    assert all(confidence_at(items, t) is items.tempered[t] for t in TEMPERATURES)


def test_confidence_falls_with_temperature_and_stays_a_probability() -> None:
    items = stored(np.vstack([np.random.default_rng(1).normal(0, 4, (200, 300)), np.eye(300)[:1] * 60]))
    at = np.array([confidence_at(items, t) for t in np.geomspace(0.5, 4, 60)])
    assert np.all((at > 0) & (at <= 1))
    assert np.all(np.diff(at, axis=0) < 2e-5)


def test_what_is_not_known_is_nan() -> None:
    items = stored(np.zeros((3, 4)))
    items.tempered[2.0][1] = np.nan
    assert np.isnan(confidence_at(items, 1.03)).tolist() == [False, True, False]
    assert np.isnan(confidence_at(items, 4.1)).all()
    assert np.isnan(confidence_at(items, 0.49)).all()
    assert np.isnan(confidence_at(stored(np.zeros((3, 4)), (2.0, 0.5)), 1.03)).all()


@pytest.mark.parametrize(
    ("temperatures", "reason"),
    [
        ((1.0, *TEMPERATURES), None),
        ((0.5, 1.0, 1.5, 2.0), f"at 4 temperatures: fewer than {MIN_STORED}"),
        ((0.5, 1.0, 1.5, 4.0, 5.0), "at temperatures 1.5 and 4 and at none between: more than a factor of 2"),
    ],
)
def test_why_there_is_nothing_in_between(temperatures: tuple[float, ...], reason: str | None) -> None:
    found = why_not_between(temperatures)
    assert found is None if reason is None else found and found.endswith(reason)


def test_weights_add_up_to_one() -> None:
    knots = 1 / np.array(sorted((1.0, *TEMPERATURES), reverse=True))
    for at in (0.3, 0.97, 1.9):
        assert spline_weights(knots, at).sum() == pytest.approx(1)
        assert spline_weights(knots, at) @ knots == pytest.approx(at), "a line is its own spline"
