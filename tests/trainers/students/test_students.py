"""Students: which layers they copy, what is frozen, and that they load with plain `from_pretrained`."""

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_bench.models.names import bundled_models
from askd_trainers.students.init import export_student, init_student
from askd_trainers.students.layers import copied_layers, set_trainable, whisper_student
from askd_trainers.students.save import save_student

TEACHER = bundled_models()["whisper-tiny.en"]


@given(st.integers(1, 40), st.integers(1, 40))
def test_copied_layers_are_spread_and_end_with_the_last(teacher, student):
    if student > teacher:
        with pytest.raises(UserError, match="out of range"):
            copied_layers(teacher, student)
        return
    layers = copied_layers(teacher, student)
    assert len(set(layers)) == len(layers) == student
    assert layers == sorted(layers)
    assert layers[-1] == teacher - 1
    assert student == 1 or layers[0] == 0


@pytest.mark.parametrize(
    ("teacher", "student", "layers"), [(32, 2, [0, 31]), (12, 4, [0, 3, 7, 11]), (4, 2, [0, 3]), (6, 6, list(range(6)))]
)
def test_copied_layers_are_distil_whispers(teacher, student, layers):
    assert copied_layers(teacher, student) == layers


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A two-layer student beside a copy of the bundled teacher."""
    folder = tmp_path_factory.mktemp("checkpoints")
    shutil.copytree(TEACHER, folder / "whisper-tiny.en")
    assert init_student(str(folder / "whisper-tiny.en"), folder / "student", shared_weights=True)
    return folder


def test_shared_layout_loads_with_plain_from_pretrained(shared):
    index = json.loads((shared / "student" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {"decoder-layers.safetensors", "../whisper-tiny.en/frozen.safetensors"}
    assert sum(f.stat().st_size for f in (shared / "student").iterdir()) < 14e6
    student, report = WhisperForConditionalGeneration.from_pretrained(shared / "student", dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    teacher = WhisperForConditionalGeneration.from_pretrained(TEACHER, dtype=torch.float32)
    theirs, ours = teacher.state_dict(), student.state_dict()
    for name, tensor in ours.items():
        source = name.replace("decoder.layers.1.", "decoder.layers.3.")
        assert torch.equal(tensor, theirs[source]), name


def test_student_stands_alone_unless_asked_to_share(shared, tmp_path):
    assert not init_student(str(shared / "whisper-tiny.en"), shared / "alone")
    export_student(str(shared / "student"), shared / "exported")
    expected = WhisperForConditionalGeneration.from_pretrained(shared / "student").state_dict()
    for name in ("alone", "exported"):
        shutil.copytree(shared / name, tmp_path / name)  # as `cp -r` to another machine
        model, report = WhisperForConditionalGeneration.from_pretrained(tmp_path / name, output_loading_info=True)
        assert not report["missing_keys"]
        assert all(torch.equal(tensor, expected[key]) for key, tensor in model.state_dict().items())


def test_student_without_the_folder_it_shares_with_is_one_line(shared, tmp_path):
    shutil.copytree(shared / "student", tmp_path / "student")
    with pytest.raises(UserError, match=r"student: .* cannot be loaded: .*frozen.safetensors"):
        export_student(str(tmp_path / "student"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shared_layout_survives_moving_both_folders(shared, tmp_path):
    shutil.copytree(shared, tmp_path / "elsewhere")
    model = WhisperForConditionalGeneration.from_pretrained(tmp_path / "elsewhere" / "student")
    assert model.config.decoder_layers == 2


def test_shared_layout_loads_from_behind_a_link(shared, tmp_path):
    (tmp_path / "link").symlink_to(shared, target_is_directory=True)
    (shared / "deeper").mkdir()
    (tmp_path / "deeper").symlink_to(shared / "deeper", target_is_directory=True)
    assert init_student(str(tmp_path / "link" / "whisper-tiny.en"), tmp_path / "deeper" / "student", shared_weights=True)
    assert WhisperForConditionalGeneration.from_pretrained(shared / "deeper" / "student").config.decoder_layers == 2


def test_student_with_changed_embeddings_is_saved_whole(shared):
    student = WhisperForConditionalGeneration.from_pretrained(shared / "student", dtype=torch.float32)
    with torch.no_grad():
        student.model.decoder.layer_norm.weight.mul_(1.5)
    assert not save_student(student, shared / "whole", source=str(shared / "whisper-tiny.en"), shared_weights=True)
    again = WhisperForConditionalGeneration.from_pretrained(shared / "whole", dtype=torch.float32)
    torch.testing.assert_close(again.model.decoder.layer_norm.weight, student.model.decoder.layer_norm.weight, atol=0, rtol=1e-3)
    assert again.config.architectures == ["WhisperForConditionalGeneration"]


def test_shorter_window_and_fewer_encoder_layers(tiny_teacher, tmp_path):
    assert not init_student(str(tiny_teacher), tmp_path / "s", decoder_layers=3, encoder_layers=1, window_seconds=1)
    student = WhisperForConditionalGeneration.from_pretrained(tmp_path / "s", dtype=torch.float32)
    teacher = WhisperForConditionalGeneration.from_pretrained(tiny_teacher, dtype=torch.float32)
    assert (student.config.decoder_layers, student.config.encoder_layers, student.config.max_source_positions) == (3, 1, 50)
    positions = "model.encoder.embed_positions.weight"
    assert torch.equal(student.state_dict()[positions], teacher.state_dict()[positions][:50].half().float())
    assert json.loads((tmp_path / "s" / "processor_config.json").read_text())["feature_extractor"]["chunk_length"] == 1
    assert student(torch.zeros(1, 80, 100), decoder_input_ids=torch.tensor([[50257]])).logits.shape == (1, 1, 51864)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder_layers": 5}, "layers: 5 is out of range .allowed: 1 to the teacher's 4"),
        ({"decoder_layers": 0}, "layers: 0 is out of range"),
        ({"encoder_layers": 9}, "layers: 9"),
        ({"window_seconds": 31}, "window_seconds: 31 is out of range"),
    ],
)
def test_impossible_students_are_refused_and_nothing_is_written(tiny_teacher, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        init_student(str(tiny_teacher), tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_folder_with_something_in_it_is_refused(tiny_teacher, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        init_student(str(tiny_teacher), tmp_path)
    with pytest.raises(UserError, match="is there already"):
        init_student(str(tiny_teacher), tmp_path / "kept.txt")


def test_unknown_teacher_is_one_line(tmp_path):
    with pytest.raises(UserError, match="checkpoint: '/nowhere' cannot be read"):
        init_student("/nowhere", tmp_path / "s")


def test_teacher_without_weights_or_of_another_kind_is_one_line(tiny_teacher, tmp_path):
    for folder, config in (("bare", (tiny_teacher / "config.json").read_text()), ("bert", '{"model_type": "bert"}')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(config)
        with pytest.raises(UserError, match=f"teacher: .*{folder}' cannot be loaded") as caught:
            init_student(str(tmp_path / folder), tmp_path / "s")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"decoder_layers: 3 has no meaning for .*bert', a 'bert' model"):
        init_student(str(tmp_path / "bert"), tmp_path / "s", decoder_layers=3)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(("trainable", "frozen"), [("decoder-layers", 8), ("decoder", 4), ("all", 0)])
def test_what_is_trained(tiny_teacher, trainable, frozen):
    student = whisper_student(WhisperForConditionalGeneration.from_pretrained(tiny_teacher), decoder_layers=2)
    set_trainable(student, trainable)
    modules = {
        name.split(".layers")[0] if "encoder" in name[:14] else name for name, p in student.named_parameters() if not p.requires_grad
    }
    assert any(name.startswith("model.decoder.layers") for name, p in student.named_parameters() if p.requires_grad)
    assert any(name.startswith("model.encoder") for name in modules) == (trainable != "all")
    assert any("embed_tokens" in name for name in modules) == (trainable == "decoder-layers")
    assert any("decoder.layer_norm" in name for name in modules) == (trainable == "decoder-layers")


def test_code_that_comes_with_a_checkpoint_never_runs_and_nobody_is_asked(tmp_path, monkeypatch):
    folder, ran = tmp_path / "custom", tmp_path / "was-here"
    folder.mkdir()
    (folder / "own.py").write_text(
        f"open({str(ran)!r}, 'w')\nfrom transformers import PretrainedConfig\nclass Own(PretrainedConfig): pass\n"
    )
    auto = {"AutoConfig": "own.Own", "AutoModelForCTC": "own.Own", "AutoProcessor": "own.Own"}
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": auto}))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    with pytest.raises(UserError, match=r"needs code that comes with it .*--trust-remote-code"):
        init_student(str(folder), tmp_path / "out")
    assert not ran.exists()
