"""Averages of a student with the weights it started from: the ends are the two, the best on dev is what is kept."""

import json

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from askd_bench.errors import UserError
from askd_trainers.average import average_with_start
from askd_trainers.distil import train_recipe


def weights(folder):
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).state_dict()


def test_best_share_on_dev_is_kept_and_recorded(make_recipe, tiny_teacher, tmp_path):
    recipe = make_recipe("kd", f"student.checkpoint='{tiny_teacher}'", "optimisation.learning_rate=3e-2", validation=True)
    student = train_recipe(recipe, tmp_path / "run")
    tried = average_with_start(student, tmp_path / "out", [0, 0.5, 1])
    record = json.loads((tmp_path / "out" / "average.json").read_text())
    best = min(tried, key=lambda one: (one.dev.wer, one.dev.cross_entropy))
    assert record["kept"] == best.share
    assert [one["share"] for one in record["tried"]] == [0, 0.5, 1]
    log = [entry for entry in json.loads((student / "log.json").read_text())["history"] if "eval_wer" in entry]
    assert tried[0].dev.cross_entropy == pytest.approx(log[-1]["eval_cross_entropy"], rel=0.02)  # the student was saved in float16
    assert tried[2].dev.cross_entropy == pytest.approx(log[0]["eval_cross_entropy"])
    start, trained, made = weights(tiny_teacher), weights(student), weights(tmp_path / "out")
    name = "model.decoder.layers.0.fc1.weight"
    torch.testing.assert_close(made[name], best.share * start[name] + (1 - best.share) * trained[name], atol=2e-3, rtol=2e-3)
    assert f"averaged: {best.share:g}" in (tmp_path / "out" / "README.md").read_text()


def test_an_earlier_start_than_the_last_stage_s(make_recipe, tiny_teacher, tmp_path):
    changes = ("optimisation.learning_rate=3e-2", "student.trainable='all'")
    first = train_recipe(make_recipe("kd", f"student.checkpoint='{tiny_teacher}'", *changes, validation=True), tmp_path / "first")
    second = train_recipe(make_recipe("kd", f"student.checkpoint='{first}'", *changes, validation=True), tmp_path / "second")
    average_with_start(second, tmp_path / "out", [0.5], start=str(tiny_teacher))
    start, trained, made = weights(tiny_teacher), weights(second), weights(tmp_path / "out")
    name = "model.decoder.layers.0.fc1.weight"
    torch.testing.assert_close(made[name], 0.5 * start[name] + 0.5 * trained[name], atol=2e-3, rtol=2e-3)
    assert json.loads((tmp_path / "out" / "average.json").read_text())["start"] == str(tiny_teacher)


@pytest.mark.parametrize(("shares", "message"), [([0, 1.5], "shares: 1.5 is out of range"), ([], "shares: none is given")])
def test_shares_out_of_range_are_one_line(tmp_path, shares, message):
    with pytest.raises(UserError, match=message):
        average_with_start(tmp_path, tmp_path / "out", shares)
