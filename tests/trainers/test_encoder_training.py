"""Alignment of encoders on a small Whisper and real clips."""

import json

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_trainers.distil import prepare, train_recipe
from askd_trainers.encoder import EncoderRecipe, make_datasets, train_encoder
from askd_trainers.families.choose import load_of
from askd_trainers.families.whisper import WhisperFamily
from askd_trainers.recipe_files import merged
from askd_trainers.trainer.regression import StateRegression
from askd_trainers.training_data import load_data


@pytest.fixture
def make_encoder_recipe(tiny_teacher, speech, held_out):
    """Return a function: changes to a recipe that aligns in a second."""

    def make(**changes: dict) -> EncoderRecipe:
        values = {
            "arm": "encoder",
            "teacher": str(tiny_teacher),
            "student": {"encoder_layers": 1, "decoder_layers": 1},
            "data": {
                "train": [str(speech)], "validation": str(held_out), "validation_split": "test", "guard_suites": [], "suite": "noisy",
                "conditions": ["speech-shaped-0dB"], "teacher_hears": "clean",
            },
            "optimisation": {"steps": 12, "batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 0, "precision": "float32"},
            "runtime": {"trackers": [], "eval_steps": 100, "save_steps": 100, "log_steps": 4},
        }  # fmt: skip
        return EncoderRecipe.model_validate(merged(values, changes))

    return make


def weights(folder):
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).state_dict()


def unexplained(run):
    history = json.loads((run / "log.json").read_text())["history"]
    names = {name: f"eval_unexplained_{name}" for name in ("clean", "perturbed")}
    return {name: [entry[key] for entry in history if key in entry] for name, key in names.items()}


def test_student_comes_nearer_to_the_teacher_and_its_decoder_stays(make_encoder_recipe, tiny_teacher, tmp_path):
    student = weights(train_encoder(make_encoder_recipe(), tmp_path / "run"))
    teacher = weights(tiny_teacher)
    for before, after in unexplained(tmp_path / "run").values():
        assert after < 0.8 * before
    assert not torch.equal(student["model.encoder.layers.0.fc1.weight"], teacher["model.encoder.layers.1.fc1.weight"].half().float())
    for name, values in student.items():
        if "decoder" in name:
            assert torch.equal(values, teacher[name.replace("layers.0", "layers.3")].half().float())


def test_copy_of_the_whole_encoder_has_nothing_to_learn(make_encoder_recipe, tmp_path):
    recipe = make_encoder_recipe(student={"encoder_layers": None}, optimisation={"steps": 1, "learning_rate": 1e-9})
    train_encoder(recipe, tmp_path)
    found = unexplained(tmp_path)
    assert found["clean"][0] < 1e-5  # what rounding to fp16 leaves
    assert found["perturbed"][0] > 0.01  # the teacher hears clean speech, the student noise


def test_shorter_window_is_compared_with_the_beginning_of_the_teachers(make_encoder_recipe, tmp_path):
    recipe = make_encoder_recipe(student={"window_seconds": 1.2}, optimisation={"steps": 1})
    student = train_encoder(recipe, tmp_path)
    assert weights(student)["model.encoder.embed_positions.weight"].shape[0] == 60
    assert json.loads((tmp_path / "data.json").read_text())["left_out"]["longer than the window"] > 0


@pytest.mark.parametrize("stop_after", [2, 12])
def test_killed_and_resumed_gives_the_same_student(make_encoder_recipe, tmp_path, monkeypatch, stop_after):
    recipe = make_encoder_recipe(runtime={"save_steps": 2})
    whole = weights(train_encoder(recipe, tmp_path / "whole"))
    save = StateRegression._save_checkpoint

    def save_and_die(self, *arguments):
        save(self, *arguments)
        if self.state.global_step == stop_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(StateRegression, "_save_checkpoint", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train_encoder(recipe, tmp_path / "cut")
    resumed = weights(train_encoder(recipe, tmp_path / "cut"))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_aligned_student_is_where_a_recipe_starts_and_the_teacher_hears_clean_speech(make_encoder_recipe, make_recipe, tmp_path):
    student = train_encoder(make_encoder_recipe(), tmp_path / "encoder", student=tmp_path / "aligned")
    recipe = make_recipe(
        "kd", f"student.checkpoint='{student}'", "data.suite=noisy", "data.conditions=['speech-shaped-0dB']", "data.teacher_hears=clean"
    )
    run = prepare(recipe, tmp_path / "kd")
    clips = len(run.train.examples) // 2
    assert run.train.uncached() == 2 * clips  # the student's states of noisy and clean speech: the teacher's were kept by the alignment
    clean, noisy = run.train[0], run.train[clips]
    assert (clean["teacher_states"] == noisy["teacher_states"]).all()
    assert (clean["student_features"] != noisy["student_features"]).any()
    made = weights(train_recipe(recipe, tmp_path / "kd"))
    assert torch.equal(made["model.encoder.layers.0.fc1.weight"], weights(student)["model.encoder.layers.0.fc1.weight"])


def test_done_is_not_done_again_and_another_recipe_is_refused(make_encoder_recipe, tmp_path):
    student = train_encoder(make_encoder_recipe(), tmp_path)
    stamp = (student / "config.json").stat().st_mtime_ns
    assert train_encoder(make_encoder_recipe(), tmp_path) == student
    assert (student / "config.json").stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="differs in packing"):
        train_encoder(make_encoder_recipe(packing={"alone": 0.5}), tmp_path)


def test_loss_that_is_not_finite_is_one_line(make_encoder_recipe, tmp_path):
    with pytest.raises(UserError, match=r"training: the loss is (nan|inf) at step"):
        train_encoder(make_encoder_recipe(optimisation={"learning_rate": 1e30}), tmp_path)


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_encoder_is_trained_in_the_precision_of_the_recipe(make_encoder_recipe, tmp_path, monkeypatch, precision):
    seen = set()
    loss = StateRegression.compute_loss

    def watched(self, model, *arguments, **options):
        hook = self.model.model.encoder.layers[0].fc1.register_forward_hook(lambda _, __, output: seen.add(output.dtype))
        try:
            return loss(self, model, *arguments, **options)
        finally:
            hook.remove()

    monkeypatch.setattr(StateRegression, "compute_loss", watched)
    train_encoder(make_encoder_recipe(optimisation={"precision": precision, "steps": 1}), tmp_path)
    assert seen == {torch.bfloat16 if precision == "bf16" else torch.float32}


def test_without_cache_states_are_computed_in_the_steps_and_the_student_is_the_same(make_encoder_recipe, tmp_path, monkeypatch):
    with_cache = weights(train_encoder(make_encoder_recipe(optimisation={"steps": 3}), tmp_path / "a"))
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path / "none"))
    without = weights(train_encoder(make_encoder_recipe(optimisation={"steps": 3}, runtime={"cache_gb": 0}), tmp_path / "b"))
    assert not (tmp_path / "none" / "encoder-states").exists()
    assert all(torch.equal(with_cache[name], without[name]) for name in with_cache)


def test_neither_suite_nor_validation_is_needed(make_encoder_recipe, tmp_path):
    nothing = {"suite": None, "conditions": [], "validation": None}
    recipe = make_encoder_recipe(data=nothing, packing={"alone": 1.0}, optimisation={"steps": 1})
    train_encoder(recipe, tmp_path)
    assert not any("eval_unexplained_clean" in entry for entry in json.loads((tmp_path / "log.json").read_text())["history"])


def test_babble_of_validation_speech_is_of_training_speakers(make_encoder_recipe, tmp_path):
    recipe = make_encoder_recipe(data={"conditions": ["babble-0dB"]}, optimisation={"steps": 1})
    models = load_of(WhisperFamily, recipe)
    train, validation, _ = load_data(recipe, models)
    _, held_out = make_datasets(recipe, train, validation, models.teacher, models.family)
    trained_on = {example.utterance.id for example in train}
    assert {talker.id for example in held_out.views[1] for talker in example.talkers} <= trained_on


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"suite": "srb", "conditions": ["speedup-1"]}}, "data.conditions: 'speedup-1' changes how long speech is"),
        ({"student": {"checkpoint": "whisper-tiny.en"}}, "student: encoder_layers and window_seconds are those of student.checkpoint"),
        (
            {"student": {"checkpoint": "whisper-tiny.en", "encoder_layers": None}},
            "has d_model 384, teacher .* 16: states cannot be compared",
        ),
    ],
)
def test_what_cannot_be_aligned_is_refused_before_anything_is_encoded(make_encoder_recipe, tmp_path, monkeypatch, changes, message):
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=message):
        train_encoder(make_encoder_recipe(**changes), tmp_path / "run")
    assert not list((tmp_path / "cache").rglob("*.npy"))


@pytest.mark.parametrize("pause_s", [[0.6, 0.1], [-1.0, -0.5]])
def test_pauses_are_two_lengths_in_order(make_encoder_recipe, pause_s):
    with pytest.raises(ValueError, match="the shorter first, neither negative"):
        make_encoder_recipe(packing={"pause_s": pause_s})


def test_run_from_before_a_field_was_there_goes_on(make_recipe, tmp_path):
    recipe = make_recipe("ce", "optimisation.steps=1")
    student = train_recipe(recipe, tmp_path)
    for folder in (tmp_path, student):
        stored = json.loads((folder / "recipe.json").read_text())
        del stored["data"]["teacher_hears"]
        (folder / "recipe.json").write_text(json.dumps(stored))
    assert train_recipe(recipe, tmp_path) == student
    with pytest.raises(UserError, match="differs in data"):
        train_recipe(make_recipe("ce", "optimisation.steps=1", "data.max_train_utterances=8"), tmp_path)


def test_teacher_with_the_students_encoder_hears_clean_speech_too(make_recipe, tmp_path):
    recipe = make_recipe("kd", "data.suite=noisy", "data.conditions=['speech-shaped-0dB']", "data.teacher_hears=clean")
    run = prepare(recipe, tmp_path)
    run.train.fill_cache()
    clips = len(run.train) // 2
    clean, noisy = run.train[0], run.train[clips]
    assert (noisy["teacher_states"] == clean["student_states"]).all()
    assert (noisy["student_states"] != clean["student_states"]).any()
