"""A student exported for CTranslate2 runs by its folder, with the audio context of its checkpoint."""

import json

import pytest
from transformers import WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_bench.evaluation.speed import clips_within
from askd_bench.models.audio_context import CONFIG_FIELD
from askd_bench.models.load import load_transcriber
from askd_bench.paths import CHECKPOINTS_DIR
from askd_trainers.students.ctranslate2_export import export_ctranslate2
from askd_trainers.students.save import save_student

pytest.importorskip("ctranslate2")
CONTEXT = {"margin": 64, "floor": 0, "rows": "first"}


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The bundled checkpoint, with an audio context in its configuration."""
    model = WhisperForConditionalGeneration.from_pretrained(CHECKPOINTS_DIR / "whisper-tiny.en")
    setattr(model.config, CONFIG_FIELD, CONTEXT)
    folder = tmp_path_factory.mktemp("students") / "short"
    save_student(model, folder, source="whisper-tiny.en")
    return folder


def test_export_keeps_the_audio_context_and_transcribes_as_the_checkpoint(student, tmp_path):
    export_ctranslate2(str(student), tmp_path / "export", quantization="float32")
    assert json.loads((tmp_path / "export" / "config.json").read_text())[CONFIG_FIELD] == CONTEXT
    assert not (tmp_path / "export.part").exists()
    export, checkpoint = load_transcriber(str(tmp_path / "export")), load_transcriber(str(student), dtype="float32")
    assert export.card.decoding["runtime"].startswith("ctranslate2")
    assert export.card.decoding["audio_context"] == checkpoint.card.decoding["audio_context"]
    clips = clips_within("prompts", 2, export.window_s)
    theirs = checkpoint.transcribe([checkpoint.frontend(clip) for clip in clips])
    ours = export.transcribe([export.frontend(clip) for clip in clips])
    assert [one.text for one in ours] == [one.text for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.token_logprobs == pytest.approx(other.token_logprobs, abs=2e-3)


def test_what_cannot_be_exported_is_one_line(student, tmp_path):
    with pytest.raises(UserError, match=r"ctranslate2: 'int9' is no type of its weights \(allowed: int8, "):
        export_ctranslate2(str(student), tmp_path / "export", quantization="int9")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="is there already"):
        export_ctranslate2(str(student), tmp_path / "full")
    with pytest.raises(UserError, match="checkpoint: 'nowhere' cannot be read"):
        export_ctranslate2("nowhere", tmp_path / "export")
    assert not (tmp_path / "export").exists()
