"""Audio seconds a second through rooms, with responses from memory and from disk, and what it costs to make a response."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askd_bench.audio import read_audio
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.far_field import FarField
from askd_bench.perturbations.response_cache import room_responses
from askd_bench.perturbations.rooms import draw_room, simulate
from askd_bench.types import SAMPLING_RATE

SECONDS = 10
SPEECH = np.resize(
    np.concatenate([read_audio(path) for path in sorted((CORPORA_DIR / "books" / "audio").iterdir())]), SECONDS * SAMPLING_RATE
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    return tmp_path_factory.getbasetemp() / "cache"


@pytest.mark.parametrize("responses", ["from-memory", "from-disk"])
@pytest.mark.parametrize("noise", [None, "speech-shaped"])
@pytest.mark.parametrize("rt60_s", [0.3, 0.9])
def test_render_ten_seconds(benchmark: Any, rt60_s: float, noise: str | None, responses: str) -> None:
    room = FarField.model_validate({"rt60_s": rt60_s, "distance_m": 2, "rooms": 4} | ({"noise": noise, "snr_db": 10} if noise else {}))
    for index in range(4):
        room_responses(index, rt60_s=rt60_s, distance_m=2.0, sampling_rate=SAMPLING_RATE)
    seeds = itertools.count()

    def render() -> object:
        if responses == "from-disk":
            room_responses.cache_clear()
        return room.apply(SPEECH, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(next(seeds)), scene=Scene())

    benchmark.pedantic(render, rounds=8, warmup_rounds=1)
    benchmark.extra_info["times_real_time"] = round(SECONDS / benchmark.stats.stats.min)


@pytest.mark.parametrize("rt60_s", [0.3, 0.5, 0.7, 0.9])
def test_make_the_responses_of_a_room(benchmark: Any, rt60_s: float) -> None:
    indices = itertools.count()

    def make() -> object:
        return simulate(draw_room(next(indices), rt60_s=rt60_s, distance_m=2.0), rt60_s=rt60_s, sampling_rate=SAMPLING_RATE)

    benchmark.pedantic(make, rounds=6)
