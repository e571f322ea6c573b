"""Short audio context against transformers' `generate` on a checkpoint whose window is cut to the clip's positions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from askd_bench.models import load
from askd_bench.types import SAMPLING_RATE

END = 50_256
GENERATION = {
    "is_multilingual": False,
    "no_timestamps_token_id": 50_362,
    "decoder_start_token_id": 50_257,
    "bos_token_id": 50_257,
    "eos_token_id": END,
    "pad_token_id": END,
    "max_length": 48,
    "begin_suppress_tokens": [220, END],
    "suppress_tokens": [1, 2, 7, 8, 9],
}
MARGIN = 20
LENGTHS = [0.3, 2.0, 2.0, 5.5, 9.7, 10.0]


def load_transcriber(model: Path, **options: Any) -> Any:
    return load.load_transcriber(str(model), **{"threads": 1, **options})


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1 * (1 + seed), round(seconds * SAMPLING_RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    return [noise(seconds, seed) for seed, seconds in enumerate(LENGTHS)]


@pytest.fixture(scope="module", params=["first", "last"])
def checkpoint(request: pytest.FixtureRequest, make_checkpoint: Callable[..., Path]) -> Path:
    """Random weights, a window of 10 s, and the field in its config.json."""
    field = {"margin": MARGIN, "floor": 0, "rows": request.param}
    return make_checkpoint(f"short-{request.param}", generation=GENERATION, audio_context=field)


@pytest.fixture(scope="module")
def transcriber(checkpoint: Path) -> Any:
    return load_transcriber(checkpoint)


def cut_to(checkpoint: Path, positions: int) -> WhisperForConditionalGeneration:
    """Return the checkpoint as plain transformers has it, its window cut to so many positions."""
    whole = WhisperForConditionalGeneration.from_pretrained(checkpoint)
    rows = whole.config.audio_context["rows"]
    state = whole.state_dict()
    embedded = state["model.encoder.embed_positions.weight"]
    state["model.encoder.embed_positions.weight"] = embedded[:positions] if rows == "first" else embedded[-positions:]
    whole.config.max_source_positions = positions
    cut = WhisperForConditionalGeneration(whole.config).eval()
    cut.load_state_dict(state)
    cut.generation_config = whole.generation_config
    return cut


def generated(checkpoint: Path, transcriber: Any, features: np.ndarray, **how: Any) -> str:
    oracle = cut_to(checkpoint, features.shape[1] // 2)
    ids = oracle.generate(torch.from_numpy(features)[None], do_sample=False, return_timestamps=False, **how)[0].tolist()
    text: str = transcriber._parts.text([token for token in ids if token < END])
    return text


def texts(transcriptions: Sequence[Any]) -> list[str]:
    return [one.text for one in transcriptions]


@pytest.mark.parametrize("num_beams", [1, 2])
def test_text_equals_generate_on_a_model_of_that_window(num_beams: int, checkpoint: Path, clips: list[Any]) -> None:
    transcriber = load_transcriber(checkpoint, num_beams=num_beams)
    features = [transcriber.frontend(clip) for clip in clips]
    assert [one.shape[1] for one in features] == [2 * min(500, round(seconds * 50) + MARGIN) for seconds in LENGTHS]
    expected = [generated(checkpoint, transcriber, one, num_beams=num_beams) for one in features]
    assert texts(transcriber.transcribe(features)) == expected
    assert len(set(expected)) == len(expected)


def test_a_row_hangs_on_no_other_row_of_its_batch(transcriber: Any, clips: list[Any]) -> None:
    features = [transcriber.frontend(clip) for clip in clips]
    alone = [transcriber.transcribe([one])[0] for one in features]
    for chosen in ([0, 1, 2, 3, 4, 5], [5, 0], [1, 2], [3, 1, 0]):
        for one, i in zip(transcriber.transcribe([features[i] for i in chosen]), chosen, strict=True):
            assert one.text == alone[i].text
            np.testing.assert_allclose(one.token_logprobs, alone[i].token_logprobs, atol=1e-3)


def test_a_clip_longer_than_the_window_is_decoded_as_at_full_context(transcriber: Any, checkpoint: Path, clips: list[Any]) -> None:
    full = load_transcriber(checkpoint, audio_context="full")
    long = noise(12.0, 1)
    assert np.array_equal(transcriber.frontend(long), full.frontend(long))
    short, heard = transcriber.transcribe([transcriber.frontend(clips[1]), transcriber.frontend(long)])
    assert (short.long_form, heard.long_form) == (False, True)
    assert heard == full.transcribe([full.frontend(long)])[0]
    assert short.text == transcriber.transcribe([transcriber.frontend(clips[1])])[0].text


def test_where_the_context_comes_from(transcriber: Any, checkpoint: Path, make_checkpoint: Callable[..., Path]) -> None:
    """The checkpoint, or the option, which leaves the checkpoint's rows; "full" leaves no trace in the card."""
    plain = make_checkpoint("plain", generation=GENERATION)
    rows = ", last rows" if checkpoint.name.endswith("last") else ""
    loaded = {
        f"margin {MARGIN}{rows}": transcriber,
        f"margin 7{rows}": load_transcriber(checkpoint, audio_context="7"),
        "margin 7": load_transcriber(plain, audio_context=7),
    }
    for expected, one in loaded.items():
        assert one.card.decoding["audio_context"] == expected
    whole = [load_transcriber(checkpoint, audio_context="full"), load_transcriber(plain), load_transcriber(plain, audio_context="full")]
    assert all("audio_context" not in one.card.decoding for one in whole)
    assert len({one.encoder_key for one in [*loaded.values(), *whole[:1]]}) == len(loaded) + 1
    assert whole[0].encoder_key == whole[1].encoder_key == whole[2].encoder_key
