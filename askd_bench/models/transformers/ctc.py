"""CTC models on transformers, greedily: wav2vec 2.0, HuBERT, WavLM, SEW, UniSpeech, Parakeet-CTC, LASR and others of their kind."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from transformers import AutoModelForCTC, AutoTokenizer, PretrainedConfig

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import Checkpoint
from askd_bench.models.decoding.confidence import TokenConfidences, append, score_choice
from askd_bench.models.decoding.text_tokens import TextTokens, check_finite
from askd_bench.models.devices import set_up
from askd_bench.models.features.audio_inputs import AudioInputs
from askd_bench.models.protocol import Features
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Transcription

LONGEST_IN_BATCH_S = 30.0
"""Seconds. Longer clips are decoded alone, in one piece: memory for attention grows with the square of the length."""

_WAVEFORM_TYPES = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "sew", "sew-d")
_SPECTROGRAM_TYPES = ("parakeet_ctc", "lasr_ctc", "wav2vec2-bert")


def load(checkpoint: Checkpoint, options: ModelOptions) -> "CtcTranscriber":
    """Load a CTC checkpoint.

    Raises:
        UserError: its parts cannot be read, or an option is set that it does not take.
    """
    options.must_be_default("language", "task", "num_beams", model="a CTC model, which writes what it was trained on, greedily")
    options.must_be_default("audio_context", model="a CTC model, which encodes no more than the clip")
    device, dtype = set_up(options)
    model = checkpoint.load_weights(AutoModelForCTC, spare="masked_spec_embed")
    tokenizer = checkpoint.load_part(AutoTokenizer)
    inputs = AudioInputs(checkpoint, device=device, dtype=dtype)
    blank = tokenizer.pad_token_id
    if blank is None:
        raise UserError(f"model: the tokenizer of {checkpoint.argument!r} has no padding token (allowed: one, since it is the CTC blank)")
    card = checkpoint.card(
        model,
        dtype=dtype,
        device=device,
        macs=None,
        language=options.language,
        task=options.task,
        num_beams=1,
        token_confidence="peak frame",
    )
    return CtcTranscriber(model.to(device=device, dtype=dtype).eval(), TextTokens(tokenizer), inputs, card, blank=blank)


class CtcTranscriber:
    """Transcribes with a `...ForCTC` of transformers: the best token of each frame, repetitions collapsed, blanks dropped.

    The confidence of a token is that of its peak: of the frames in a row that it is the best of, the one where it is most probable, which
    gives log-probability, entropy and tempered log-probabilities. In the other frames a neighbour or the blank takes part because the
    outputs of CTC are spikes whose place is free: alignments that shift a token within its run are of the same text (Graves et al. 2006,
    section 3.1), so doubt about where a token ends is no doubt about the token. NeMo offers the same aggregation, "max", among others
    (`asr_confidence_utils.py`; its default, the minimum, counts that doubt).

    Clips are padded and masked to a batch where that leaves every clip's outputs as they are, and decoded one by one elsewhere.
    """

    def __init__(self, model: Any, tokens: TextTokens, inputs: AudioInputs, card: ModelCard, *, blank: int) -> None:
        self.card = card
        self.window_s: float | None = LONGEST_IN_BATCH_S if pads_exactly(model.config) else 0.0
        self.frontend = inputs.frontend
        self._model, self._tokens, self._inputs, self._blank = model, tokens, inputs, blank

    @torch.inference_mode()
    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each clip; see `Transcriber`."""
        batches = [features] if self.window_s else [[clip] for clip in features]
        return [transcription for batch in batches if batch for transcription in self._decode(batch)]

    def _decode(self, features: Sequence[Features]) -> list[Transcription]:
        inputs, mask = self._inputs(features)
        logits = self._model(inputs, attention_mask=mask).logits.float()
        best, tokens = logits.max(-1)
        certainty = (best - logits.logsumexp(-1)).tolist()
        rows, peaks = [], []
        for row, (ids, length) in enumerate(zip(tokens.tolist(), self._frames(mask, logits.shape[1]), strict=True)):
            check_finite(certainty[row][:length], dtype=self.card.dtype)
            own = peak_frames(ids[:length], certainty[row], blank=self._blank)
            rows += [row] * len(own)
            peaks += own
        chosen = tokens[rows, peaks]
        records = [TokenConfidences() for _ in features]
        for row, token, values in zip(rows, chosen.tolist(), score_choice(logits[rows, peaks], chosen).tolist(), strict=True):
            append(records[row], token, values)
        return [self._tokens.transcription(record, dtype=self.card.dtype) for record in records]

    def _frames(self, mask: torch.Tensor, most: int) -> list[int]:
        """Return how many frames of output are of each clip; the others are of padding."""
        if hasattr(self._model, "_get_output_attention_mask"):
            lengths = self._model._get_output_attention_mask(mask, target_length=most).sum(-1)
        else:
            lengths = self._model._get_feat_extract_output_lengths(mask.sum(-1))
        return [min(int(length), most) for length in lengths]


def pads_exactly(config: PretrainedConfig) -> bool:
    """Return whether a clip's outputs are the same alone and padded under a mask; of types that are not named here they may not be.

    Group normalisation of the waveform's first layer runs over the padding too ("group": wav2vec2-base and its kin, which were trained
    without masks); data2vec's and the conformer's convolutions, and adapters, see what padding became in the layer before.
    """
    if config.model_type in _WAVEFORM_TYPES:
        return config.feat_extract_norm == "layer" and not getattr(config, "add_adapter", False)
    return config.model_type in _SPECTROGRAM_TYPES


def peak_frames(ids: Sequence[int], certainty: Sequence[float], *, blank: int) -> list[int]:
    """Return, for each token that a greedy CTC decoding gives, the frame where it is most certain.

    Args:
        ids: the best token of each frame.
        certainty: its log-probability, of at least as many frames.
        blank: separates equal tokens, and is none.

    >>> peak_frames([7, 7, 0, 7, 0, 0, 5], [-3.0, -1.0, -0.1, -2.0, -0.1, -0.1, -0.5], blank=0)
    [1, 3, 6]
    """
    peaks, start = [], 0
    for token, run in groupby(ids):
        end = start + sum(1 for _ in run)
        if token != blank:
            peaks.append(max(range(start, end), key=certainty.__getitem__))
        start = end
    return peaks
