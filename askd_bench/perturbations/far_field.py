"""Speech from across a simulated room, alone or with a noise somewhere in the same room."""

import math
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from askd_bench.perturbations.additive_noise import AdditiveNoise, NoiseKind
from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.perturbations.impulse_responses import RoomResponse, reverberate, reverberate_steady
from askd_bench.perturbations.levels import NOMINAL_LEVEL_DBFS, amplitude, rms_dbfs, speech_level
from askd_bench.perturbations.response_cache import room_responses
from askd_bench.types import Realised, Samples

SnrBand = Literal["above-14", "8-12", "below-6"]
SNR_BANDS_DB: dict[SnrBand, tuple[float, float]] = {"above-14": (14.0, 20.0), "8-12": (8.0, 12.0), "below-6": (0.0, 6.0)}
"""dB. The two open ones are closed at 20 dB, where noise no longer tells, and at 0 dB."""


class FarField(Perturbation):
    """Play the speech in a simulated room (see `rooms`) and record it `distance_m` away with one omnidirectional microphone.

    Each utterance draws one of the `rooms` rooms that belong to its reverberation time and distance; the same rooms serve all noise
    bands. The direct sound stays where it was, to within half a sample; the recording is as long as the speech, so that the room's tail
    after the last sample is cut (Kaldi's `wav-reverberate --shift-output` does the same). The level is brought back to the active
    level of the input: what distance does is in the direct-to-reverberant ratio, not in the loudness.

    A noise sounds from one point of the same room through its own response, and has been sounding before the clip begins. Its level is
    set against the active level of the *reverberant* speech at the microphone; see `AdditiveNoise` for the kinds.

    Realised: `rt60_s` (T20 of the response used, within 10 % of what was asked; T30 is longer, see docs/SUITES.md), `drr_db`,
    `distance_m`, `room_m3`, `room`, and with noise `snr_db` and what was drawn to make it.

    Attributes:
        rt60_s: reverberation time to tune the walls for.
        distance_m: from mouth to microphone.
        noise: kind of the noise source, or None.
        snr_band: a band of SNR in dB to draw from, uniformly; exclusive with `snr_db`.
        snr_db: the SNR itself.
        rooms: size of the pool.
    """

    rt60_s: float = Field(ge=0.15, le=1.0)
    distance_m: float = Field(ge=0.5, le=6)
    noise: NoiseKind | None = None
    snr_band: SnrBand | None = None
    snr_db: float | None = Field(None, ge=-30, le=60)
    rooms: int = Field(16, ge=1, le=1000)

    @model_validator(mode="after")
    def _noise_has_a_level(self) -> Self:
        levels = (self.snr_band is not None) + (self.snr_db is not None)
        if levels != (self.noise is not None):
            raise ValueError("give noise together with either snr_band or snr_db, or none of them")
        return self

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the far-field recording.

        Raises:
            UserError: the distance fits into no room, or the noise has nothing to be made from.
        """
        index = int(rng.integers(self.rooms))
        mouth, source, volume_m3 = room_responses(index, rt60_s=self.rt60_s, distance_m=self.distance_m, sampling_rate=sampling_rate)
        wet = at_level_of(samples, reverberate(samples, mouth), sampling_rate=sampling_rate)
        realised: Realised = {
            "rt60_s": mouth.rt60_s,
            "drr_db": mouth.drr_db,
            "distance_m": self.distance_m,
            "room_m3": volume_m3,
            "room": index,
        }
        if self.noise is not None:
            noise, drawn = self._noise(self.noise, wet, source, sampling_rate, rng, scene)
            realised = {**realised, **drawn}
            wet = wet + noise
        return Perturbed(wet.astype(np.float32), realised)

    def _noise(
        self, kind: NoiseKind, speech: NDArray[np.float64], room: RoomResponse, sampling_rate: int, rng: np.random.Generator, scene: Scene
    ) -> tuple[NDArray[np.float64], Realised]:
        wanted_db = float(rng.uniform(*SNR_BANDS_DB[self.snr_band])) if self.snr_band else (self.snr_db or 0.0)
        silence = np.zeros(speech.size + room.response.size - 1, dtype=np.float32)
        dry = AdditiveNoise(noise=kind, level_dbfs=NOMINAL_LEVEL_DBFS).apply(silence, sampling_rate=sampling_rate, rng=rng, scene=scene)
        wet = reverberate_steady(dry.samples, room)
        active = speech_level(speech, sampling_rate=sampling_rate).active_dbfs
        level = rms_dbfs(wet)
        if level > -math.inf:
            wet = wet * amplitude((NOMINAL_LEVEL_DBFS if active is None else active) - wanted_db - level)
        realised: dict[str, float | int | str | None] = {"snr_db": None if active is None else active - rms_dbfs(wet)}
        return wet, realised | {name: value for name, value in dry.realised.items() if name in ("talkers", "noise_file")}


def at_level_of(dry: Samples, wet: NDArray[np.float64], *, sampling_rate: int) -> NDArray[np.float64]:
    """Return `wet` at the active speech level of `dry`, as it is where either is silent."""
    before = speech_level(dry, sampling_rate=sampling_rate).active_dbfs
    after = speech_level(wet, sampling_rate=sampling_rate).active_dbfs
    return wet if before is None or after is None else wet * amplitude(before - after)
