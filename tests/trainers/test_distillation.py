"""The trainer on a small Whisper and real clips: identities between arms, who gets gradients, how a step may be cut, what goes wrong."""

import errno
import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from askd_bench.errors import AudioError, UserError
from askd_bench.models.load import load_transcriber
from askd_trainers.distil import prepare, train_recipe
from askd_trainers.recipe import Recipe
from askd_trainers.trainer.checkpoints import last_checkpoint


def trained(recipe: Recipe, folder: Path) -> dict[str, torch.Tensor]:
    """Train and return the trained weights."""
    run = prepare(recipe, folder)
    run.trainer.train()
    return {name: p.detach().clone() for name, p in run.student.named_parameters() if p.requires_grad}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_constant_askd_without_phase_b_is_plain_kd_bit_for_bit(make_recipe, tmp_path):
    kd = make_recipe("kd", "objective.teacher.weight=0.5", "objective.teacher.cross_entropy_weight=0.5")
    whole = make_recipe("askd").objective.model_dump(exclude={"self_teacher"}) | {"phase_a_fraction": 1.0}
    whole["teacher"] = {"schedule": "constant", "weight": 0.5}
    askd = Recipe.model_validate(make_recipe("askd").model_dump() | {"objective": whole})
    assert same(trained(kd, tmp_path / "kd"), trained(askd, tmp_path / "askd"))


def test_teacher_as_student_has_no_divergence(make_recipe, tiny_teacher, tmp_path):
    run = prepare(make_recipe("kd", f"student.checkpoint='{tiny_teacher}'", validation=True), tmp_path)
    run.trainer.evaluate()
    assert run.trainer.state.log_history[-1]["eval_teacher_kl"] == 0


def test_gradients_reach_the_student_only_and_teachers_stay_in_eval(make_recipe, tmp_path):
    run = prepare(make_recipe("askd"), tmp_path)
    run.trainer.train()
    self_teacher = run.trainer.self_teacher.model
    for other in (run.teacher, self_teacher):
        assert not other.training
        assert all(p.grad is None and not p.requires_grad for n, p in other.named_parameters() if other is run.teacher or "layers" in n)
    run.student.train()
    for step in (0, run.recipe.optimisation.steps - 1):
        run.student.zero_grad()
        run.trainer.state.global_step = step
        batch = run.trainer._prepare_inputs(next(iter(run.trainer.get_train_dataloader())))
        run.trainer.compute_loss(run.student, batch).backward()
        with_gradient = {name for name, p in run.student.named_parameters() if p.grad is not None}
        assert with_gradient == {name for name, p in run.student.named_parameters() if p.requires_grad}
        assert all(name.startswith("model.decoder.layers.") for name in with_gradient)
        assert all(p.grad is None for p in (*run.teacher.parameters(), *self_teacher.parameters()) if not p.requires_grad)


def test_frozen_encoder_runs_once_a_batch_for_student_and_teacher(make_recipe, tmp_path):
    run = prepare(make_recipe("kd", "runtime.cache_gb=0"), tmp_path)
    calls = []
    for model in (run.student, run.teacher):
        model.model.encoder.register_forward_hook(lambda module, inputs, _: calls.append(inputs[0].shape[0]))
    batch = run.trainer._prepare_inputs(next(iter(run.trainer.get_train_dataloader())))
    run.trainer.compute_loss(run.student, batch)
    assert sum(calls) == 4  # four clips, each once


@pytest.mark.parametrize("arm", ["kd", "askd"])
def test_cache_changes_nothing(make_recipe, tmp_path, arm):
    with_cache, without = (make_recipe(arm, f"runtime.cache_gb={gb}") for gb in (1, 0))
    first = prepare(with_cache, tmp_path / "a")
    first.train.fill_cache()
    assert first.train.uncached() == 0
    assert same(trained(with_cache, tmp_path / "b"), trained(without, tmp_path / "c"))


@pytest.mark.parametrize("arm", ["ce", "kd-label-smoothing", "kd-confidence-penalty", "askd"])
def test_accumulated_batches_are_the_large_batch(make_recipe, tmp_path, arm):
    whole = trained(make_recipe(arm), tmp_path / "whole")
    parts = trained(make_recipe(arm, "optimisation.micro_batch_size=1"), tmp_path / "parts")
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, atol=2e-5, rtol=1e-4, msg=name)


def test_padding_does_not_change_the_loss(make_recipe, tmp_path):
    run = prepare(make_recipe("kd"), tmp_path)
    batch = run.trainer._prepare_inputs(next(iter(run.trainer.get_train_dataloader())))
    padded = dict(batch)
    for name, value in (("labels", -100), ("decoder_input_ids", 50256)):
        padded[name] = torch.nn.functional.pad(batch[name], (0, 9), value=value)
    one, other = (run.trainer.compute_loss(run.student, inputs) for inputs in (batch, padded))
    torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "schedule", "stop_after"),
    [("ema", "adaptive", 2), ("ema", "linear", 5), ("snapshot", "cosine", 4), ("previous-epoch", "linear", 3)],
)
def test_killed_and_resumed_gives_the_same_weights_bit_for_bit(make_recipe, tmp_path, kind, schedule, stop_after):
    recipe = make_recipe(
        "askd",
        f"objective.self_teacher.kind={kind}",
        f"objective.teacher.schedule={schedule}",
        "runtime.save_steps=1",
        "optimisation.steps=7",
    )
    whole = trained(recipe, tmp_path / "whole")
    cut = prepare(recipe, tmp_path / "cut")
    cut.trainer.add_callback(_Kill(stop_after))
    with pytest.raises(KeyboardInterrupt):
        cut.trainer.train()
    checkpoint = last_checkpoint(tmp_path / "cut")
    assert checkpoint is not None
    assert checkpoint.name == f"checkpoint-{stop_after}"
    resumed = prepare(recipe, tmp_path / "cut")
    resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
    assert same({n: p.detach() for n, p in resumed.student.named_parameters() if p.requires_grad}, whole)


def _Kill(step: int):
    from transformers import TrainerCallback

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == step:
                raise KeyboardInterrupt

    return Kill()


def test_all_arms_start_equal_and_see_the_same_batches_in_the_same_order(make_recipe, tmp_path):
    seen = []
    for arm in ("ce", "kd", "askd"):
        run = prepare(make_recipe(arm, "seed=3"), tmp_path / arm)
        order = [batch["index"].tolist() for batch in run.trainer.get_train_dataloader()]
        seen.append((order, {name: p.detach().clone() for name, p in run.student.named_parameters()}))
    assert all(order == seen[0][0] and same(weights, seen[0][1]) for order, weights in seen[1:])
    assert [b["index"].tolist() for b in prepare(make_recipe("ce", "seed=4"), tmp_path / "4").trainer.get_train_dataloader()] != seen[0][0]


def test_full_run_learns_and_leaves_everything_beside_the_student(make_recipe, tmp_path):
    changes = ("optimisation.steps=20", "optimisation.learning_rate=1e-2", "runtime.log_steps=1", "runtime.trackers=['tensorboard']")
    recipe = make_recipe("kd", *changes, "student.trainable=all", validation=True)
    student = train_recipe(recipe, tmp_path)
    for name in ("recipe.json", "data.json", "environment.json", "log.json", "curves.png", "README.md"):
        assert (student / name).stat().st_size > 100, name
    history = json.loads((student / "log.json").read_text())["history"]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]
    assert history[0]["step"] == 0
    assert "eval_wer" in history[0]
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert json.loads((student / "recipe.json").read_text()) == recipe.model_dump(mode="json")
    assert train_recipe(recipe, tmp_path) == student  # done is done
    with pytest.raises(UserError, match=r"holds a run of another recipe .differs in seed"):
        train_recipe(recipe.model_copy(update={"seed": 9}), tmp_path)


def test_loss_that_is_not_finite_stops_with_the_batch(make_recipe, tmp_path):
    run = prepare(make_recipe("kd"), tmp_path)
    with torch.no_grad():
        run.student.model.decoder.layers[0].fc1.weight[0, 0] = float("nan")
    with pytest.raises(UserError, match="the loss is nan at step 0; utterances of the batch: fotaq-"):
        run.trainer.train()


@pytest.mark.parametrize(
    "failure",  # as Python, and as torch's zip writer reports a full disk
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 2 vs 1")],
    ids=["python", "torch"],
)
def test_full_disk_while_saving_leaves_the_last_good_checkpoint(make_recipe, tmp_path, monkeypatch, failure):
    run = prepare(make_recipe("askd", "runtime.save_steps=2"), tmp_path)
    original = run.trainer._save_optimizer_and_scheduler

    def full(folder: str) -> None:
        if folder.endswith("-4"):
            raise failure
        original(folder)

    monkeypatch.setattr(run.trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(UserError, match=r"checkpoint-4 cannot be saved .*last good one is .*checkpoint-2"):
        run.trainer.train()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert not (tmp_path / "checkpoint-4").exists()
    again = prepare(make_recipe("askd", "runtime.save_steps=2"), tmp_path)
    again.trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert again.trainer.state.global_step == 5


def test_checkpoint_cut_short_is_not_resumed_from(make_recipe, tmp_path):
    run = prepare(make_recipe("ce", "runtime.save_steps=2"), tmp_path)
    run.trainer.train()
    newest = last_checkpoint(tmp_path)
    assert newest is not None
    (newest / "complete.json").unlink()
    older = last_checkpoint(tmp_path)
    assert older is not None
    assert older != newest


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ({"text": "word " * 80}, UserError, "utterance 'bad' has .* label tokens, more than the model's 63 positions"),
        ({"audio_filepath": "nowhere.wav"}, AudioError, "bad: does not exist"),
        ({"audio_filepath": "empty.wav"}, AudioError, "bad: is empty"),
    ],
)
def test_bad_data_is_refused_before_training(make_recipe, speech, tmp_path, line, error, message):
    (tmp_path / "empty.wav").write_bytes(b"")
    rows = [json.loads(row) for row in speech.read_text().splitlines()]
    bad = rows[0] | {"id": "bad"} | line
    bad.pop("duration")
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows[1:], bad]))
    with pytest.raises(error, match=message) as caught:
        prepare(make_recipe("kd", f"data.train='{tmp_path / 'bad.jsonl'}'"), tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_vocabularies_that_differ_are_refused_with_the_way_out(make_recipe, tiny_teacher, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_teacher, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"vocab_size": 51865}))
    with pytest.raises(UserError, match=r"vocabulary of 51865, teacher .* one of 51864: .*pseudo-label"):
        prepare(make_recipe("kd", f"student.checkpoint='{other}'"), tmp_path / "run")


def test_student_from_a_checkpoint_keeps_its_own_tokenizer_and_is_named_after_it(make_recipe, tiny_teacher, tmp_path):
    processor = WhisperProcessor.from_pretrained(tiny_teacher)
    processor.tokenizer.add_tokens(["qwx"])
    model = WhisperForConditionalGeneration.from_pretrained(tiny_teacher)
    model.resize_token_embeddings(len(processor.tokenizer))
    for part in (processor, model):
        part.save_pretrained(tmp_path / "other")
    student = train_recipe(make_recipe("ce", f"student.checkpoint='{tmp_path / 'other'}'", "optimisation.steps=1"), tmp_path / "run")
    assert student.name == "other-ce-s0"
    saved = WhisperProcessor.from_pretrained(student).tokenizer
    assert len(saved) == WhisperForConditionalGeneration.from_pretrained(student).config.vocab_size == len(processor.tokenizer)
    assert saved.convert_tokens_to_ids("qwx") == len(processor.tokenizer) - 1


def test_ruined_student_is_not_saved(make_recipe, tmp_path):
    recipe = make_recipe("ce", "optimisation.learning_rate=1e30", "optimisation.steps=1")
    with pytest.raises(UserError, match=r"student: \d+ of \d+ tensors are not finite in float16, 'model.decoder.layers.0.*learning_rate"):
        train_recipe(recipe, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*/README.md"))
    assert not list((tmp_path / "run").glob("*.part"))


def test_validation_that_is_not_finite_stops_the_run(make_recipe, tmp_path):
    run = prepare(make_recipe("kd", validation=True), tmp_path)
    with torch.no_grad():
        run.student.model.decoder.layers[0].fc1.weight[0, 0] = float("nan")
    with pytest.raises(UserError, match="the validation loss is not finite after 0 steps"):
        run.trainer.evaluate()


def test_batch_larger_than_the_data_is_refused(make_recipe, tmp_path):
    with pytest.raises(UserError, match="batch_size: 64 is more than the 12 training examples"):
        prepare(make_recipe("ce", "optimisation.batch_size=64"), tmp_path)


def test_shorter_window_has_its_own_encoder_and_trains(make_recipe, tmp_path):
    recipe = make_recipe("kd", "student.window_seconds=1.9", "student.trainable=decoder", "optimisation.steps=2")
    run = prepare(recipe, tmp_path)
    assert set(run.encoders) == {"student", "teacher"}
    run.trainer.train()
    assert run.trainer.state.global_step == 2


def test_trained_encoder_gets_gradients_and_the_teachers_stays_frozen(make_recipe, tmp_path):
    run = prepare(make_recipe("kd", "student.trainable=all", "student.encoder_layers=1", "optimisation.steps=2"), tmp_path)
    before = run.student.model.encoder.conv1.weight.detach().clone()
    theirs = run.teacher.model.encoder.conv1.weight.detach().clone()
    run.trainer.train()
    assert not torch.equal(before, run.student.model.encoder.conv1.weight)
    assert torch.equal(theirs, run.teacher.model.encoder.conv1.weight)


def test_conditions_of_a_suite_perturb_copies_the_same_way_each_time(make_recipe, tmp_path):
    recipe = make_recipe("ce", "data.suite=noisy", "data.conditions=['white-10dB','pink-5dB']", "data.variants=2")
    one, other = (prepare(recipe, tmp_path / name).train for name in "ab")
    assert len(one) == 36
    assert {e.condition.id for e in one.examples} == {"clean", "white-10dB", "pink-5dB"}
    for mine, theirs in zip(one.examples[10:30], other.examples[10:30], strict=True):
        assert (mine.samples() == theirs.samples()).all()
        assert mine.audio_key() == theirs.audio_key()
    assert len({e.audio_key() for e in one.examples}) == 36


def test_resumed_at_the_end_takes_no_further_step(make_recipe, tmp_path):
    recipe = make_recipe("askd", "runtime.save_steps=5", "optimisation.learning_rate_schedule=constant_with_warmup")
    whole = trained(recipe, tmp_path)
    again = prepare(recipe, tmp_path)
    again.trainer.train(resume_from_checkpoint=str(last_checkpoint(tmp_path)))
    assert again.trainer.state.global_step == 5
    assert same({n: p.detach() for n, p in again.student.named_parameters() if p.requires_grad}, whole)


def test_run_on_other_data_is_not_continued(make_recipe, speech, tmp_path):
    changed = tmp_path / "changed.jsonl"
    rows = [json.loads(line) for line in speech.read_text().splitlines()]
    changed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = make_recipe("ce", f"data.train='{changed}'", "runtime.save_steps=2")
    student = train_recipe(recipe, tmp_path / "run")
    shutil.rmtree(student)
    assert train_recipe(recipe, tmp_path / "run") == student
    shutil.rmtree(student)
    changed.write_text("".join(json.dumps(row | {"text": "other words"}) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"data.train: is not what the run in .* was begun with"):
        train_recipe(recipe, tmp_path / "run")


def test_run_that_failed_before_its_first_checkpoint_may_be_begun_otherwise(make_recipe, tmp_path):
    (tmp_path / "recipe.json").write_text("")
    recipe = make_recipe("ce", "optimisation.steps=1")
    student = train_recipe(recipe, tmp_path)
    (tmp_path / "recipe.json").write_text("")
    (student / "recipe.json").unlink()
    with pytest.raises(UserError, match=r"output: .*recipe.json is damaged"):
        train_recipe(recipe, tmp_path)


def test_tracker_that_cannot_start_is_one_line(make_recipe, tmp_path, monkeypatch):
    failure = type("UsageError", (Exception,), {"__module__": "wandb.errors"})

    def fail(*_, **__):
        raise failure("api_key not configured\n(no-tty)")

    monkeypatch.setattr("askd_trainers.trainer.resumable.Seq2SeqTrainer.train", fail)
    with pytest.raises(UserError, match=r"'wandb' cannot start: api_key not configured .no-tty.; use `wandb login`, .*WANDB_MODE=offline"):
        train_recipe(make_recipe("ce"), tmp_path)


def test_what_is_where_the_student_goes_is_not_touched(make_recipe, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"student: .*mine is there already"):
        train_recipe(make_recipe("ce"), tmp_path / "run", student=tmp_path / "mine")
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.validation={train}", "data.validation: speaker .* is in data.train too"),
        ("data.language=de", "data.language: 'de', .* English-only"),
        ("data.suite=clean", "data.suite: 'clean' has no condition that perturbs"),
        ("runtime.trackers=['wandb']", "runtime.trackers: 'wandb' is not installed"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_left(make_recipe, speech, tmp_path, monkeypatch, change, message):
    monkeypatch.setattr("askd_trainers.trainer.arguments.find_spec", lambda name: None)
    with pytest.raises(UserError, match=message):
        train_recipe(make_recipe("kd", change.format(train=f"'{speech}'"), validation=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_sharded_training_is_refused(make_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match="FSDP cannot be used"):
        prepare(make_recipe("ce"), tmp_path)


@pytest.mark.parametrize("language", [None, "en"])
def test_prompt_is_the_one_that_evaluation_decodes_with(make_recipe, tiny_teacher, tmp_path, language):
    family = prepare(make_recipe("ce", *([f"data.language={language}"] if language else [])), tmp_path).family
    assert tuple(family.prompt) == load_transcriber(str(tiny_teacher))._settings.prompt
