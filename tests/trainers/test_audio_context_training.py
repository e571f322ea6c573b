"""Students on a short audio context: what the terms are made of, and that recipes run, resume and leave what can be loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_trainers.distil import prepare, train_recipe
from askd_trainers.objective.functions import hidden_state_error

SHORT = ("student.trainable='all'", "student.audio_context.margin=8", "optimisation.learning_rate=1e-4")


def shaken(checkpoint: Path, out: Path) -> Path:
    """Write a copy of a checkpoint with noise on its decoder: a student that is not its teacher yet."""
    shutil.copytree(checkpoint, out)
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    with torch.no_grad():
        for layer in model.model.decoder.layers:
            layer.fc2.weight += torch.randn_like(layer.fc2.weight)
    model.save_pretrained(out)
    return out


def test_the_error_of_states_is_a_mean_over_layers_and_dimensions():
    teacher, student = torch.zeros(3, 2, 4), torch.zeros(3, 2, 4, requires_grad=True)
    with torch.no_grad():
        student[0, 0, 0] = 2.0
    error = hidden_state_error(teacher, student)
    assert error.tolist() == pytest.approx([4 / 12, 0.0])
    error.sum().backward()
    assert student.grad[0, 0, 0] == pytest.approx(4 / 12)
    with pytest.raises(ValueError, match="student states"):
        hidden_state_error(teacher[:2], student)


def test_the_context_recipe_trains_all_weights_and_its_folder_works_at_full_context(make_recipe, tiny_teacher: Path, tmp_path: Path):
    start = shaken(tiny_teacher, tmp_path / "start")
    changes = (f"student.checkpoint='{start}'", *SHORT, "optimisation.learning_rate=1e-3", "optimisation.steps=10", "runtime.log_steps=1")
    student = train_recipe(make_recipe("context", *changes), tmp_path / "run")
    history = [entry for entry in json.loads((tmp_path / "run" / "log.json").read_text())["history"] if "hidden" in entry]
    assert history[-1]["hidden"] < history[0]["hidden"]
    assert json.loads((student / "config.json").read_text())["audio_context"] == {"margin": 8, "floor": 0, "rows": "first"}
    model = WhisperForConditionalGeneration.from_pretrained(student, dtype=torch.float32)
    teacher = WhisperForConditionalGeneration.from_pretrained(tiny_teacher, dtype=torch.float32)
    assert not torch.equal(model.model.encoder.layers[0].fc1.weight, teacher.model.encoder.layers[0].fc1.weight)
    assert model.model.encoder(torch.zeros(1, 80, 200)).last_hidden_state.shape == (1, 100, 16)


def test_a_batch_has_the_positions_of_its_longest_clip(make_recipe, tiny_teacher: Path, tmp_path: Path):
    run = prepare(make_recipe("context", f"student.checkpoint='{tiny_teacher}'", *SHORT), tmp_path)
    items = [run.train[i] for i in (2, 3)]
    batch = run.trainer.data_collator(items)
    frames = [item["student_features"].shape[1] for item in items]
    assert batch["student_features"].shape[2] == max(frames) < 200
    shortest = frames.index(min(frames))
    padding = batch["student_features"][shortest][:, frames[shortest] :]
    assert (padding == batch["student_features"][shortest].min()).all()


def test_a_teacher_with_the_same_context_hears_the_clean_line_on_it(make_recipe, tiny_teacher: Path, tmp_path: Path):
    first = train_recipe(make_recipe("context", f"student.checkpoint='{tiny_teacher}'", *SHORT), tmp_path / "first")
    changes = (f"student.checkpoint='{first}'", f"teacher='{first}'", "student.trainable='all'", "data.teacher_hears='clean'",
               "data.suite='noisy'", "data.conditions=['white-0dB']")  # fmt: skip
    run = prepare(make_recipe("kd", *changes), tmp_path / "second")
    assert run.encoders == {"student": None, "teacher": None}
    perturbed = run.train[len(run.train) - 1]
    clean = run.train[len(run.train) // 2 - 1]
    assert (perturbed["teacher_features"] == clean["student_features"]).all()
    assert (perturbed["student_features"] != clean["student_features"]).any()
    assert (train_recipe(make_recipe("kd", *changes), tmp_path / "second") / "config.json").is_file()
    with pytest.raises(UserError, match="audio context"):
        prepare(make_recipe("kd", *changes, "student.audio_context.margin=9"), tmp_path / "third")


def test_a_self_teacher_may_hear_the_clean_line(make_recipe, tiny_teacher: Path, tmp_path: Path):
    changes = (f"student.checkpoint='{tiny_teacher}'", *SHORT, "data.suite='noisy'", "data.conditions=['white-0dB']",
               "objective.self_teacher.hears='clean'", "objective.phase_a_fraction=0.2", "runtime.log_steps=1")  # fmt: skip
    recipe = make_recipe("askd", *changes)
    run = prepare(recipe, tmp_path / "a")
    perturbed = run.train[len(run.train) - 1]
    assert (perturbed["self_teacher_features"] == run.train[len(run.train) // 2 - 1]["student_features"]).all()
    train_recipe(recipe, tmp_path / "b")
    history = json.loads((tmp_path / "b" / "log.json").read_text())["history"]
    assert any(entry.get("self_kl", 0) > 0 for entry in history)


def test_encoder_and_decoder_may_have_rates_of_their_own(make_recipe, tiny_teacher: Path, tmp_path: Path):
    changes = (f"student.checkpoint='{tiny_teacher}'", *SHORT, "optimisation.encoder_learning_rate=3e-5")
    run = prepare(make_recipe("context", *changes), tmp_path)
    groups = run.trainer.create_optimizer().param_groups
    assert [group["lr"] for group in groups] == [1e-4, 3e-5]
    assert sum(p.numel() for group in groups for p in group["params"]) == sum(
        p.numel() for p in run.student.parameters() if p.requires_grad
    )


def test_the_student_reads_repeats_and_its_teacher_the_true_text(make_recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = prepare(make_recipe("kd", "data.repeats=1.0"), tmp_path)
    read: dict[str, list[torch.Tensor]] = {"student": [], "teacher": []}
    forward = run.trainer.family.forward

    def recorded(model, batch):
        read["teacher" if model is run.trainer.teacher else "student"].append(batch["decoder_input_ids"])
        return forward(model, batch)

    monkeypatch.setattr(run.trainer.family, "forward", recorded)
    batch = run.trainer.data_collator([run.train[i] for i in range(4)])
    run.trainer.compute_loss(run.trainer.model.train(), batch)
    [student], [teacher] = read["student"], read["teacher"]
    assert torch.equal(teacher, batch["decoder_input_ids"])
    assert student.shape[1] > teacher.shape[1]
    read["student"].clear()
    run.trainer.compute_loss(run.trainer.model.eval(), batch)
    assert torch.equal(read["student"][0], batch["decoder_input_ids"])
