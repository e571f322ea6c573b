import dataclasses

import pytest
from simulated import references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics import speed
from askd_bench.metrics.bootstrap import clusters_of, resample
from askd_bench.metrics.scoring import score
from askd_bench.types import Row


def rtfx(rows: list[Row]):
    scored = score(rows)
    return speed.METRICS[0].estimate(resample(speed.statistics(scored), clusters_of(scored), resamples=100))


def test_rtfx_is_pooled() -> None:
    rows = list(simulate(references(20)))
    got = rtfx(rows)
    assert got.value == pytest.approx(sum(r.duration_s for r in rows) / sum(r.decode_s for r in rows))
    assert got.low <= got.value <= got.high


def test_a_resumed_run_has_no_rtfx() -> None:
    rows = list(simulate(references(20)))
    rows[3] = dataclasses.replace(rows[3], decode_s=None)
    got = rtfx(rows)
    assert got.value is None
    assert got.reason == "timings are missing for part of the utterances: a resumed run"
    assert speed.latency_at_batch_1(score(alone(rows)))["reason"] == got.reason


def test_rows_without_any_timing_say_all_that_may_be_why() -> None:
    rows = [dataclasses.replace(row, decode_s=None) for row in simulate(references(20))]
    why = "no timings: a resumed run, given transcripts, limited requests, or timings taken out on purpose"
    assert rtfx(rows).reason == why
    assert speed.latency_at_batch_1(score(alone(rows)))["reason"] == why


def alone(rows: list[Row]) -> list[Row]:
    return [dataclasses.replace(row, batch=1) for row in rows]


def test_a_failed_utterance_does_not_void_the_timings() -> None:
    rows = list(simulate(references(20)))
    rows[3] = dataclasses.replace(rows[3], decode_s=None, hypothesis=None, error="broken file", words=(), word_tokens=(), token_logprobs=())
    assert rtfx(rows).value is not None


def test_latency_percentiles() -> None:
    got = speed.latency([0.1 * k for k in range(1, 101)])
    assert (got.p50_s, got.p95_s, got.n) == (pytest.approx(5.05), pytest.approx(9.505), 100)


@pytest.mark.parametrize("bad", [[], [0.0], [float("nan")], [-1.0]])
def test_latency_refuses(bad: list[float]) -> None:
    with pytest.raises(UserError, match="not positive finite measurements"):
        speed.latency(bad)


def test_rtfx_of_seconds() -> None:
    assert speed.rtfx(audio_s=10, decode_s=None) is None
    assert speed.rtfx(audio_s=10, decode_s=2.5) == 4


def test_batches() -> None:
    assert speed.batches(score(simulate(references(5)))) == (8, 8)
    assert speed.batches(score([])) is None
