import numpy as np
import pytest
from scipy.signal import freqz

from askd_bench.perturbations.band_limits import NARROW_HZ, WIDE_HZ, Band, band_filter, limit_band

RATE = 16_000


def gain_db(taps: np.ndarray, hz: np.ndarray | list[float]) -> np.ndarray:
    _, response = freqz(taps, worN=np.asarray(hz), fs=RATE)
    return 20 * np.log10(np.maximum(np.abs(response), 1e-9))


@pytest.mark.parametrize(("band", "edges"), [("narrow", NARROW_HZ), ("wide", WIDE_HZ)])
def test_minus_three_decibel_points_are_the_edges(band: Band, edges: tuple[float, float]) -> None:
    hz = np.arange(1.0, 7900.0, 1.0)
    gains = gain_db(band_filter(band, RATE), hz)
    inside = hz[gains >= -3.0103]
    assert inside[0] == pytest.approx(edges[0], abs=3)
    assert inside[-1] == pytest.approx(edges[1], abs=3)


def test_telephone_band_is_flat_inside_and_shut_outside() -> None:
    taps = band_filter("narrow", RATE)
    assert np.abs(gain_db(taps, np.arange(410.0, 3300.0, 5))).max() < 0.1
    assert gain_db(taps, [50, 60, 100, 180, 3540, 4000, 6000]).max() < -40  # G.712 asks for 14 dB at 4 kHz


def test_wide_band_is_flat_inside_and_falls_outside() -> None:
    taps = band_filter("wide", RATE)
    assert np.abs(gain_db(taps, np.arange(110.0, 6880.0, 5))).max() < 0.2
    assert gain_db(taps, [7200, 7900]).max() < -40
    assert gain_db(taps, [10])[0] < -10


def test_handset_rises_as_a_modified_irs_send_does() -> None:
    """dB against 1 kHz, ITU-T P.830 Annex D, read from the response of the ITU-T software tool library's filter."""
    gains = gain_db(band_filter("handset", RATE), [1000, 500, 2000, 2500, 3150])
    assert gains - gains[0] == pytest.approx([0, -2.6, 3.6, 5.0, 5.8], abs=0.3)


@pytest.mark.parametrize("band", ["narrow", "handset", "wide"])
def test_the_delay_is_taken_out(band: Band) -> None:
    taps = band_filter(band, RATE)
    assert taps.size % 2 == 1
    assert np.abs(taps - taps[::-1]).max() < 1e-12
    impulse = np.zeros(4001)
    impulse[2000] = 1
    filtered = limit_band(impulse, band=band, sampling_rate=RATE)
    assert filtered.shape == impulse.shape
    assert np.argmax(np.abs(filtered)) == 2000
    assert limit_band(np.ones(1), band=band, sampling_rate=RATE).shape == (1,)
