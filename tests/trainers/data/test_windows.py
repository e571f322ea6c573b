"""Packing of utterances into windows, on real clips."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_trainers.data.examples import Example
from askd_trainers.data.windows import Piece, alone, audio_key, lay, length_in_samples, pack


@given(lengths=st.lists(st.integers(1, 100), max_size=40), seed=st.integers(0, 99), pause=st.tuples(st.integers(0, 9), st.integers(9, 30)))
def test_every_utterance_stands_once_within_a_window_after_a_pause(lengths, seed, pause):
    windows = pack(lengths, 100, pause=pause, rng=np.random.default_rng(seed))
    assert sorted(piece.utterance for window in windows for piece in window) == list(range(len(lengths)))
    for window in windows:
        assert window[0].start == 0
        ends = [piece.start + lengths[piece.utterance] for piece in window]
        assert ends[-1] <= 100
        assert all(pause[0] <= piece.start - end <= pause[1] for end, piece in zip(ends, window[1:], strict=False))
    assert windows == pack(lengths, 100, pause=pause, rng=np.random.default_rng(seed))


@pytest.fixture
def examples(speech):
    return [Example(utterance, (1,)) for utterance in open_corpus(str(speech))]


def test_audio_stands_where_the_window_says_and_is_silent_between(examples):
    first, second = (example.samples() for example in examples[:2])
    start = len(first) + 1000
    audio = lay((Piece(0, 0), Piece(1, start)), examples)
    assert audio.dtype == np.float32
    assert np.array_equal(audio[: len(first)], first)
    assert not audio[len(first) : start].any()
    assert np.array_equal(audio[start:], second)
    assert all(0 <= length_in_samples(example) - len(example.samples()) <= 32 for example in examples)


def test_window_of_one_has_the_key_of_its_utterance_and_others_hang_on_order_and_place(examples):
    (window,) = alone([3])
    assert np.array_equal(lay(window, examples), examples[3].samples())
    assert audio_key(window, examples) == examples[3].audio_key()
    keys = {audio_key(w, examples) for w in [(Piece(0, 0), Piece(1, 9)), (Piece(0, 0), Piece(1, 8)), (Piece(1, 0), Piece(0, 9)), window]}
    assert len(keys) == 4


def test_recording_that_is_not_as_long_as_its_record_says_is_refused(examples):
    utterance = dataclasses.replace(examples[0].utterance, duration_s=1.0 + (examples[0].utterance.duration_s or 0))
    with pytest.raises(UserError, match=f"data: utterance '{utterance.id}' is .* s long, and its record says"):
        lay((Piece(0, 0),), [Example(utterance, (1,))])
