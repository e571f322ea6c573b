import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askd_bench.errors import UserError
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.packet_loss import PacketLoss, conceal, gilbert, loss_statistics
from askd_bench.perturbations.registry import build_perturbation

CALLS = [(loss, burst) for loss in (1, 3, 5, 10, 20) for burst in (1.5, 2.0, 4.0)]


@pytest.mark.parametrize(("loss_percent", "mean_burst"), CALLS)
def test_loss_rate_and_mean_burst_are_those_asked_for(loss_percent: float, mean_burst: float) -> None:
    packets = 10_000
    statistics = loss_statistics(gilbert(packets, loss_percent=loss_percent, mean_burst=mean_burst, rng=np.random.default_rng(7)))
    # The variance of a two-state chain's mean is that of independent draws times (1 + r) / (1 - r), r = 1 - p - q.
    rate = loss_percent / 100
    q = 1 / mean_burst
    r = 1 - q - q * rate / (1 - rate)
    error = 100 * np.sqrt(rate * (1 - rate) * (1 + r) / (1 - r) / packets)
    assert statistics.loss_percent == pytest.approx(loss_percent, abs=3 * error)
    bursts = packets * rate / mean_burst  # geometric lengths: variance (1 - q) / q²
    assert statistics.mean_burst == pytest.approx(mean_burst, abs=3 * np.sqrt((1 - q) / q**2 / bursts))


def test_bursts_are_geometric() -> None:
    received = gilbert(200_000, loss_percent=20, mean_burst=2, rng=np.random.default_rng(0))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (~received).astype(int), [0]])))
    lengths = edges[1::2] - edges[::2]
    for length in (1, 2, 3, 4):
        assert np.mean(lengths == length) == pytest.approx(0.5**length, abs=0.01)


def test_the_first_packet_is_lost_as_often_as_any() -> None:
    first = [gilbert(1, loss_percent=20, mean_burst=4, rng=np.random.default_rng(seed))[0] for seed in range(4000)]
    assert np.mean(first) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("loss_percent", [0.0])
def test_no_loss_is_the_16_bit_audio_itself(loss_percent: float) -> None:
    samples = np.random.default_rng(0).uniform(-1, 0.999, 12_345).astype(np.float32)
    out = PacketLoss(loss_percent=loss_percent).apply(samples, sampling_rate=16000, rng=np.random.default_rng(0), scene=Scene())
    assert np.array_equal(out.samples, np.rint(samples * 32768).clip(-32768, 32767) / np.float32(32768))
    assert out.realised == {"packets": 39, "loss_percent": 0.0, "mean_burst": None}


def test_zero_concealment_is_silence_and_repeat_fade_the_last_frame_on_a_falling_line() -> None:
    frames = np.full((6, 320), 1000, dtype=np.int16)
    received = np.array([True, True, False, False, False, False, True, True])
    silent = conceal(frames[:4], received, concealment="zero", sampling_rate=16000).reshape(8, 320)
    assert not silent[2:6].any()
    assert (silent[[0, 1, 6, 7]] == 1000).all()
    faded = conceal(frames[:4], received, concealment="repeat-fade", sampling_rate=16000)
    gap = faded[2 * 320 : 6 * 320]
    assert np.array_equal(gap, np.rint(1000 * np.maximum(0, 1 - np.arange(4 * 320) / 960)))
    assert gap[0] == 1000
    assert not gap[960:].any()


def test_a_call_that_begins_with_a_loss_begins_silent() -> None:
    heard = conceal(np.full((1, 4), 9, dtype=np.int16), np.array([False, True]), concealment="repeat-fade", sampling_rate=200)
    assert heard.tolist() == [0, 0, 0, 0, 9, 9, 9, 9]


@settings(max_examples=60)
@given(
    samples=arrays(np.float32, st.integers(1, 3000), elements=st.floats(-1, 1, width=32)),
    loss_percent=st.floats(0, 50),
    mean_burst=st.floats(1, 50),
    concealment=st.sampled_from(["zero", "repeat-fade"]),
    seed=st.integers(0, 2**32),
)
def test_any_audio_keeps_its_length_and_stays_within_full_scale(samples, loss_percent, mean_burst, concealment, seed) -> None:  # type: ignore[no-untyped-def]
    perturbation = PacketLoss(loss_percent=loss_percent, mean_burst=mean_burst, concealment=concealment)
    one, two = (perturbation.apply(samples, sampling_rate=16000, rng=np.random.default_rng(seed), scene=Scene()) for _ in range(2))
    assert one.samples.dtype == np.float32
    assert one.samples.shape == samples.shape
    assert np.isfinite(one.samples).all()
    assert np.abs(one.samples).max() <= 1
    assert np.array_equal(one.samples, two.samples)
    assert one.realised == two.realised


@pytest.mark.parametrize(
    "wrong", [{"loss_percent": 60}, {"loss_percent": -1}, {"loss_percent": 5, "mean_burst": 0.5}, {"loss_percent": 5, "x": 1}]
)
def test_values_out_of_range_are_refused_in_one_line(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"packet_loss.*(allowed|unknown)") as error:
        build_perturbation("packet_loss", wrong)
    assert "\n" not in str(error.value)
