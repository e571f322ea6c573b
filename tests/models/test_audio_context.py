import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import WhisperConfig

from askd_bench.errors import UserError
from askd_bench.models.audio_context import AudioContext, choose_context, from_config
from askd_bench.options import ModelOptions
from askd_bench.types import SAMPLING_RATE


@pytest.mark.parametrize(
    ("samples", "expected"),
    [(320, 65), (321, 66), (0, 64), (2 * SAMPLING_RATE, 164), (30 * SAMPLING_RATE - 64 * 320, 1500), (30 * SAMPLING_RATE, 1500)],
)
def test_a_clip_gets_its_own_positions_and_the_margin(samples, expected):
    assert AudioContext(margin=64).positions(samples, 1500) == expected


@given(samples=st.integers(0, 40 * SAMPLING_RATE), margin=st.integers(0, 2000), floor=st.integers(0, 1500))
def test_positions_lie_between_floor_and_window_and_cover_the_clip(samples, margin, floor):
    positions = AudioContext(margin=margin, floor=floor).positions(samples, 1500)
    assert floor <= positions <= 1500
    assert positions == 1500 or positions * 320 >= samples + margin * 320
    assert positions <= AudioContext(margin=margin, floor=floor).positions(samples + 1, 1500)


def test_a_checkpoint_keeps_it_through_transformers(tmp_path: Path):
    config = WhisperConfig(audio_context=AudioContext(margin=32, floor=100, rows="last").to_config())
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["audio_context"] == {"margin": 32, "floor": 100, "rows": "last"}
    assert from_config(WhisperConfig.from_pretrained(tmp_path)) == AudioContext(margin=32, floor=100, rows="last")
    assert from_config(WhisperConfig()) is None


@pytest.mark.parametrize(
    ("stored", "named"),
    [({"margin": -1}, "margin -1"), ({"margin": 1.5}, "margin 1.5"), ({"margin": 8, "rows": "middle"}, "rows 'middle'"),
     ({}, "config.json is {}"),
     (64, "config.json is 64"), ({"margin": 8, "x": 1}, "config.json is"), ({"margin": 8, "floor": 1501}, "floor 1501 is above the window"),
     ({"margin": True}, "margin True")],
)  # fmt: skip
def test_a_wrong_field_is_one_line_that_names_it(stored, named):
    with pytest.raises(UserError, match="audio_context") as raised:
        from_config(SimpleNamespace(audio_context=stored, max_source_positions=1500))
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_option_sets_the_margin_and_leaves_the_rest():
    stored = WhisperConfig(audio_context={"margin": 64, "floor": 100, "rows": "last"})
    assert choose_context(None, stored) == AudioContext(margin=64, floor=100, rows="last")
    assert choose_context("8", stored) == choose_context(8, stored) == AudioContext(margin=8, floor=100, rows="last")
    assert choose_context("full", stored) is None
    assert choose_context("0", WhisperConfig()) == AudioContext(margin=0)
    assert choose_context(None, WhisperConfig()) is None
    assert [str(choose_context(asked, stored)) for asked in ("8", "full")] == ["margin 8, floor 100, last rows", "None"]


@pytest.mark.parametrize("asked", [-1, "-1", "1.5", "whole", "", True, "٣"])
def test_a_wrong_option_is_one_line_that_says_what_is_allowed(asked):
    with pytest.raises(UserError, match=r"^audio_context: .* is out of range \(allowed: a whole number, 0 or more.*full\)$"):
        ModelOptions(audio_context=asked)
