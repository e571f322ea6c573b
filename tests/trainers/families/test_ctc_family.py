"""The same arms for a CTC student: framewise divergence on a small wav2vec 2.0 of random weights, overfitted on real clips."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC, Wav2Vec2Processor

from askd_trainers.distil import prepare
from askd_trainers.objective.functions import kl_divergence

CHARACTERS = ["<pad>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]


@pytest.fixture(scope="module")
def ctc_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ctc")
    (folder / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate(CHARACTERS)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>", word_delimiter_token="|")
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=True), tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(CHARACTERS), hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, conv_dim=(32,) * 4,
        conv_stride=(5, 4, 4, 4), conv_kernel=(10, 8, 8, 4), num_feat_extract_layers=4, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, pad_token_id=0, hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0,
        activation_dropout=0.0, layerdrop=0.0, final_dropout=0.0, mask_time_prob=0.0, initializer_range=0.3,
        feat_extract_norm="layer", do_stable_layer_norm=True,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def ctc(make_recipe, ctc_teacher, arm, *changes, validation=False):
    options = ("family=ctc", "student.trainable=all", "student.encoder_layers=2", f"teacher='{ctc_teacher}'", *changes)
    return make_recipe(arm, *options, validation=validation)


@pytest.mark.parametrize("arm", ["ce", "kd", "kd-label-smoothing", "kd-confidence-penalty", "kd-annealed", "kd-self", "askd"])
def test_every_arm_trains(make_recipe, ctc_teacher, tmp_path, arm):
    run = prepare(ctc(make_recipe, ctc_teacher, arm), tmp_path)
    before = run.student.lm_head.weight.detach().clone()
    run.trainer.train()
    assert run.student.config.num_hidden_layers == 2
    assert not torch.equal(before, run.student.lm_head.weight)
    last = [entry for entry in run.trainer.state.log_history if "loss" in entry][-1]
    assert np.isfinite(last["loss"])
    objective = run.recipe.objective
    assert ("teacher_kl" in last) == (objective.teacher is not None)
    assert ("self_kl" in last) == (objective.self_teacher is not None)


def test_divergence_is_the_mean_over_frames_that_hold_audio(make_recipe, ctc_teacher, tmp_path):
    run = prepare(ctc(make_recipe, ctc_teacher, "kd", "objective.teacher.cross_entropy_weight=0.0"), tmp_path)
    inputs = run.trainer._prepare_inputs(next(iter(run.trainer.get_train_dataloader())))
    run.student.eval()
    expected, frames = 0.0, 0
    with torch.no_grad():
        for features, length in zip(inputs["student_features"], inputs["student_lengths"], strict=True):
            clip = features[None, :length]
            mine, theirs = (model(clip).logits[0] for model in (run.student, run.teacher))
            expected += kl_divergence(theirs, mine, temperature=2.0).sum().item()
            frames += len(mine)
    loss = run.trainer.compute_loss(run.student, inputs)
    assert loss.item() == pytest.approx(4 * expected / frames, rel=1e-3)


def test_accumulated_batches_are_the_large_batch(make_recipe, ctc_teacher, tmp_path):
    weights = []
    for name, changes in (("whole", ()), ("parts", ("optimisation.micro_batch_size=2",))):
        run = prepare(ctc(make_recipe, ctc_teacher, "kd", "optimisation.steps=2", *changes), tmp_path / name)
        run.trainer.train()
        weights.append(run.student.lm_head.weight.detach())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-4, rtol=1e-3)


def test_learning_is_real(make_recipe, ctc_teacher, tmp_path):
    changes = ("optimisation.steps=60", "optimisation.learning_rate=3e-3", "optimisation.batch_size=3", "data.max_train_utterances=3")
    run = prepare(ctc(make_recipe, ctc_teacher, "ce", *changes, "runtime.log_steps=10"), tmp_path)
    run.trainer.train()
    losses = [entry["loss"] for entry in run.trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.5 * losses[0]
