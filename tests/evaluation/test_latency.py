"""Latency over the length of clips: what is measured, and the line through it."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from stub_transcriber import HashingTranscriber

from askd_bench.errors import UserError
from askd_bench.evaluation import latency
from askd_bench.models.protocol import RawAudio
from askd_bench.report.bench import bench_json, latency_table

FIXED_S, PER_SECOND = 0.004, 0.002


@dataclass
class Paced(HashingTranscriber):
    """Takes a fixed time and more for each second of audio."""

    heard: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.frontend = RawAudio()  # type: ignore[assignment]

    def transcribe(self, features: Sequence[Any]) -> list[Any]:
        [samples] = features
        self.heard.append(len(samples))
        time.sleep(FIXED_S + PER_SECOND * len(samples) / 16_000)
        return super().transcribe([samples[None]])


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Paced:
    transcriber = Paced()
    monkeypatch.setattr(latency, "load_transcriber", lambda *_, **__: transcriber)
    return transcriber


def test_lengths_take_turns_after_a_warm_up(paced: Paced) -> None:
    measured = latency.bench_lengths("stub", [5, 2, 5], clips=3, rounds=2, warmup=1)
    assert paced.heard == [32_000, 80_000] + [32_000, 80_000] * 6
    assert [(one.seconds, one.measurements) for one in measured.lengths] == [(2, 6), (5, 6)]
    for one in measured.lengths:
        assert FIXED_S + PER_SECOND * one.seconds <= one.p50_s <= one.p95_s <= one.p99_s


def test_the_line_goes_through_what_lies_on_it(paced: Paced) -> None:
    exact = {length: [FIXED_S + PER_SECOND * length + noise for noise in (-0.001, 0.0, 0.001)] for length in (2.0, 5.0, 30.0)}
    found = latency.line(paced.card, exact)
    assert (found.fixed_s, found.per_second) == (pytest.approx(FIXED_S), pytest.approx(PER_SECOND))
    assert [one.p50_s for one in found.lengths] == pytest.approx([FIXED_S + PER_SECOND * length for length in exact])
    again = json.loads(bench_json([found]))
    assert again["lengths"][2]["seconds"] == 30.0
    with (console := Console(width=200)).capture() as shown:
        console.print(latency_table(found))
    assert [line.split()[0] for line in shown.get().splitlines() if line.strip()[:1].isdigit()] == ["2", "5", "30"]
    assert "0.004 + 0.0020·s" in shown.get()


def test_speech_is_joined_and_cut() -> None:
    clips = [np.full(3, value, np.float32) for value in (1, 2, 3)]
    assert latency.joined(clips, 1, 8).tolist() == [2, 2, 2, 3, 3, 3, 1, 1]
    assert latency.joined(clips, 5, 2).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("seconds", "options", "said"),
    [
        ([2.0], {}, "seconds: 2 is no line"),
        ([2.0, 31.0], {}, "seconds: 31 is out of range .allowed: above 0, and within the model's window of 30 s"),
        ([0.0, 2.0], {}, "seconds: 0 is out of range"),
        ([float("nan"), 2.0], {}, "seconds: nan is out of range"),
        ([2.0, 5.0], {"rounds": 0}, "rounds: 0 is out of range"),
    ],
)
def test_bad_input_is_one_line(paced: Paced, seconds: list[float], options: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        latency.bench_lengths("stub", seconds, **options)
    assert not paced.heard


def test_lengths_are_read() -> None:
    assert latency.parse_seconds("2,5, 30") == [2, 5, 30]
    with pytest.raises(UserError, match=r"seconds: '2,x' is no list of numbers"):
        latency.parse_seconds("2,x")
