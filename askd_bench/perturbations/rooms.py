"""Simulated rooms: boxes drawn by seed whose walls are tuned until the measured reverberation time is the one asked for.

The image-source method (pyroomacoustics ShoeBox, after Allen & Berkley, JASA 65 (1979) 943-950) with
- all images whose sound arrives while the room falls by 45 dB: the order is what that takes, up to about 120;
- every image but the direct one moved by up to 8 cm in each direction, which breaks up the sweeping echoes of a perfect box
  (De Sena et al., IEEE/ACM TASLP 23 (2015) 1443-1455); the moves are drawn from our own seeded generator;
- one absorption coefficient for all walls and frequencies, and no absorption by air: real rooms ring longer at low frequencies.
"""

import hashlib
import math
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import UserError
from askd_bench.perturbations.impulse_responses import RoomResponse, analyse, decay_time

VOLUMES_M3 = (20.0, 470.0)
SMALLEST_M3_PER_S = 45.0
"""Rooms hold at least this volume per second of reverberation: smaller ones would need walls harder than those of rooms people live in."""
HEIGHTS_M = (2.4, 4.4)
LONGEST_SHAPE = 1.6
"""Length over width is drawn from 1 to this."""
WALL_CLEARANCE_M = 0.5
MIC_HEIGHTS_M = (0.7, 1.5)
MOUTH_HEIGHTS_M = (1.1, 1.8)
DISPLACEMENT_M = 0.08
SIMULATED_DECAY_DB = 45.0
SPEED_OF_SOUND = 343.0
"""m/s."""
ONSET = 40
"""Samples before the direct peak that are kept: half of pyroomacoustics' interpolation filter of 81 taps."""
TOLERANCE = 0.02
"""The walls are tuned until the measured reverberation time is this close to the one asked for, relative."""
_ATTEMPTS = 100_000

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Room:
    """A box and who is where in it; metres from one corner.

    Attributes:
        size: length, width, height.
        mic: the microphone, omnidirectional.
        mouth: the speaker, omnidirectional.
        noise: a second source, at least 1 m from the microphone and 0.5 m from the speaker.
        seed: of the small moves of the images.
    """

    size: Point
    mic: Point
    mouth: Point
    noise: Point
    seed: int

    @property
    def volume_m3(self) -> float:
        """Cubic metres."""
        return math.prod(self.size)


def draw_room(index: int, *, rt60_s: float, distance_m: float) -> Room:
    """Return the room number `index` of the pool that belongs to a reverberation time and a distance, always the same.

    The volume is log-uniform, floor and ceiling follow from it, positions are uniform at least 0.5 m from every wall (and from each
    other as `Room` says), heights those of a table device and of a person. What does not fit is drawn anew.

    Raises:
        UserError: no room within `VOLUMES_M3` has place for the distance.
    """
    digest = hashlib.sha256(f"room {index} rt60_s {rt60_s:.4f} distance_m {distance_m:.4f}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    smallest = max(VOLUMES_M3[0], SMALLEST_M3_PER_S * rt60_s)
    for _ in range(_ATTEMPTS):
        volume = math.exp(rng.uniform(math.log(smallest), math.log(VOLUMES_M3[1])))
        largeness = math.log(volume / VOLUMES_M3[0]) / math.log(VOLUMES_M3[1] / VOLUMES_M3[0])
        height = HEIGHTS_M[0] + rng.uniform(0.3, 1.0) * largeness * (HEIGHTS_M[1] - HEIGHTS_M[0])
        shape = rng.uniform(1, LONGEST_SHAPE)
        width = math.sqrt(volume / height / shape)
        size = np.array([shape * width, width, height])
        mic = np.array([*rng.uniform(WALL_CLEARANCE_M, size[:2] - WALL_CLEARANCE_M), rng.uniform(*MIC_HEIGHTS_M)])
        rise = rng.uniform(*MOUTH_HEIGHTS_M) - mic[2]
        noise = rng.uniform(WALL_CLEARANCE_M, size - WALL_CLEARANCE_M)
        angle = rng.uniform(0, 2 * math.pi)
        if abs(rise) > distance_m:
            continue
        reach = math.sqrt(distance_m**2 - rise**2)
        mouth = mic + np.array([reach * math.cos(angle), reach * math.sin(angle), rise])
        inside = bool(np.all(mouth[:2] >= WALL_CLEARANCE_M) and np.all(mouth[:2] <= size[:2] - WALL_CLEARANCE_M))
        if inside and np.linalg.norm(noise - mic) >= 1 and np.linalg.norm(noise - mouth) >= 0.5:
            return Room(_point(size), _point(mic), _point(mouth), _point(noise), int(rng.integers(2**32)))
    raise UserError(f"distance_m: {distance_m} does not fit into a room of {VOLUMES_M3[0]:g} to {VOLUMES_M3[1]:g} m³")


def _point(values: NDArray[np.float64]) -> Point:
    """Return the point to the micrometre, so that it is the same number wherever it is written down."""
    x, y, z = (round(float(value), 6) for value in values)
    return x, y, z


@dataclass(frozen=True, slots=True)
class _Images:
    """The image sources of one source as seen by the microphone: positions, number of reflections, distances."""

    positions: NDArray[np.float32]
    orders: NDArray[np.int32]
    distances_m: NDArray[np.float64]


def simulate(room: Room, *, rt60_s: float, sampling_rate: int) -> tuple[RoomResponse, RoomResponse]:
    """Return the responses from mouth and noise source to the microphone.

    The absorption of the walls is first solved for on the energies of the images, then corrected by what the finished response from the
    mouth measures; the noise source gets the same walls.

    Args:
        room: the geometry.
        rt60_s: the reverberation time to tune for, seconds.
        sampling_rate: Hz.
    """
    duration_s = rt60_s * SIMULATED_DECAY_DB / 60 + math.dist(room.mic, room.mouth) / SPEED_OF_SOUND
    images = _images(room, room.mouth, duration_s, stream=0)
    wanted, best = rt60_s, None
    for _ in range(4):
        reflection = _solve_reflection(images, wanted, duration_s)
        response = _response(room, room.mouth, images, reflection, sampling_rate)
        measured = response.rt60_s or math.inf
        if best is None or abs(measured - rt60_s) < abs((best[0].rt60_s or math.inf) - rt60_s):
            best = response, reflection
        if abs(measured / rt60_s - 1) <= TOLERANCE:
            break
        wanted *= min(max(rt60_s / measured, 0.5), 2.0)
    assert best is not None
    noise = _response(room, room.noise, _images(room, room.noise, duration_s, stream=1), best[1], sampling_rate)
    return best[0], noise


def _images(room: Room, source: Point, duration_s: float, *, stream: int) -> _Images:
    reach_m = duration_s * SPEED_OF_SOUND
    # A path of length d crosses at most d/L walls of each pair, hence at most d times this of all.
    order = math.ceil(reach_m * math.sqrt(sum(1 / side**2 for side in room.size)))
    box = _shoe_box(room, source, order)
    box.image_source_model()
    found = box.sources[0]
    positions, orders = found.images, found.orders
    near = np.sum((positions - np.array(room.mic, dtype=np.float32)[:, None]) ** 2, axis=0) <= reach_m**2
    positions, orders = positions[:, near], orders[near]
    moves = np.random.default_rng([room.seed, stream]).uniform(-DISPLACEMENT_M, DISPLACEMENT_M, positions.shape)
    positions = positions + np.where(orders > 0, moves, 0).astype(np.float32)
    distances = np.sqrt(np.sum((positions.astype(np.float64) - np.array(room.mic)[:, None]) ** 2, axis=0))
    return _Images(positions, orders, distances)


def _shoe_box(room: Room, source: Point, order: int, sampling_rate: int = 16_000):  # type: ignore[no-untyped-def]
    import pyroomacoustics

    # Its sums over images are split between threads: their number would change the last bits.
    pyroomacoustics.constants.set("num_threads", 1)
    box = pyroomacoustics.ShoeBox(room.size, fs=sampling_rate, max_order=order, air_absorption=False)
    box.add_source(list(source))
    box.add_microphone(list(room.mic))
    return box


def _solve_reflection(images: _Images, rt60_s: float, duration_s: float) -> float:
    """Return the share of energy a wall throws back with which the images' energies fall by 60 dB in `rt60_s`, by bisection."""
    step_s = 0.001
    start = images.distances_m.min() / SPEED_OF_SOUND
    steps = int(duration_s / step_s) + 2
    bins = ((images.distances_m / SPEED_OF_SOUND - start) / step_s).astype(np.int64)
    largest = int(images.orders.max())
    table = np.bincount(images.orders * steps + bins, weights=images.distances_m**-2.0, minlength=(largest + 1) * steps)
    by_order = table[: (largest + 1) * steps].reshape(largest + 1, steps)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        energies = np.sum(by_order * (middle ** np.arange(largest + 1))[:, None], axis=0)
        measured = decay_time(energies, step_s=step_s)
        low, high = (middle, high) if measured is not None and measured < rt60_s else (low, middle)
    return (low + high) / 2


def _response(room: Room, source: Point, images: _Images, reflection: float, sampling_rate: int) -> RoomResponse:
    box = _shoe_box(room, source, 0, sampling_rate)
    box.image_source_model()
    found = box.sources[0]
    found.images, found.orders = images.positions, images.orders
    found.damping = (reflection ** (images.orders[None] / 2)).astype(np.float32)
    box.visibility[0] = np.ones((1, images.orders.size), dtype=box.visibility[0].dtype)
    box.compute_rir()
    peak = ONSET + round(float(images.distances_m.min()) / SPEED_OF_SOUND * sampling_rate)
    end = peak + round(float(images.distances_m.max()) / SPEED_OF_SOUND * sampling_rate)
    return analyse(box.rir[0][0][peak - ONSET : end], direct=ONSET, sampling_rate=sampling_rate)


def fingerprint(room: Room, *, rt60_s: float, sampling_rate: int) -> str:
    """Return a hash of everything the responses depend on: the room, what is asked of it, this method and the library's version."""
    from importlib.metadata import version

    method = (VERSION, DISPLACEMENT_M, SIMULATED_DECAY_DB, SPEED_OF_SOUND, TOLERANCE, version("pyroomacoustics"))
    return hashlib.sha256(repr((astuple(room), rt60_s, sampling_rate, method)).encode()).hexdigest()


VERSION = 1
"""Raised whenever the same room would sound different."""
