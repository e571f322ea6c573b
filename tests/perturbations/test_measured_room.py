from pathlib import Path

import numpy as np
import pytest
import soundfile

from askd_bench.audio import read_audio
from askd_bench.errors import AudioError, UserError
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.base import Perturbed, Scene
from askd_bench.perturbations.levels import speech_level
from askd_bench.perturbations.measured_room import find_responses, read_response
from askd_bench.perturbations.registry import build_perturbation
from askd_bench.perturbations.rooms import draw_room, simulate
from askd_bench.types import SAMPLING_RATE

SPEECH = read_audio(sorted((CORPORA_DIR / "books" / "audio").iterdir())[1])


def response(delay: int = 0, rate: int = 16000, channels: int = 1) -> np.ndarray:
    mouth, _ = simulate(draw_room(0, rt60_s=0.3, distance_m=1), rt60_s=0.3, sampling_rate=rate)
    delayed = np.concatenate([np.zeros(delay), mouth.response / np.abs(mouth.response).max() * 0.9])
    return np.stack([delayed, *[np.zeros_like(delayed)] * (channels - 1)], axis=1)


def write(path: Path, samples: np.ndarray, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")


def record(folder: Path, seed: int = 0, **parameters: object) -> Perturbed:
    room = build_perturbation("measured_room", {"folder": folder} | parameters)
    return room.apply(SPEECH, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(seed), scene=Scene())


def test_a_response_with_any_delay_and_rate_is_aligned_and_measured(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", response())
    write(tmp_path / "b.wav", response(delay=5000))
    write(tmp_path / "c.wav", response(delay=777, rate=48000, channels=4), 48000)
    for name in "abc":
        out = record(tmp_path, pattern=f"{name}.wav")
        assert out.realised["response_file"] == f"{name}.wav"
        assert out.realised["rt60_s"] == pytest.approx(0.3, rel=0.1)
        assert -15 < out.realised["drr_db"] < 15
        assert out.samples.shape == SPEECH.shape
        assert speech_level(out.samples).active_dbfs == pytest.approx(speech_level(SPEECH).active_dbfs, abs=0.01)
        size = 2 * SPEECH.size
        cross = np.fft.rfft(out.samples, size) * np.conj(np.fft.rfft(SPEECH, size))
        correlation = np.fft.irfft(cross / np.maximum(np.abs(cross), 1e-12), size)
        assert abs(int(np.argmax(np.concatenate([correlation[-80:], correlation[:81]]))) - 80) <= 1
    assert np.abs(record(tmp_path, pattern="a.wav").samples - record(tmp_path, pattern="b.wav").samples).max() < 1e-4


def test_openslr_28_is_read_through_its_lists(tmp_path: Path) -> None:
    top = tmp_path / "RIRS_NOISES"
    write(top / "simulated_rirs" / "smallroom" / "Room001" / "Room001-00001.wav", response())
    write(top / "real_rirs_isotropic_noises" / "RVB2014_type1_rir_largeroom1_far_angla.wav", response(channels=8))
    write(top / "real_rirs_isotropic_noises" / "RVB2014_type1_noise_largeroom1_1.wav", np.ones((100, 1)))
    write(top / "pointsource_noises" / "noise-free-sound-0000.wav", np.ones((100, 1)))
    (top / "simulated_rirs" / "smallroom" / "rir_list").write_text(
        "--rir-id small_Room001-00001 --room-id small_Room001 RIRS_NOISES/simulated_rirs/smallroom/Room001/Room001-00001.wav\n"
    )
    (top / "real_rirs_isotropic_noises" / "rir_list").write_text(
        "--rir-id 1 --room-id rvb RIRS_NOISES/real_rirs_isotropic_noises/RVB2014_type1_rir_largeroom1_far_angla.wav\n\n"
    )
    for folder in (tmp_path, top):
        names = [path.name for path in find_responses(folder, None)]
        assert names == ["RVB2014_type1_rir_largeroom1_far_angla.wav", "Room001-00001.wav"]


def test_but_reverbdb_is_read_from_its_rir_folders(tmp_path: Path) -> None:
    place = tmp_path / "VUT_FIT_L207" / "MicID01" / "SpkID01_20170904_S" / "01"
    write(place / "RIR" / "IR_sweep_15s_45Hzto22kHz_FS16kHz.v00.wav", response())
    write(place / "silence" / "silence.v00.wav", np.ones((100, 1)))
    assert [path.parent.name for path in find_responses(tmp_path, None)] == ["RIR"]
    assert record(tmp_path).realised["response_file"].endswith("RIR/IR_sweep_15s_45Hzto22kHz_FS16kHz.v00.wav")


def test_any_other_folder_is_taken_whole_and_drawn_from_by_seed(tmp_path: Path) -> None:
    for index in range(4):
        write(tmp_path / f"room{index}.wav", response(delay=index))
    (tmp_path / "readme.txt").write_text("no audio")
    drawn = {record(tmp_path, seed).realised["response_file"] for seed in range(20)}
    assert drawn == {f"room{index}.wav" for index in range(4)}
    assert np.array_equal(record(tmp_path, 3).samples, record(tmp_path, 3).samples)


def test_files_that_macos_puts_beside_responses_are_passed_over(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", np.eye(1, 800, 40)[0], SAMPLING_RATE)
    (tmp_path / "._room.wav").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    find_responses.cache_clear()
    assert find_responses(tmp_path, None) == (tmp_path / "room.wav",) == find_responses(tmp_path, "*.wav")


def test_missing_and_empty_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"folder: .*nowhere' is not a folder"):
        record(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no impulse response in .*allowed: \.aif"):
        record(tmp_path)
    write(tmp_path / "a.wav", response())
    with pytest.raises(UserError, match=r"no impulse response like 'b\*'"):
        record(tmp_path, pattern="b*")


@pytest.mark.parametrize("samples", [np.zeros((100, 1)), np.full((100, 1), np.nan)])
def test_unusable_responses_are_refused(tmp_path: Path, samples: np.ndarray) -> None:
    write(tmp_path / "a.wav", samples)
    with pytest.raises(AudioError, match=r"a\.wav' is silent or holds"):
        read_response(tmp_path / "a.wav", SAMPLING_RATE)
    (tmp_path / "b.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(AudioError, match=r"b\.wav' cannot be read"):
        read_response(tmp_path / "b.wav", SAMPLING_RATE)
