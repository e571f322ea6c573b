import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askd_bench.audio import read_audio
from askd_bench.errors import UserError
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.band_limits import limit_band
from askd_bench.perturbations.base import Perturbed, Scene
from askd_bench.perturbations.codecs import CODECS, CodecName
from askd_bench.perturbations.levels import speech_level
from askd_bench.perturbations.packet_loss import to_int16
from askd_bench.perturbations.registry import build_perturbation
from askd_bench.perturbations.telephony import Telephony, decode_with_losses
from askd_bench.types import SAMPLING_RATE, Samples

NAMES = list(CODECS)
TANDEMS: list[tuple[CodecName, CodecName]] = [
    ("gsm-fr", "gsm-fr"),
    ("amr-nb-12.2", "g711-alaw"),
    ("opus-24", "amr-nb-12.2"),
    ("g722", "opus-6"),
]
SPEECH = read_audio(sorted((CORPORA_DIR / "books" / "audio").iterdir())[1])[: 3 * SAMPLING_RATE]


def call(samples: Samples, seed: int = 0, **parameters: object) -> Perturbed:
    perturbation = Telephony.model_validate(parameters)
    return perturbation.apply(samples, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(seed), scene=Scene())


def lag(reference: np.ndarray, late: np.ndarray) -> int:
    """Samples by which `late` is late, by the peak of the cross-correlation."""
    size = 2 * reference.size
    correlation = np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(reference, size)), size)
    peak = int(np.argmax(correlation))
    return peak if peak < reference.size else peak - size


@pytest.mark.parametrize("name", NAMES)
def test_a_call_is_aligned_to_one_sample(name: CodecName) -> None:
    heard = call(SPEECH, codec=name).samples
    band = "handset" if CODECS[name].sampling_rate == 8000 else "wide"
    assert heard.shape == SPEECH.shape
    assert abs(lag(limit_band(SPEECH, band=band, sampling_rate=SAMPLING_RATE), heard)) <= 1


@pytest.mark.parametrize("codecs", TANDEMS)
def test_a_tandem_is_aligned_to_one_sample_and_worse_than_its_parts(codecs: tuple[CodecName, CodecName]) -> None:
    both = call(SPEECH, codec=codecs[0], tandem=codecs[1])
    assert both.realised["tandem"] == codecs[1]
    assert abs(lag(limit_band(SPEECH, band="handset", sampling_rate=SAMPLING_RATE), both.samples)) <= 1
    assert not np.array_equal(both.samples, call(SPEECH, codec=codecs[1]).samples)


@pytest.mark.parametrize("name", ["g711-mulaw", "g726-32", "g722", "opus-24"])
def test_waveform_codecs_hand_on_the_level_of_minus_26_dbov(name: CodecName) -> None:
    for gain in (1.0, 0.05):
        level = speech_level(call(SPEECH * np.float32(gain), codec=name).samples).active_dbfs
        assert level == pytest.approx(-26, abs=0.5)


@pytest.mark.parametrize("name", NAMES)
def test_no_codec_changes_the_level_by_more_than_it_must(name: CodecName) -> None:
    assert speech_level(call(SPEECH, codec=name).samples).active_dbfs == pytest.approx(-26, abs=3)


def test_g711_call_is_band_level_and_the_librarys_round_trip() -> None:
    """The chain step by step, with the codec called directly."""
    import soxr

    sent = limit_band(SPEECH, band="narrow", sampling_rate=SAMPLING_RATE)
    sent = sent * 10 ** ((-26 - speech_level(sent).active_dbfs) / 20)
    codec = CODECS["g711-mulaw"]
    pcm = to_int16(soxr.resample(sent, 16000, 8000, quality="VHQ"))
    decoded = codec.decode(codec.encode(np.pad(pcm, (0, -pcm.size % 160))))
    wanted = soxr.resample(decoded / 32768, 8000, 16000, quality="VHQ")[: SPEECH.size].astype(np.float32)
    assert np.array_equal(call(SPEECH, codec="g711-mulaw", band="narrow").samples, wanted)


@pytest.mark.parametrize("name", ["g711-mulaw", "gsm-fr", "amr-nb-4.75"])
def test_narrow_codecs_leave_nothing_above_the_telephone_band(name: CodecName) -> None:
    heard = np.abs(np.fft.rfft(call(SPEECH, codec=name).samples)) ** 2
    hz = np.fft.rfftfreq(SPEECH.size, 1 / SAMPLING_RATE)
    assert heard[hz > 4050].sum() < 1e-5 * heard.sum()


def test_loss_is_recorded_and_hurts_more_the_more_there_is() -> None:
    clean = call(SPEECH, codec="g711-mulaw")
    assert (clean.realised["loss_percent"], clean.realised["mean_burst"], clean.realised["packets"]) == (0.0, None, 150)
    errors = []
    for loss in (3, 20, 50):
        runs = [call(SPEECH, seed=seed, codec="g711-mulaw", loss_percent=loss) for seed in range(8)]
        assert np.mean([run.realised["loss_percent"] for run in runs]) == pytest.approx(loss, rel=0.6)
        errors.append(np.mean([np.mean((run.samples - clean.samples) ** 2) for run in runs]))
    assert errors == sorted(errors)
    assert errors[0] > 0


@pytest.mark.parametrize("name", ["g711-mulaw", "gsm-fr", "g726-32", "g722"])
def test_decoders_without_concealment_see_only_what_arrived(name: CodecName) -> None:
    """After a loss the decoder goes on from the state of the last good packet: the same as decoding a call without the lost packets."""
    codec = CODECS[name]
    packets = codec.encode(to_int16(SPEECH)[: 50 * codec.frame_length])
    received = np.ones(50, dtype=bool)
    received[20:23] = False
    heard = decode_with_losses(codec, packets, received, "zero").reshape(50, -1)
    assert not heard[20:23].any()
    assert np.array_equal(heard[received].reshape(-1), codec.decode(packets[:20] + packets[23:]))


@pytest.mark.parametrize("name", ["amr-nb-12.2", "amr-nb-4.75", "opus-24", "opus-6"])
def test_decoders_with_concealment_bridge_a_gap_and_fade(name: CodecName) -> None:
    """A steady vowel-like tone: one lost packet is bridged, a long gap fades (AMR to silence, Opus to noise), and the call comes back."""
    codec = CODECS[name]
    time = np.arange(100 * codec.frame_length) / codec.sampling_rate
    tone = to_int16(0.1 * sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 12)))
    packets = codec.encode(tone)
    received = np.ones(100, dtype=bool)
    received[[30, *range(50, 75)]] = False
    heard = decode_with_losses(codec, packets, received, "codec").reshape(100, -1).astype(float)
    level = np.sqrt(np.mean(heard**2, axis=1))
    usual = np.median(level[20:50])
    assert level[30] > 0.5 * usual
    assert level[74] < (0.01 if name.startswith("amr") else 0.6) * usual
    assert level[90:].mean() > (0.3 if name.startswith("amr") else 0.95) * usual  # AMR's gains build up again from nothing


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_which_nothing_arrives_is_silence(name: CodecName) -> None:
    codec = CODECS[name]
    packets = codec.encode(np.ones(5 * codec.frame_length, dtype=np.int16))
    heard = decode_with_losses(codec, packets, np.zeros(5, dtype=bool), "codec")
    assert heard.size == 5 * codec.decoded_rate // 50
    assert not heard.any()


@settings(max_examples=60)
@given(
    samples=arrays(np.float32, st.integers(1, 2000), elements=st.floats(-1, 1, width=32)),
    codec=st.sampled_from(NAMES),
    tandem=st.none() | st.sampled_from(NAMES),
    band=st.none() | st.sampled_from(["handset", "narrow", "wide"]),
    loss_percent=st.floats(0, 50),
    seed=st.integers(0, 2**32),
)
def test_any_audio_keeps_its_length_stays_finite_and_repeats(samples, codec, tandem, band, loss_percent, seed) -> None:  # type: ignore[no-untyped-def]
    one, two = (call(samples, seed, codec=codec, tandem=tandem, band=band, loss_percent=loss_percent) for _ in range(2))
    assert one.samples.dtype == np.float32
    assert one.samples.shape == samples.shape
    assert np.isfinite(one.samples).all()
    assert np.abs(one.samples).max() < 1.5  # resampling overshoots 16-bit full scale at most
    assert np.array_equal(one.samples, two.samples)
    assert one.realised == two.realised


@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_silent(name: CodecName) -> None:
    heard = call(np.zeros(8000, dtype=np.float32), codec=name, loss_percent=20)
    assert np.abs(heard.samples).max() < 0.003  # G.722 idles at its smallest steps
    assert heard.realised["send_gain_db"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"codec": "amr-wb"}, "codec.*'amr-wb'.*g711-mulaw"),
        ({"codec": "gsm-fr", "concealment": "codec"}, "offered by the decoders of amr-nb-12.2"),
        ({"codec": "opus-24", "tandem": "gsm-fr", "concealment": "codec"}, "offered by"),
        ({"codec": "gsm-fr", "loss_percent": 51}, "loss_percent.*51"),
        ({"codec": "gsm-fr", "los": 1}, "did you mean 'loss_percent'|unknown"),
        ({}, "codec.*missing"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        build_perturbation("telephony", wrong)
    assert "\n" not in str(error.value)
