"""Speed is measured on what was asked for, and its figures follow from the measured seconds."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stub_transcriber import HashingTranscriber

from askd_bench.errors import UserError
from askd_bench.evaluation import speed
from askd_bench.report.bench import bench_json, bench_table, write_benches

SECONDS_A_CLIP = 0.004


@dataclass
class Paced(HashingTranscriber):
    """Takes a known time for each clip."""

    calls: list[int] = field(default_factory=list)

    def transcribe(self, features: Sequence[Any]) -> list[Any]:
        self.calls.append(len(features))
        time.sleep(SECONDS_A_CLIP * len(features))
        return super().transcribe(features)


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Paced:
    transcriber = Paced()
    monkeypatch.setattr(speed, "load_transcriber", lambda *_, **__: transcriber)
    return transcriber


def test_every_batch_size_decodes_all_clips_after_a_warm_up(paced: Paced) -> None:
    measured = speed.bench("stub", clips=6, batch_sizes=[4, 1], rounds=2, warmup=3)
    assert paced.calls == [1] * 3 + [1] * 12 + [4, 2, 4] + [4, 2] * 2
    assert [one.batch_size for one in measured.speeds] == [1, 4]
    assert [one.batches for one in measured.speeds] == [12, 4]
    one, four = measured.speeds
    assert one.p50_s >= SECONDS_A_CLIP
    assert four.p95_s >= 4 * SECONDS_A_CLIP * 0.9  # interpolated between batches of four and of two
    assert one.clips_per_s <= 1 / SECONDS_A_CLIP
    assert one.rtfx == pytest.approx(one.clips_per_s * measured.audio_s / measured.clips)
    assert measured.clips == 6


def test_clips_beyond_the_window_are_left_out(paced: Paced) -> None:
    paced.window_s = 2.0
    measured = speed.bench("stub", clips=12, batch_sizes=[16], rounds=1, warmup=0)
    assert 0 < measured.clips < 12
    assert measured.audio_s <= 2.0 * measured.clips


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clips": 0}, "clips: 0 is out of range"),
        ({"rounds": 0}, "rounds: 0 is out of range"),
        ({"warmup": -1}, "warmup: -1 is out of range"),
        ({"batch_sizes": [4, 0]}, "batch_sizes: 0 is out of range"),
        ({"batch_sizes": []}, "batch_sizes: none is given"),
    ],
)
def test_bad_input_is_one_line(paced: Paced, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        speed.bench("stub", **options)
    assert not paced.calls


def test_a_model_without_timings_has_no_speed(paced: Paced) -> None:
    paced.timed = False  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="no speed of its own"):
        speed.bench("stub", clips=1)


def test_models_take_turns_batch_by_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order: list[str] = []

    class Noted(Paced):
        def transcribe(self, features: Sequence[Any]) -> list[Any]:
            order.append(self.card.id)
            return super().transcribe(features)

    both = {name: Noted(card=HashingTranscriber().card.model_copy(update={"id": name})) for name in ("teacher", "student")}
    both["student"].window_s = 2.0
    monkeypatch.setattr(speed, "load_transcriber", lambda model, _: both[model])
    measured = speed.bench_in_turns(["teacher", "student"], clips=8, batch_sizes=1, rounds=2, warmup=1)
    assert order == ["teacher", "student"] * (1 + 2 * measured[0].clips)
    assert [one.card.id for one in measured] == ["teacher", "student"]
    assert measured[0].clips == measured[1].clips < 8  # what fits the shorter window
    assert all(found.peak_memory_bytes is None for one in measured for found in one.speeds)

    write_benches(measured, tmp_path / "speed")
    assert json.loads((tmp_path / "speed" / "student.json").read_text()) == json.loads(bench_json(measured))[1]
    with pytest.raises(UserError, match="output: two models are called 'teacher'"):
        write_benches([measured[0], measured[0]], tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_table_and_json_hold_what_was_measured(paced: Paced) -> None:
    measured = speed.bench("stub", clips=2, batch_sizes=[1, 2], rounds=1)
    with (console := Console(width=200)).capture() as shown:
        console.print(bench_table(measured))
    rows = [line.split() for line in shown.get().splitlines() if line.strip()[:1] in ("1", "2")]
    assert len(rows) == 2
    assert f"{measured.speeds[0].clips_per_s:.2f}" in rows[0]
    again = json.loads(bench_json([measured]))
    assert again["speeds"][1]["batch_size"] == 2
    assert again["card"]["dtype"] == "float32"
