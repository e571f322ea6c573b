"""Windows of a long clip: which tokens are final, and where the next one starts."""

import doctest

import numpy as np
import pytest

from askd_bench.models.decoding import long_form
from askd_bench.models.decoding.confidence import TokenConfidences
from askd_bench.models.decoding.long_form import decode_sequentially, finished

END, ZERO = 100, 150


def at(seconds: float) -> int:
    return ZERO + round(seconds / 0.02)


def test_examples() -> None:
    assert doctest.testmod(long_form).failed == 0


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], (0, 0)),
        ([1, 2, 3], (3, 0)),
        ([at(0), 1, 2, at(4)], (4, 0)),
        ([at(0), 1, at(2), at(2), 2, at(4), at(4)], (7, 400)),
        ([at(0), 1, at(2), at(3), 2, 3], (4, 200)),
        ([at(0), 1, at(2), at(3), 2, at(5)], (6, 0)),
    ],
)
def test_finished(tokens: list[int], expected: tuple[int, int]) -> None:
    assert finished(tokens, ZERO) == expected


def test_windows_start_where_segments_ended() -> None:
    features = np.arange(2 * 25, dtype=np.float32).reshape(2, 25)
    answers = [[at(0), 1, at(0.08), at(0.08), 2], [at(0), 2, 3, at(0.1)], [at(0), 4, END + 1]]
    heard = []

    def decode(window: np.ndarray) -> TokenConfidences:
        heard.append(window)
        tokens = answers[len(heard) - 1]
        return TokenConfidences(tokens, *([[float(i) for i in range(len(tokens))] for _ in range(2)]), [[float(t)] for t in tokens])

    record = decode_sequentially(features, 10, end=END, first_timestamp=ZERO, decode=decode)
    assert record == TokenConfidences([1, 2, 3, 4], [1.0, 1.0, 2.0, 1.0], [1.0, 1.0, 2.0, 1.0], [[1.0], [2.0], [3.0], [4.0]])
    assert [window[0, 0, 0] for window in heard] == [0, 8, 18]
    assert [window.shape for window in heard] == [(1, 2, 10)] * 3
    np.testing.assert_array_equal(heard[2][0], np.pad(features[:, 18:], ((0, 0), (0, 3))))


def test_a_segment_without_length_does_not_stand_still() -> None:
    silence, nothing = np.zeros((2, 25), np.float32), TokenConfidences([at(0), at(0)])
    assert decode_sequentially(silence, 10, end=END, first_timestamp=ZERO, decode=lambda _: nothing) == TokenConfidences()
