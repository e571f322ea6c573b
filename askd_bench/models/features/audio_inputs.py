"""From features to the tensors that a model's `forward` takes, by the checkpoint's own feature extractor."""

from collections.abc import Sequence

import torch
from transformers import AutoFeatureExtractor, Wav2Vec2FeatureExtractor

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import Checkpoint
from askd_bench.models.features.waveform import Waveform
from askd_bench.models.protocol import Features
from askd_bench.types import SAMPLING_RATE

_FRAME_OF_MOONSHINE_STREAMING = 80
"""Samples; its processor pads clips to multiples of them (`MoonshineStreamingProcessor`)."""


class AudioInputs:
    """Pads a batch, with an attention mask; where the model takes a spectrogram, computes that first.

    Spectrograms are left to transformers, and to this process because most of its extractors need torch; their time is part of the model's.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype) -> None:
        """Load a checkpoint's feature extractor.

        Raises:
            UserError: there is none, or none for 16 kHz.
        """
        self._extractor = checkpoint.load_part(AutoFeatureExtractor)
        rate = self._extractor.sampling_rate
        if rate != SAMPLING_RATE:
            raise UserError(f"model: {checkpoint.argument!r} has a feature extractor for {rate} Hz (allowed: {SAMPLING_RATE} Hz)")
        self._extractor.padding_side = "right"
        self._takes_waveform = isinstance(self._extractor, Wav2Vec2FeatureExtractor)
        self._multiple = _FRAME_OF_MOONSHINE_STREAMING if checkpoint.config.model_type == "moonshine_streaming" else None
        self._device, self._dtype = device, dtype
        self.frontend = Waveform(standardise=self._takes_waveform and self._extractor.do_normalize)

    def __call__(self, features: Sequence[Features]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch.

        Args:
            features: what `frontend` makes of each clip.

        Returns:
            waveforms, shape (batch, num_samples), or spectrograms, shape (batch, num_frames, num_bands), on the model's device and in its
            dtype; and which samples or frames are of a clip, int64, shape (batch, num_samples) or (batch, num_frames).
        """
        how = {"padding": True, "pad_to_multiple_of": self._multiple, "return_attention_mask": True, "return_tensors": "pt"}
        if self._takes_waveform:
            batch = self._extractor.pad({"input_values": list(features)}, **how)
        else:
            batch = self._extractor(list(features), sampling_rate=SAMPLING_RATE, **how)
        # a band of digital silence has no variance for Speech2Text's extractor to divide by: its mean, 0, stands in
        inputs = batch[self._extractor.model_input_names[0]].nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        return inputs.to(self._device, self._dtype), batch["attention_mask"].to(self._device, torch.long)
