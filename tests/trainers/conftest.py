"""A small Whisper of random weights with the real tokenizer, and a corpus of real clips short enough for its two-second window."""

import json
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration, WhisperProcessor

from askd_bench.corpora import open_corpus
from askd_bench.models.names import bundled_models
from askd_trainers.recipe import Recipe
from askd_trainers.recipe_files import load_recipe

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four decoder layers over two encoder layers, 16 dimensions, 51,864 words."""
    source = bundled_models()["whisper-tiny.en"]
    folder = tmp_path_factory.mktemp("models") / "teacher"
    torch.manual_seed(1)
    config = WhisperConfig.from_pretrained(source)
    config.update(
        {
            "d_model": 16, "encoder_layers": 2, "decoder_layers": 4, "num_hidden_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
            "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_source_positions": 100, "max_target_positions": 64,
            "init_std": 0.3, "dtype": "float32",
        }
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    with torch.no_grad():  # special tokens other than the end have logit -16, so that what is decoded is text
        model.model.decoder.layer_norm.bias.fill_(1.0)
        model.model.decoder.embed_tokens.weight[50257:] = -1.0
    model.generation_config = GenerationConfig.from_pretrained(source)
    model.generation_config.max_length = 64
    model.save_pretrained(folder)
    WhisperProcessor.from_pretrained(source).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real clips of under two seconds, from the development speakers."""
    return manifest_of("dev", 12, tmp_path_factory.mktemp("speech") / "speech.jsonl")


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three such clips of other speakers, to validate on."""
    return manifest_of("test", 3, tmp_path_factory.mktemp("held-out") / "held-out.jsonl")


def manifest_of(split: str, count: int, manifest: Path) -> Path:
    clips = [u for u in open_corpus("dialogue") if u.split == split and (u.duration_s or 9) < 1.95][:count]
    assert len(clips) == count
    rows = [
        {"id": u.id, "audio_filepath": str(u.audio), "text": u.reference, "duration": u.duration_s, "speaker": u.speaker} for u in clips
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep cached states out of the user's cache folder; one folder for the whole session."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("ASKD_CACHE", str(folder))
    return folder


@pytest.fixture
def make_recipe(tiny_teacher: Path, speech: Path, held_out: Path):  # type: ignore[no-untyped-def]
    """Return a function: arm and changes to a recipe that trains in a second, without validation unless asked for."""

    def make(arm: str, *changes: str, validation: bool = False) -> Recipe:
        recipe = load_recipe(
            arm,
            [
                f"teacher='{tiny_teacher}'", f"data.train='{speech}'", f"data.validation='{held_out}'", "data.validation_split='test'",
                "data.guard_suites=[]", "optimisation.steps=5", "optimisation.batch_size=4",
                "optimisation.warmup_steps=0", "optimisation.precision='float32'", "optimisation.learning_rate=1e-3",
                "runtime.log_steps=5", "runtime.eval_steps=100", "runtime.save_steps=100", "runtime.trackers=[]",
                *(["student.checkpoint=" + f"'{tiny_teacher}'"] if arm == "teacher-finetuned" else []), *changes,
            ],
        )  # fmt: skip
        return recipe if validation else recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": None})})

    return make
