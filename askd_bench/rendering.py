"""The exact audio a model transcribes: decode, perturb, bring under full scale, quantise, hash."""

import hashlib
from dataclasses import dataclass

import numpy as np

from askd_bench.audio import audio_sha256, read_utterance, to_int16
from askd_bench.perturbations.base import Scene
from askd_bench.suites import Condition
from askd_bench.types import SAMPLING_RATE, Realised, Samples, Utterance

SEED_RULE = "sha256(suite, version, condition, utterance)/1"
"""Names how perturbations are seeded; part of every signature."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Audio to transcribe (float32, exact multiples of 1/32768), the sha256 of its little-endian int16 samples, and what was done to it."""

    samples: Samples
    sha256: str
    realised: Realised


def seeded_generator(suite: str, version: int, condition: str, utterance: str) -> np.random.Generator:
    """Return the generator of one rendering: the same for the same four names on any machine, in any order, in any process."""
    seed = hashlib.sha256("\0".join((suite, str(version), condition, utterance)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))


def render(utterance: Utterance, condition: Condition, *, suite: str, version: int, scene: Scene) -> Rendered:
    """Render an utterance under a condition.

    Where the perturbed audio exceeds full scale, all of it (speech and noise alike, so that their ratio stays) is scaled down to it, and
    `realised["gain_db"]` says by how much.

    Raises:
        AudioError: the recording, or noise it needs, cannot be read.
    """
    samples = read_utterance(utterance)
    rng = seeded_generator(suite, version, condition.id, utterance.id)
    realised: dict[str, float | int | str | None] = {}
    for perturbation in condition.chain:
        perturbed = perturbation.apply(samples, sampling_rate=SAMPLING_RATE, rng=rng, scene=scene)
        samples = perturbed.samples
        realised.update(perturbed.realised)
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak > 1:
        samples = samples / np.float32(peak)
        realised["gain_db"] = -20 * float(np.log10(peak))
    quantised = to_int16(samples)
    rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in realised.items()}
    return Rendered((quantised / np.float32(32_768)).astype(np.float32), audio_sha256(quantised), rounded)
