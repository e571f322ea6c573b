"""Audio seconds a second of added noise, tones and distortions: `extra_info["times_real_time"]` is what one core renders in the
fastest round.

Run with OMP_NUM_THREADS=1. The first round of babble decodes its talkers; it is left out as warm-up, as a run decodes them once a process.
"""

import itertools
from typing import Any

import numpy as np
import pytest

from askd_bench.audio import read_audio
from askd_bench.corpora.opening import open_corpus
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.levels import speech_level
from askd_bench.perturbations.registry import build_perturbation
from askd_bench.types import SAMPLING_RATE

LINES = [read_audio(utterance.audio) for utterance in list(open_corpus("prompts"))[:12]]
SECONDS = sum(line.size for line in LINES) / SAMPLING_RATE
SCENE = Scene(speaker="allison", talkers=list(open_corpus("accents")))

NOISES = ["white", "pink", "low-frequency", "speech-shaped", "room-tone", "hum", "impulsive", "breath", "babble", "crosstalk", "music"]
PERTURBATIONS = [
    *[("additive_noise", {"noise": noise, "snr_db": 5}) for noise in NOISES],
    ("line_tone", {"tone": "ring-back-us"}),
    ("echo", {"delay_ms": 250}),
    ("speed", {"factor": 1.25}),
    ("tempo", {"factor": 1.25}),
    ("pitch", {"semitones": 3, "direction": "up"}),
    ("resample", {"factor": 0.5}),
    ("gain", {"amplitude": 20}),
    ("low_pass", {"frequency_hz": 2833}),
    ("high_pass", {"frequency_hz": 1333}),
    ("phaser", {"decay": 0.5}),
    ("tremolo", {"depth_percent": 66}),
    ("treble", {"gain_db": 23}),
    ("bass", {"gain_db": 30}),
    ("chorus", {"delay_ms": 50}),
    ("bit_depth", {"bits": 6}),
    ("mp3", {"kbps": 16}),
    ("audiomentations.BandPassFilter", {}),
]


@pytest.mark.parametrize(("name", "parameters"), PERTURBATIONS, ids=["-".join([n, *map(str, p.values())]) for n, p in PERTURBATIONS])
def test_render_a_dozen_prompts(benchmark: Any, name: str, parameters: dict[str, object]) -> None:
    perturbation = build_perturbation(name, parameters)
    seeds = itertools.count()

    def render() -> None:
        for line in LINES:
            perturbation.apply(line, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(next(seeds)), scene=SCENE)

    benchmark.pedantic(render, rounds=7, warmup_rounds=20 if name == "additive_noise" else 2)
    benchmark.extra_info["times_real_time"] = round(SECONDS / benchmark.stats.stats.min)


def test_measure_the_speech_level(benchmark: Any) -> None:
    benchmark.pedantic(lambda: [speech_level(line) for line in LINES], rounds=7, warmup_rounds=2)
    benchmark.extra_info["times_real_time"] = round(SECONDS / benchmark.stats.stats.min)
