import math

import numpy as np
import pyroomacoustics
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd_bench.errors import UserError
from askd_bench.perturbations import rooms
from askd_bench.perturbations.rooms import Room, draw_room, fingerprint, simulate

GRID = [(rt60_s, distance_m) for rt60_s in (0.3, 0.5, 0.7, 0.9) for distance_m in (1.0, 2.0, 3.0, 4.0)]


@pytest.mark.parametrize(("rt60_s", "distance_m"), GRID)
def test_rooms_of_a_pool_are_what_they_must_be(rt60_s: float, distance_m: float) -> None:
    pool = [draw_room(index, rt60_s=rt60_s, distance_m=distance_m) for index in range(16)]
    assert len(set(pool)) == 16
    for room in pool:
        assert 20 <= room.volume_m3 <= 470
        assert math.dist(room.mic, room.mouth) == pytest.approx(distance_m, abs=1e-5)
        assert math.dist(room.mic, room.noise) >= 0.999
        for point in (room.mic, room.mouth, room.noise):
            assert all(0.49 <= x <= side - 0.49 for x, side in zip(point, room.size, strict=True))


def test_volumes_spread_over_the_range() -> None:
    volumes = [draw_room(index, rt60_s=0.3, distance_m=1).volume_m3 for index in range(100)]
    assert min(volumes) < 40
    assert max(volumes) > 300
    assert 60 < np.median(volumes) < 200


@pytest.mark.parametrize(("rt60_s", "distance_m"), [(0.3, 1.0), (0.3, 4.0), (0.5, 2.0), (0.7, 3.0), (0.9, 4.0)])
def test_measured_reverberation_time_is_the_one_asked_for(rt60_s: float, distance_m: float) -> None:
    for index in range(3 if rt60_s < 0.6 else 1):
        mouth, noise = simulate(draw_room(index, rt60_s=rt60_s, distance_m=distance_m), rt60_s=rt60_s, sampling_rate=16000)
        theirs = pyroomacoustics.experimental.measure_rt60(mouth.response[mouth.direct :].astype(float), fs=16000, decay_db=20)
        assert mouth.rt60_s == pytest.approx(rt60_s, rel=0.05)
        assert theirs == pytest.approx(rt60_s, rel=0.10)
        assert noise.rt60_s == pytest.approx(rt60_s, rel=0.25)  # another place in a room with the same walls


@pytest.mark.parametrize("index", range(4))
def test_direct_sound_peaks_where_it_is_said_to_and_has_the_amplitude_of_its_distance(index: int) -> None:
    room = draw_room(index, rt60_s=0.3, distance_m=2)
    mouth, _ = simulate(room, rt60_s=0.3, sampling_rate=16000)
    around = np.abs(mouth.response[mouth.direct - 3 : mouth.direct + 4])
    assert np.argmax(around) == 3
    # A band-limited pulse of 1/r, up to half a sample from the grid: 1 to sinc(1/2) of it (reflections may come close).
    assert 0.6 / 2 <= around.max() <= 1.15 / 2


def test_more_distance_is_less_direct_sound() -> None:
    means = []
    for distance_m in (1.0, 2.0, 4.0):
        pool = [simulate(draw_room(i, rt60_s=0.3, distance_m=distance_m), rt60_s=0.3, sampling_rate=16000)[0].drr_db for i in range(8)]
        means.append(np.mean(pool))
    assert means[0] > means[1] + 2 > means[2] + 3


def test_without_displacement_it_is_pyroomacoustics_own_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same box, walls and order through the library's front door; ours is cut at both ends."""
    monkeypatch.setattr(rooms, "DISPLACEMENT_M", 0.0)
    room = draw_room(0, rt60_s=0.3, distance_m=1)
    images = rooms._images(room, room.mouth, 0.1, stream=0)
    ours = rooms._response(room, room.mouth, images, 0.5, 16000)
    box = pyroomacoustics.ShoeBox(room.size, fs=16000, materials=pyroomacoustics.Material(0.5), max_order=int(images.orders.max()))
    box.add_source(list(room.mouth))
    box.add_microphone(list(room.mic))
    box.compute_rir()
    start = 40 + round(math.dist(room.mic, room.mouth) / 343 * 16000) - 40
    theirs = box.rir[0][0][start : start + 1200]
    assert np.abs(ours.response[:1200] - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_simulation_is_bit_identical_over_repeats() -> None:
    room = draw_room(3, rt60_s=0.3, distance_m=1)
    one, two = (simulate(room, rt60_s=0.3, sampling_rate=16000) for _ in range(2))
    assert all(np.array_equal(a.response, b.response) for a, b in zip(one, two, strict=True))


@settings(max_examples=40)
@given(rt60_s=st.floats(0.15, 1.0), distance_m=st.floats(0.5, 6), index=st.integers(0, 999))
def test_every_allowed_pool_has_rooms(rt60_s: float, distance_m: float, index: int) -> None:
    room = draw_room(index, rt60_s=rt60_s, distance_m=distance_m)
    assert room == draw_room(index, rt60_s=rt60_s, distance_m=distance_m)
    assert isinstance(room, Room)


def test_a_distance_no_room_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_ATTEMPTS", 500)
    with pytest.raises(UserError, match=r"distance_m: 30 does not fit"):
        draw_room(0, rt60_s=0.3, distance_m=30)


def test_fingerprint_tells_rooms_and_requests_apart() -> None:
    room, other = (draw_room(index, rt60_s=0.3, distance_m=1) for index in (0, 1))
    prints = {
        fingerprint(room, rt60_s=0.3, sampling_rate=16000),
        fingerprint(other, rt60_s=0.3, sampling_rate=16000),
        fingerprint(room, rt60_s=0.31, sampling_rate=16000),
        fingerprint(room, rt60_s=0.3, sampling_rate=8000),
    }
    assert len(prints) == 4
