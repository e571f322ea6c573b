"""Other people talking: one (crosstalk) or several at once (babble), each at the same active level."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askd_bench.audio import read_audio
from askd_bench.errors import AudioError, UserError
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.levels import amplitude, speech_level
from askd_bench.types import SAMPLING_RATE, Samples, Utterance

FEWEST_TALKERS, MOST_TALKERS = 3, 7
LONGEST_LINE_S = 10.0
"""Of a talker's line, what follows is not used, which bounds the memory of the cache."""


def voice(utterance: Utterance) -> str:
    """Return who speaks; an utterance without a speaker is a voice of its own."""
    return utterance.speaker or utterance.id


@lru_cache(maxsize=128)
def _line(audio: Path | bytes) -> Samples | None:
    """Return a line at an active level of 0 dBFS, None where it is unreadable or silent."""
    try:
        samples = read_audio(audio)[: int(LONGEST_LINE_S * SAMPLING_RATE)]
    except AudioError:
        return None
    level = speech_level(samples).active_dbfs
    return None if level is None else np.asarray(samples * np.float32(amplitude(-level)), dtype=np.float32)


def _one_voice(lines: Sequence[Utterance], num_samples: int, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Return the voice's lines in random order from a random moment of the first, round and round until the clip is full."""
    order = [lines[int(i)] for i in rng.permutation(len(lines))]
    offset = float(rng.uniform())
    track: list[Samples] = []
    missing = num_samples
    for position, utterance in enumerate(order):
        samples = _line(utterance.audio)
        if samples is None:
            continue
        samples = samples if track else np.roll(samples, -int(offset * samples.size))
        track.append(samples)
        missing -= samples.size
        if missing <= 0 or position == len(order) - 1:
            break
    if not track:
        return None
    return np.resize(np.concatenate(track), num_samples).astype(np.float64)


def babble(
    num_samples: int, sampling_rate: int, rng: np.random.Generator, *, scene: Scene, talkers: int | None
) -> tuple[NDArray[np.float64], int]:
    """Return the sum of `talkers` other speakers, and how many there are.

    Speakers are drawn without replacement, so that each voice is a different person and none is the one who is perturbed. Every line is
    first brought to the same active level.

    Args:
        num_samples: length of the clip.
        sampling_rate: must be 16000 Hz, the rate `read_audio` gives.
        rng: draws voices, order and offset.
        scene: its `talkers` are the pool, its `speaker` is left out.
        talkers: 1 for crosstalk, 3 to 7; None draws 3 to 7 for each utterance. Fewer where the pool has fewer other speakers, but
            never less than 3 (1 for crosstalk).

    Raises:
        UserError: fewer other speakers in the pool than that, or another rate.
    """
    if sampling_rate != SAMPLING_RATE:
        raise UserError(f"sampling_rate: {sampling_rate} does not work for babble; allowed: {SAMPLING_RATE}")
    lines: dict[str, list[Utterance]] = {}
    for utterance in scene.talkers:
        if voice(utterance) != scene.speaker:
            lines.setdefault(voice(utterance), []).append(utterance)
    fewest = 1 if talkers == 1 else FEWEST_TALKERS
    if len(lines) < fewest:
        raise UserError(f"talkers: {fewest} other speakers or more are needed; the pool has {len(lines)}")
    wanted = talkers if talkers is not None else int(rng.integers(FEWEST_TALKERS, MOST_TALKERS + 1))
    total = np.zeros(num_samples)
    heard = 0
    for index in rng.permutation(len(lines)):
        track = _one_voice(lines[sorted(lines)[int(index)]], num_samples, rng)
        if track is not None:
            total += track
            heard += 1
        if heard == wanted:
            break
    if heard < fewest:
        raise UserError(f"talkers: only {heard} of {len(lines)} other speakers have readable speech; {fewest} or more are needed")
    return total, heard
