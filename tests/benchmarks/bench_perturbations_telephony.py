"""Audio seconds a second through telephone calls: `extra_info["times_real_time"]` is what one core renders in the fastest round."""

import itertools
from typing import Any

import numpy as np
import pytest

from askd_bench.audio import read_audio
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.base import Scene
from askd_bench.perturbations.codecs import CODECS
from askd_bench.perturbations.registry import build_perturbation
from askd_bench.types import SAMPLING_RATE

SECONDS = 10
SPEECH = np.resize(
    np.concatenate([read_audio(path) for path in sorted((CORPORA_DIR / "books" / "audio").iterdir())]), SECONDS * SAMPLING_RATE
)

CALLS = [
    *[("telephony", {"codec": codec}) for codec in CODECS],
    *[("telephony", {"codec": codec, "loss_percent": 10}) for codec in ("g711-mulaw", "amr-nb-12.2", "opus-12")],
    ("telephony", {"codec": "gsm-fr", "tandem": "gsm-fr"}),
    ("packet_loss", {"loss_percent": 10}),
]


@pytest.mark.parametrize(("name", "parameters"), CALLS, ids=["-".join([name, *map(str, values.values())]) for name, values in CALLS])
def test_render_ten_seconds(benchmark: Any, name: str, parameters: dict[str, object]) -> None:
    perturbation = build_perturbation(name, parameters)
    seeds = itertools.count()

    def render() -> object:
        return perturbation.apply(SPEECH, sampling_rate=SAMPLING_RATE, rng=np.random.default_rng(next(seeds)), scene=Scene())

    benchmark.pedantic(render, rounds=5, warmup_rounds=1)
    benchmark.extra_info["times_real_time"] = round(SECONDS / benchmark.stats.stats.min)
