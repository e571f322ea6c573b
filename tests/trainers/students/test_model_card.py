"""The model card, read back by the Hub's own library."""

import pytest
from huggingface_hub import ModelCard

from askd_trainers.recipe_files import load_recipe
from askd_trainers.students.model_card import model_card

DATA = {"utterances": 5, "hours": 0.01, "speakers": ["A", "B"], "examples": 5, "sha256": "0" * 64}
CURVE = [{"step": 0, "eval_wer": 1.2}, {"step": 10, "eval_wer": 0.1234}]
ENVIRONMENT = {"packages": {"torch": "2.13.0"}, "precision": "bf16"}


@pytest.mark.parametrize("arm", ["kd", "askd"])
def test_metadata_are_what_the_hub_reads(arm):
    card = ModelCard(model_card("mine", load_recipe(arm), DATA, CURVE, ENVIRONMENT))
    assert card.data.base_model == "openai/whisper-tiny.en"
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("wer", 12.34, "dialogue (dev)")
    assert result.task_type == "automatic-speech-recognition"
    assert card.data.model_name == "mine"


def test_askd_says_that_it_is_a_reconstruction_and_kd_does_not():
    cards = {arm: model_card("mine", load_recipe(arm), DATA, CURVE, ENVIRONMENT) for arm in ("kd", "askd")}
    assert "reconstruction" in cards["askd"]
    assert "gives no equations" in cards["askd"]
    assert "reconstruction" not in cards["kd"]


def test_licence_is_stated_where_it_is_known():
    cards = [
        model_card("mine", load_recipe("kd", [f"teacher={teacher}"]), DATA, CURVE, ENVIRONMENT) for teacher in ("whisper-tiny.en", "x/y")
    ]
    assert ['license: "mit"' in card for card in cards] == [True, False]


@pytest.mark.parametrize(("arm", "sentence"), [("ce", "`mine/base`, trained further by the `ce`"), ("kd", "with `whisper-tiny.en` as its")])
def test_student_from_a_checkpoint_has_its_name_and_not_the_teachers_licence(arm, sentence):
    card = model_card("mine", load_recipe(arm, ["student.checkpoint=mine/base"]), DATA, CURVE, ENVIRONMENT)
    assert ModelCard(card).data.base_model == "mine/base"
    assert "license:" not in card
    assert sentence in card


def test_card_says_what_was_heard_and_what_the_curve_is():
    plain = model_card("mine", load_recipe("kd"), DATA, CURVE, ENVIRONMENT)
    assert "`data/training/manifest.jsonl`: 5 utterances" in plain
    assert "perturbed under" not in plain
    assert "is a development set" in plain
    changes = ["data.suite=noisy", "data.validation_split=test"]
    other = model_card("mine", load_recipe("kd", changes), DATA, CURVE, ENVIRONMENT)
    assert "perturbed under conditions of the suite `noisy`" in other
    assert "The validation set is the split `test` of `dialogue`" in other
    assert "is a development set" not in other
