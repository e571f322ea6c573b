"""The bundled checkpoint, decoded once; small Whisper checkpoints with its tokenizer; three prompts; and a server that transcribes."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transcription_server import TranscriptionServer

from askd_bench.models.names import DEFAULT_MODEL, bundled_models

CHECKPOINT = bundled_models()[DEFAULT_MODEL]


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from transformers import WhisperTokenizer

    return WhisperTokenizer.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="session")
def transcriber() -> Any:
    from askd_bench.models.load import load_transcriber

    return load_transcriber(DEFAULT_MODEL, threads=1)


@pytest.fixture(scope="session")
def clips() -> list[Any]:
    """Four bundled utterances of three corpora as they are, and four under noise and babble, as a run renders them."""
    from askd_bench.corpora import open_corpus
    from askd_bench.perturbations.base import Scene
    from askd_bench.rendering import render
    from askd_bench.suites import load_suite

    suite = load_suite("noisy")
    pool = [sorted(open_corpus(name), key=lambda u: u.id) for name in ("prompts", "accents", "dialogue")]
    chosen = [pool[i % 3][7 + 11 * i] for i in range(8)]
    conditions = ["clean"] * 4 + ["white-5dB", "speech-shaped-10dB", "babble-10dB", "pink-0dB"]
    scene = Scene(talkers=tuple(open_corpus("accents"))[::40])
    return [
        render(utterance, suite.conditions[condition], suite=suite.name, version=suite.version, scene=scene).samples
        for utterance, condition in zip(chosen, conditions, strict=True)
    ]


@pytest.fixture(scope="session")
def long_clip() -> Any:
    """34 s: lines of one book, said twice."""
    import numpy as np

    from askd_bench.audio import read_audio
    from askd_bench.corpora import open_corpus

    return np.concatenate([read_audio(line.audio) for line in open_corpus("books")] * 2)[: 34 * 16_000]


@pytest.fixture(scope="session")
def transcriptions(transcriber: Any, clips: list[Any]) -> list[Any]:
    """What the bundled checkpoint makes of `clips`, in one batch."""
    return transcriber.transcribe([transcriber.frontend(clip) for clip in clips])


@pytest.fixture(scope="session")
def utterances() -> list[Any]:
    """Three bundled prompts, the shortest first."""
    from askd_bench.corpora import open_corpus

    known = {utterance.reference: utterance for utterance in open_corpus("prompts")}
    return [known[reference] for reference in ("There are currently", "That conference is full.", "All circuits are busy now.")]


@pytest.fixture(scope="session")
def speech(utterances: list[Any]) -> list[Any]:
    """The samples of `utterances`."""
    from askd_bench.audio import read_audio

    return [read_audio(utterance.audio) for utterance in utterances]


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that saves a tiny Whisper checkpoint of random weights and returns its folder."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    def make(name: str, *, generation: dict[str, Any] | None = None, window_positions: int = 500, **config: Any) -> Path:
        folder = tmp_path_factory.mktemp("checkpoints") / name
        torch.manual_seed(0)
        model = WhisperForConditionalGeneration(
            WhisperConfig(
                **{
                    "vocab_size": 51_864,
                    "d_model": 16,
                    "encoder_layers": 1,
                    "decoder_layers": 1,
                    "encoder_attention_heads": 2,
                    "decoder_attention_heads": 2,
                    "encoder_ffn_dim": 32,
                    "decoder_ffn_dim": 32,
                    "num_mel_bins": 80,
                    "max_source_positions": window_positions,
                    "max_target_positions": 48,
                    "pad_token_id": 50_256,
                    "bos_token_id": 50_257,
                    "eos_token_id": 50_256,
                    "decoder_start_token_id": 50_257,
                    "init_std": 0.5,
                    **config,
                }
            )
        )
        model.save_pretrained(folder)
        for file in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
            shutil.copy(CHECKPOINT / file, folder)
        if generation is not None:
            (folder / "generation_config.json").write_text(json.dumps(generation))
        return folder

    return make


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a key nor a proxy of whoever runs the tests."""
    for name in ("ASKD_BENCH_API_KEY", "OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[TranscriptionServer]:
    with TranscriptionServer() as one:
        yield one
