"""Training on what a suite tests on is refused, by speaker and by recording, whatever the container."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_bench.types import Utterance
from askd_trainers.data.guard import AudioHashes, corpora_of_suites, refuse_overlap


@pytest.fixture(scope="module")
def dialogue():
    return list(open_corpus("dialogue"))


@pytest.fixture
def hashes(tmp_path):
    return AudioHashes(tmp_path / "hashes.json")


def test_development_speakers_may_be_trained_on(dialogue, hashes):
    refuse_overlap([u for u in dialogue if u.split == "dev"][:3], [("dialogue", dialogue[-4:])], hashes)
    assert len(json.loads(hashes.memory.read_text())) >= 3


def test_test_speaker_is_refused_by_name_in_any_case(dialogue, hashes):
    test = next(u for u in dialogue if u.split == "test")
    other = next(u for u in dialogue if u.split == "dev")
    mine = Utterance(id="mine", audio=other.audio, reference="x", speaker=test.speaker.upper())
    with pytest.raises(UserError, match=f"speaker '{test.speaker}' is in the test split of 'dialogue'"):
        refuse_overlap([mine], [("dialogue", [test])], hashes)


def test_test_recording_is_refused_in_another_container(dialogue, hashes, tmp_path: Path):
    test = next(u for u in dialogue if u.split == "test")
    copy = tmp_path / "renamed.wav"
    soundfile.write(copy, np.round(read_audio(test.audio) * 32_768).clip(-32_768, 32_767).astype(np.int16), 16_000)
    mine = Utterance(id="mine", audio=copy, reference="x", speaker="nobody")
    with pytest.raises(UserError, match=f"'mine' is the same recording as '{test.id}'"):
        refuse_overlap([mine], [("dialogue", [test])], hashes)


def test_all_bundled_suites_are_guarded_by_default():
    assert {"dialogue", "prompts"} <= {name for name, _ in corpora_of_suites(None)}
    assert [name for name, _ in corpora_of_suites(["noisy"])] == ["dialogue", "prompts"]


def test_recipe_that_shares_a_test_speaker_is_refused_before_anything_is_trained(make_recipe, dialogue, tmp_path):
    from askd_trainers.distil import prepare

    clips = [u for u in dialogue if u.split == "test" and (u.duration_s or 9) < 1.95][:4]
    manifest = tmp_path / "train.jsonl"
    rows = [{"id": u.id, "audio_filepath": str(u.audio), "text": u.reference, "speaker": u.speaker} for u in clips]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"data.train: (speaker|utterance) .* in the test split of"):
        prepare(make_recipe("kd", f"data.train='{manifest}'", "data.guard_suites=['noisy']"), tmp_path / "run")


def test_hashes_that_cannot_be_remembered_stop_nothing(dialogue, tmp_path, monkeypatch):
    hashes = AudioHashes(tmp_path / "hashes.json")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("askd_trainers.data.guard.os.replace", full)
    refuse_overlap([u for u in dialogue if u.split == "dev"][:1], [], hashes)
    assert not list(tmp_path.iterdir())
