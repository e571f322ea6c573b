"""From corpora to utterances: what is read, chosen, left out and kept on disk."""

import dataclasses
import json

import pytest

from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_trainers.data import examples as data
from askd_trainers.data.examples import read_utterances, usable


def test_choice_of_a_part_is_always_the_same_and_grows(speech, tmp_path):
    parts = [read_utterances((str(speech),), split=None, limit=n, audio_folder=tmp_path) for n in (3, 3, 7)]
    ids = [[u.id for u in part] for part in parts]
    assert ids[0] == ids[1]
    assert set(ids[0]) < set(ids[2])
    assert len(ids[2]) == 7


def test_streamed_audio_goes_to_disk_once(speech, tmp_path, monkeypatch):
    streamed = [dataclasses.replace(u, audio=u.audio.read_bytes()) for u in open_corpus(str(speech))]
    monkeypatch.setattr(data, "open_corpus", lambda _: streamed)
    for _ in range(2):
        utterances = read_utterances(("hub:x",), split=None, limit=None, audio_folder=tmp_path / "audio")
    assert len(list((tmp_path / "audio").iterdir())) == len(streamed)
    assert [u.audio.read_bytes() for u in utterances] == [u.audio for u in streamed]


def test_long_clips_and_empty_references_are_left_out_and_counted(speech):
    utterances = list(open_corpus(str(speech)))
    utterances[0] = dataclasses.replace(utterances[0], reference="  ")
    utterances[1] = dataclasses.replace(utterances[1], duration_s=None)
    longest = sorted(u.duration_s or 0 for u in utterances)[-2]
    kept, dropped = usable(utterances, max_duration_s=longest)
    assert dropped["empty reference"] == 1
    assert dropped["longer than the window"] >= 1
    assert len(kept) + sum(dropped.values()) == len(utterances)
    assert all(u.duration_s is not None for u in kept)


def test_corpora_with_a_common_id_and_splits_without_utterance_are_refused(speech, tmp_path):
    with pytest.raises(UserError, match="occurs in more than one of"):
        read_utterances((str(speech), str(speech)), split=None, limit=None, audio_folder=tmp_path)
    with pytest.raises(UserError, match="no utterance of split 'dev'"):
        read_utterances((str(speech),), split="dev", limit=None, audio_folder=tmp_path)


def test_training_corpus_that_is_not_built_yet_is_refused_with_how_to_build_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data.train: data/training/manifest.jsonl is not there; python tools/build_corpora training"):
        read_utterances((data.BUILT,), split=None, limit=None, audio_folder=tmp_path)


def test_fingerprint_sees_text_audio_and_order(speech):
    examples = [data.Example(u, (1, 2)) for u in open_corpus(str(speech))]
    prints = {
        data.fingerprint(examples),
        data.fingerprint(examples[::-1]),
        data.fingerprint([dataclasses.replace(examples[0], labels=(1, 3)), *examples[1:]]),
        data.fingerprint([dataclasses.replace(examples[0], utterance=examples[1].utterance), *examples[1:]]),
    }
    assert len(prints) == 4
    assert data.fingerprint(examples) == data.fingerprint([data.Example(u, (1, 2)) for u in open_corpus(str(speech))])
    assert json.dumps(data.describe(examples, {}))
