"""Noise added at a signal-to-noise ratio on active speech, or at an absolute level."""

import math
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from askd_bench.perturbations import generators
from askd_bench.perturbations.babble import FEWEST_TALKERS, MOST_TALKERS, babble
from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.perturbations.levels import NOMINAL_LEVEL_DBFS, amplitude, rms_dbfs, speech_level
from askd_bench.perturbations.recordings import bundled, in_folder, random_excerpt
from askd_bench.types import Realised, Samples

NoiseKind = Literal[
    "white", "pink", "low-frequency", "speech-shaped", "room-tone", "hum", "impulsive", "breath", "babble", "crosstalk", "music", "folder"
]

_GENERATORS = {
    "white": generators.white,
    "pink": generators.pink,
    "low-frequency": generators.low_frequency,
    "speech-shaped": generators.speech_shaped,
    "room-tone": generators.room_tone,
    "impulsive": generators.impulsive,
    "breath": generators.breath,
}


class AdditiveNoise(Perturbation):
    """Add noise: `y = x + g n`, with g such that active speech level - rms level of `g n` over the clip = `snr_db`.

    The speech is not touched; where the sum exceeds full scale, the renderer's common gain lowers both, which leaves the ratio alone.
    Where the clip holds no speech to measure, the noise gets the level it would have under speech at -26 dBFS.

    Realised: `snr_db` (active speech) and `snr_clip_db` (whole clip, pauses included), both measured on what was added and None for a
    silent clip, `noise_dbfs`, and what was drawn (`talkers`, `noise_file`).

    Attributes:
        noise: white, pink (1/f), low-frequency (car-like rumble), speech-shaped (LTASS of Byrne et al. 1994), room-tone (Hoth),
            mains hum, impulsive, breath, babble (3-7 other speakers), crosstalk (one), music (bundled excerpts), or folder (the user's
            recordings).
        snr_db: dB; exclusive with `level_dbfs`.
        level_dbfs: rms of the noise in dB relative to full scale, whatever the clip holds.
        talkers: of babble; None draws 3 to 7 for each utterance.
        mains_hz: of hum.
        category: of folder: a glob on path, folder name or ESC-50 label.
    """

    noise: NoiseKind
    snr_db: float | None = Field(None, ge=-30, le=60)
    snr_of: Literal["active-speech", "clip"] = "active-speech"
    level_dbfs: float | None = Field(None, ge=-90, le=0)
    talkers: int | None = Field(None, ge=FEWEST_TALKERS, le=MOST_TALKERS)
    mains_hz: Literal[50, 60] = 50
    category: str | None = None

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if (self.snr_db is None) == (self.level_dbfs is None):
            raise ValueError("give either snr_db or level_dbfs")
        for name, kind in (("talkers", "babble"), ("category", "folder")):
            if getattr(self, name) is not None and self.noise != kind:
                raise ValueError(f"{name} goes with noise = {kind!r} only")
        return self

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return speech plus noise.

        Raises:
            UserError: babble without three other speakers, music that is not installed, or a folder without recordings.
            AudioError: a recording cannot be read.
        """
        noise, drawn = self._draw(samples.size, sampling_rate, rng, scene)
        level = rms_dbfs(noise)
        if level == -math.inf:  # e.g. a one-sample clip at a zero crossing of the hum
            return Perturbed(samples, {"snr_db": None, "snr_clip_db": None, "noise_dbfs": None, **drawn})
        speech = speech_level(samples, sampling_rate=sampling_rate).active_dbfs
        signal = speech if self.snr_of == "active-speech" or speech is None else rms_dbfs(samples)
        noise = noise * amplitude(self._target_dbfs(signal) - level)
        noise_dbfs = rms_dbfs(noise)
        realised: dict[str, float | int | str | None] = {
            "snr_db": None if speech is None else speech - noise_dbfs,
            "snr_clip_db": None if speech is None else rms_dbfs(samples) - noise_dbfs,
            "noise_dbfs": noise_dbfs,
            **drawn,
        }
        return Perturbed((samples + noise).astype(np.float32), realised)

    def _target_dbfs(self, signal_dbfs: float | None) -> float:
        if self.level_dbfs is not None:
            return self.level_dbfs
        assert self.snr_db is not None  # one of the two is always given
        return (NOMINAL_LEVEL_DBFS if signal_dbfs is None else signal_dbfs) - self.snr_db

    def _draw(self, num_samples: int, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> tuple[NDArray[np.float64], Realised]:
        """Return noise of any level and what was drawn to make it."""
        if self.noise in ("babble", "crosstalk"):
            wanted = 1 if self.noise == "crosstalk" else self.talkers
            samples, talkers = babble(num_samples, sampling_rate, rng, scene=scene, talkers=wanted)
            return samples, {"talkers": talkers}
        if self.noise in ("music", "folder"):
            paths = bundled("music") if self.noise == "music" else in_folder(scene.noise_dir, self.category)
            samples, path = random_excerpt(paths, num_samples, sampling_rate, rng)
            inside = path.relative_to(scene.noise_dir).as_posix() if self.noise == "folder" and scene.noise_dir else path.name
            return samples, {"noise_file": inside}
        if self.noise == "hum":
            return generators.hum(num_samples, sampling_rate, rng, mains_hz=self.mains_hz), {}
        return _GENERATORS[self.noise](num_samples, sampling_rate, rng), {}
