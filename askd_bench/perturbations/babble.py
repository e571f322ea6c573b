"""Other people talking: one (crosstalk) or several at once (babble), each at the same active level."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import AudioError, UserError
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.levels import amplitude, speech_level
from askd_bench.types import SAMPLING_RATE, Samples, Utterance

FEWEST_TALKERS, MOST_TALKERS = 3, 7
LINES_PER_VOICE = 6
"""As many of a voice's lines are used, evenly over what it has: enough variety, few enough to stay decoded (the bundled accents: 30 MB)."""
LONGEST_LINE_S = 10.0
"""What follows in a line is not used, which bounds the memory of the cache."""
FADE_S = 0.01
"""Lines fade in and out over this time, so that joining them does not click."""


def voice(utterance: Utterance) -> str:
    """Return who speaks; an utterance without a speaker is a voice of its own."""
    return utterance.speaker or utterance.id


@lru_cache(maxsize=256)
def _line(audio: Path | bytes) -> Samples | None:
    """Return a line at an active level of 0 dBFS with its ends faded, None where it is unreadable or silent."""
    from askd_bench.audio import read_audio  # its decoders take longer to load than a suite to read

    try:
        samples = read_audio(audio)[: int(LONGEST_LINE_S * SAMPLING_RATE)]
    except AudioError:
        return None
    level = speech_level(samples).active_dbfs
    if level is None:
        return None
    ends = np.minimum(np.arange(samples.size), np.arange(samples.size)[::-1])
    fade = np.clip(ends / (FADE_S * SAMPLING_RATE), 0, 1)
    return np.asarray(samples * fade * amplitude(-level), dtype=np.float32)


def _one_voice(lines: Sequence[Utterance], num_samples: int, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Return the voice's lines in random order from a random moment of the first, round and round until the clip is full."""
    kept = lines[:: max(1, len(lines) // LINES_PER_VOICE)][:LINES_PER_VOICE]
    order = rng.permutation(len(kept))
    offset = float(rng.uniform())
    track: list[Samples] = []
    for index in order:
        samples = _line(kept[int(index)].audio)
        if samples is not None:
            track.append(samples)
        if track and sum(line.size for line in track) >= num_samples + int(offset * track[0].size):
            break
    if not track:
        return None
    start = int(offset * track[0].size)
    return np.resize(np.roll(np.concatenate(track), -start), num_samples).astype(np.float64)


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
    speaking = 0
    voices = sorted(lines)
    for index in rng.permutation(len(voices)):
        track = _one_voice(lines[voices[int(index)]], num_samples, rng)
        if track is not None:
            total += track
            speaking += 1
        if speaking == wanted:
            break
    if speaking < fewest:
        raise UserError(f"talkers: only {speaking} of {len(lines)} other speakers have readable speech; {fewest} or more are needed")
    return total, speaking
