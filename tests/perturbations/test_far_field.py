import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askd_bench.audio import read_audio
from askd_bench.errors import UserError
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.base import Perturbed, Scene
from askd_bench.perturbations.far_field import SNR_BANDS_DB, FarField
from askd_bench.perturbations.levels import rms_dbfs, speech_level
from askd_bench.perturbations.registry import build_perturbation
from askd_bench.perturbations.response_cache import room_responses
from askd_bench.types import SAMPLING_RATE, Samples, Utterance

FILES = sorted((CORPORA_DIR / "books" / "audio").iterdir())
SPEECH = read_audio(FILES[1])
TALKERS = tuple(Utterance(id=path.stem, audio=path, reference="", speaker=path.stem) for path in FILES)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASKD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def record(samples: Samples, seed: int = 0, **parameters: object) -> Perturbed:
    perturbation = FarField.model_validate({"rt60_s": 0.3, "distance_m": 1, "rooms": 3} | parameters)
    return perturbation.apply(samples, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(seed), scene=Scene(talkers=TALKERS))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("distance_m", [1, 2, 4])
def test_recording_is_aligned_as_long_and_as_loud_as_the_speech(seed: int, distance_m: float) -> None:
    heard = record(SPEECH, seed, distance_m=distance_m).samples
    assert heard.shape == SPEECH.shape
    assert speech_level(heard).active_dbfs == pytest.approx(speech_level(SPEECH).active_dbfs, abs=0.01)
    # The peak of the generalised cross-correlation with phase transform is the direct sound, where the plain one may follow reflections.
    size = 2 * SPEECH.size
    cross = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(SPEECH, size))
    correlation = np.fft.irfft(cross / np.maximum(np.abs(cross), 1e-12), size)
    window = np.concatenate([correlation[-80:], correlation[:81]])
    assert abs(int(np.argmax(window)) - 80) <= 1


def test_what_was_realised_is_what_the_response_measures() -> None:
    realised = record(SPEECH).realised
    mouth, _, volume = room_responses(realised["room"], rt60_s=0.3, distance_m=1.0, sampling_rate=SAMPLING_RATE)
    assert realised == {"rt60_s": mouth.rt60_s, "drr_db": mouth.drr_db, "distance_m": 1.0, "room_m3": volume, "room": realised["room"]}
    assert realised["rt60_s"] == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("noise", ["speech-shaped", "babble", "white"])
@pytest.mark.parametrize("band", list(SNR_BANDS_DB))
def test_snr_at_the_microphone_lies_in_its_band(noise: str, band: str) -> None:
    drawn = []
    for seed in range(3):
        noisy = record(SPEECH, seed, noise=noise, snr_band=band)
        quiet = record(SPEECH, seed)
        assert noisy.realised["room"] == quiet.realised["room"]
        added = noisy.samples.astype(float) - quiet.samples
        measured = speech_level(quiet.samples).active_dbfs - rms_dbfs(added)
        assert noisy.realised["snr_db"] == pytest.approx(measured, abs=0.1)
        low, high = SNR_BANDS_DB[band]
        assert low - 0.1 <= measured <= high + 0.1
        drawn.append(measured)
    assert np.ptp(drawn) > 0.05


def test_an_snr_can_be_named() -> None:
    assert record(SPEECH, noise="pink", snr_db=7).realised["snr_db"] == pytest.approx(7, abs=0.01)


def test_the_noise_has_been_sounding_before_the_clip_begins() -> None:
    quiet = record(SPEECH)
    added = record(SPEECH, noise="white", snr_db=0).samples - quiet.samples
    start, later = rms_dbfs(added[:1600]), rms_dbfs(added[16000:])
    assert start == pytest.approx(later, abs=1)


def test_silence_gives_silence_and_noise_alone_where_there_is_noise() -> None:
    silence = np.zeros(8000, dtype=np.float32)
    assert not record(silence).samples.any()
    noisy = record(silence, noise="speech-shaped", snr_db=10)
    assert rms_dbfs(noisy.samples) == pytest.approx(-36, abs=0.1)
    assert noisy.realised["snr_db"] is None


@settings(max_examples=40)
@given(
    samples=arrays(np.float32, st.integers(1, 3000), elements=st.floats(-1, 1, width=32)), seed=st.integers(0, 2**32), noisy=st.booleans()
)
def test_any_audio_keeps_its_length_stays_finite_and_repeats(samples, seed, noisy) -> None:  # type: ignore[no-untyped-def]
    parameters = {"noise": "pink", "snr_db": 5} if noisy else {}
    one, two = (record(samples, seed, **parameters) for _ in range(2))
    assert one.samples.dtype == np.float32
    assert one.samples.shape == samples.shape
    assert np.isfinite(one.samples).all()
    assert np.array_equal(one.samples, two.samples)
    assert one.realised == two.realised


CHAINS: list[tuple[str, dict[str, object]]] = [
    ("far_field", {"rt60_s": 0.3, "distance_m": 2, "noise": "speech-shaped", "snr_band": "8-12", "rooms": 2}),
    ("packet_loss", {"loss_percent": 20}),
    *[
        ("telephony", {"codec": codec, "loss_percent": 10})
        for codec in ("g711-mulaw", "gsm-fr", "g726-16", "amr-nb-5.9", "g722", "opus-12")
    ],
]


def _render(seed: int) -> list[bytes]:
    rendered = []
    for name, parameters in CHAINS:
        perturbation = build_perturbation(name, parameters)
        out = perturbation.apply(SPEECH, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(seed), scene=Scene())
        rendered.append(out.samples.tobytes() + repr(sorted(out.realised.items())).encode())
    return rendered


def test_another_process_hears_the_same_bits_with_or_without_the_cache(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    here = _render(5)
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path))  # empty: the rooms are made again
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(_render, (5,))
    assert there == here
    assert all(one != two for one, two in zip(here, _render(6), strict=True))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rt60_s": 3}, "rt60_s.*3"),
        ({"distance_m": 20}, "distance_m.*20"),
        ({"noise": "pink"}, "snr_band or snr_db"),
        ({"snr_db": 3}, "noise together"),
        ({"noise": "pink", "snr_db": 3, "snr_band": "8-12"}, "either"),
        ({"noise": "pink", "snr_band": "7-9"}, "above-14"),
        ({"noise": "drill", "snr_db": 3}, "speech-shaped"),
        ({"rt60": 0.3}, "did you mean 'rt60_s'"),
    ],
)
def test_wrong_rooms_are_refused_in_one_line(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        build_perturbation("far_field", {"rt60_s": 0.3, "distance_m": 1} | wrong)
    assert "\n" not in str(error.value)
