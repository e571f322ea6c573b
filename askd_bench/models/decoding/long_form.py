"""Decoding of clips longer than the window by a runtime that decodes one window at a time: from timestamp to timestamp."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from askd_bench.models.decoding.confidence import TokenConfidences
from askd_bench.models.protocol import Features

_FRAMES_A_TIMESTAMP = 2
"""A timestamp counts the encoder's states, each of two spectrogram frames."""


def decode_sequentially(
    features: Features, window_frames: int, *, end: int, first_timestamp: int, decode: Callable[[NDArray[np.float32]], TokenConfidences]
) -> TokenConfidences:
    """Decode window after window, and return the whole text, without timestamps.

    The next window starts where the last finished segment ended, so that no word is cut: what follows was cut off by the window, and is
    decoded again. Source: Radford et al. 2022, section 4.5 (windows shifted by timestamps alone: no temperature fallback, no earlier text
    in the prompt); windows are cut and padded as in transformers' `generate`, whose result this is.

    Args:
        features: float32, shape (num_mels, num_frames).
        window_frames: of the model.
        end: the token that ends a text; special tokens follow it.
        first_timestamp: the token of 0 s; later ones follow it.
        decode: given a window, shape (1, num_mels, window_frames), returns its tokens, timestamps among them, without the end's.
    """
    decoded = TokenConfidences()
    start = 0
    while start < features.shape[1]:
        window = features[:, start : start + window_frames]
        frames = window.shape[1]
        record = decode(np.pad(window, ((0, 0), (0, window_frames - frames)))[None])
        count, advance = finished(record.tokens, first_timestamp)
        decoded.extend(record, [i for i in range(count) if record.tokens[i] < end])
        start += advance or frames
    return decoded


def finished(tokens: Sequence[int], first_timestamp: int) -> tuple[int, int]:
    """Return how many tokens are final, and the frame at which to go on; 0 when all of the window was decoded.

    A segment ends where two timestamps stand together. One timestamp at the end says that nothing more is spoken.

    >>> finished([50, 7, 8, 60, 60, 9], first_timestamp=50)  # the second segment is unfinished
    (5, 20)
    >>> finished([50, 7, 8, 60, 60, 9, 70], first_timestamp=50)
    (7, 0)
    """
    stamps = [token >= first_timestamp for token in tokens]
    pairs = [i for i in range(len(tokens) - 1) if stamps[i] and stamps[i + 1]]
    if not pairs or stamps[-2:] == [False, True]:
        return len(tokens), 0
    last = pairs[-1]
    return last + 2, (tokens[last] - first_timestamp) * _FRAMES_A_TIMESTAMP
