"""Whisper's log-mel spectrogram in numpy, computed only where there is signal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.signal
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from askd_bench.models.audio_context import AudioContext
from askd_bench.types import Samples

_FLOOR_LOG10 = -10.0


@lru_cache(maxsize=1)
def _numpy_threads() -> ThreadpoolController:
    return ThreadpoolController()


@dataclass(frozen=True, slots=True)
class LogMel:
    """Front end of the Whisper family; equal to transformers' `WhisperFeatureExtractor` within 1e-4.

    Whisper pads every clip with zeros to its window. Frames of that padding are one constant, so that only frames that touch the clip are
    transformed: for a 2 s clip in a 30 s window a fifteenth of the work.

    Attributes:
        mel_filters: float32, shape (n_fft // 2 + 1, num_mels).
        n_fft: samples a frame (400: 25 ms).
        hop_length: samples from frame to frame (160: 10 ms).
        window_samples: the model's window; a longer clip is not cut but gives more frames, for long-form decoding.
        context: how much of the window a clip within it is to have; None for all.

    Source: Radford et al. 2022, section 2.2; https://github.com/openai/whisper (`log_mel_spectrogram`).
    """

    mel_filters: NDArray[np.float32]
    n_fft: int
    hop_length: int
    window_samples: int
    context: AudioContext | None = None

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """Return the spectrogram of a clip.

        Args:
            samples: float32, shape (num_samples,), 16 kHz, in [-1, 1].

        Returns:
            float32, shape (num_mels, window_samples // hop_length), or more frames for a clip longer than the window; with a context the
            first frames of that, two for each of the clip's positions.
        """
        half = self.n_fft // 2
        length = max(len(samples), self.window_samples)
        num_frames = length // self.hop_length
        kept_frames = num_frames
        if self.context is not None and len(samples) <= self.window_samples:
            kept_frames = 2 * self.context.positions(len(samples), num_frames // 2)
        used_frames = min(num_frames, (len(samples) + half) // self.hop_length + 1)
        used_samples = min(length, used_frames * self.hop_length + self.n_fft)
        padded = np.zeros(used_samples, np.float32)
        padded[: len(samples)] = samples
        padded = np.pad(padded, half, mode="reflect")
        frames = sliding_window_view(padded, self.n_fft)[:: self.hop_length][:used_frames]
        window = scipy.signal.get_window("hann", self.n_fft).astype(np.float32)
        power = np.abs(scipy.fft.rfft(frames * window, axis=1)) ** 2
        with _numpy_threads().limit(limits=1, user_api="blas"):  # on some processors a product's rounding depends on their number
            mel = power.astype(np.float32) @ self.mel_filters
        used = np.log10(np.maximum(mel, 10.0**_FLOOR_LOG10)).T
        log_spec = np.full((used.shape[0], max(used_frames, kept_frames)), _FLOOR_LOG10, np.float32)
        log_spec[:, :used_frames] = used
        features: NDArray[np.float32] = (np.maximum(log_spec, log_spec.max() - 8.0) + 4.0) / 4.0
        return np.ascontiguousarray(features[:, :kept_frames])


def of_equal_length(spectrograms: Sequence[NDArray[np.float32]], chosen: Iterable[int]) -> Iterable[list[int]]:
    """Return the chosen spectrograms, by their places, in groups of equally many frames: only these go into one array."""
    groups: dict[int, list[int]] = {}
    for place in chosen:
        groups.setdefault(spectrograms[place].shape[1], []).append(place)
    return groups.values()
