"""Longer utterances out of short ones: every sample and every word is where it was, and nothing mixes speakers or splits."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_trainers.data.joining import join_utterances, joined_text


@pytest.fixture(scope="module")
def speech(speech, tmp_path_factory):
    """Lines of two splits, one of nobody's and one that is longer than anything joined."""
    rows = [json.loads(line) for line in speech.read_text().splitlines()]
    rows = [row | {"split": "dev" if number % 3 else "train"} for number, row in enumerate(rows)]
    rows[0]["speaker"] = None
    long = next(u for u in open_corpus("dialogue") if (u.duration_s or 0) > 6)
    rows.append({"id": long.id, "audio_filepath": str(long.audio), "text": long.reference, "speaker": rows[1]["speaker"], "split": "dev"})
    manifest = tmp_path_factory.mktemp("two-splits") / "speech.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(scope="module")
def made(speech, tmp_path_factory):
    out = tmp_path_factory.mktemp("joined") / "out"
    return out, join_utterances(str(speech), out, longest_s=6)


def _rows(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_joined_utterances_hold_the_samples_and_words_of_their_parts(made, speech):
    out, done = made
    parts = {u.id: u for u in open_corpus(str(speech))}
    rows = _rows(out)
    assert done.made == len(rows) == len(list(open_corpus(str(out))))
    assert done.used + done.left == len(parts)
    assert {row["split"] for row in rows} == {"train", "dev"}
    assert done.used == sum(len(row["joined"]) for row in rows) == len({part for row in rows for part in row["joined"]})
    for row, utterance in zip(rows, open_corpus(str(out)), strict=True):
        samples = read_audio(utterance.audio)
        assert row["duration"] == pytest.approx(len(samples) / 16000, abs=1e-3)
        assert row["duration"] <= 6
        assert len(row["joined"]) > 1
        assert {parts[part].speaker for part in row["joined"]} == {row["speaker"]}
        assert {parts[part].split for part in row["joined"]} == {row["split"]}
        assert row["text"] == joined_text([parts[part].reference for part in row["joined"]])
        pauses = row["duration"] - sum(len(read_audio(parts[part].audio)) for part in row["joined"]) / 16000
        assert 0.1 - 0.01 <= pauses / (len(row["joined"]) - 1) <= 0.6 + 0.01
        first, last = (read_audio(parts[row["joined"][at]].audio) for at in (0, -1))
        np.testing.assert_allclose(samples[: len(first)], np.clip(first, -1, 1), atol=2**-15)
        np.testing.assert_allclose(samples[-len(last) :], np.clip(last, -1, 1), atol=2**-15)
        energy = sum(float(np.square(np.clip(read_audio(parts[part].audio), -1, 1)).sum()) for part in row["joined"])
        assert float(np.square(samples).sum()) == pytest.approx(energy, rel=1e-3), "nothing is lost in between, and pauses are silent"


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(made, speech, tmp_path):
    out, _ = made
    join_utterances(str(speech), tmp_path / "again", longest_s=6)
    join_utterances(str(speech), tmp_path / "other", longest_s=6, seed=1)
    manifest = (out / "manifest.jsonl").read_bytes()
    assert (tmp_path / "again" / "manifest.jsonl").read_bytes() == manifest
    assert (tmp_path / "other" / "manifest.jsonl").read_bytes() != manifest
    for file in sorted((out / "audio").iterdir()):
        assert (tmp_path / "again" / "audio" / file.name).read_bytes() == file.read_bytes()


def test_a_share_is_written_alone_too_and_what_is_joined_stays_as_it_was(made, speech, tmp_path):
    out, done = made
    with_alone = join_utterances(str(speech), tmp_path / "out", longest_s=6, alone=1)
    joined, rows = (_rows(folder) for folder in (out, tmp_path / "out"))
    assert rows[: len(joined)] == joined
    lone = {row["joined"][0]: row for row in rows[len(joined) :]}
    originals = {u.id: u for u in open_corpus(str(speech)) if u.speaker and len(read_audio(u.audio)) <= 6 * 16000}
    assert set(lone) == set(originals) >= {part for row in joined for part in row["joined"]}
    assert with_alone.made == len(joined) + len(lone)
    assert with_alone.used == len(lone) >= done.used
    for id, row in lone.items():
        assert row["joined"] == [id]
        assert row["text"] == originals[id].reference
        heard = read_audio(tmp_path / "out" / row["audio_filepath"])
        np.testing.assert_allclose(heard, np.clip(read_audio(originals[id].audio), -1, 1), atol=2**-15)


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1, max_size=5))
def test_texts_keep_their_words(texts):
    assert joined_text(texts).replace(".", "").split() == texts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"longest_s": 0}, "longest: 0 s is out of range"),
        ({"longest_s": 31}, "longest: 31 s is out of range"),
        ({"pause_s": (0.5, 0.1)}, r"pause: 0.5 to 0.1 s is out of range"),
        ({"pause_s": (0, float("inf"))}, r"pause: 0 to inf s is out of range"),
        ({"alone": 1.5}, r"alone: 1.5 is out of range \(allowed: a share, 0 to 1\)"),
        ({"longest_s": 0.9}, "corpus: .* has no two utterances of one speaker that fit into 0.9 s"),
    ],
)
def test_what_cannot_be_joined_is_one_line_and_leaves_no_corpus(options, message, speech, tmp_path):
    with pytest.raises(UserError, match=message):
        join_utterances(str(speech), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_a_corpus_is_left_alone(made, speech):
    out, _ = made
    before = (out / "manifest.jsonl").read_bytes()
    with pytest.raises(UserError, match="holds a corpus; choose another folder"):
        join_utterances(str(speech), out)
    assert (out / "manifest.jsonl").read_bytes() == before
