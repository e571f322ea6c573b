"""The Whisper family on transformers: OpenAI's, Distil-Whisper, turbo, fine-tuned and merged checkpoints, any window length."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import LogitsProcessor, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from askd_bench.models.checkpoint import Checkpoint, weights_sha256
from askd_bench.models.decoding.confidence import TokenConfidences, append, score_choice
from askd_bench.models.devices import set_up
from askd_bench.models.features.log_mel import LogMel, of_equal_length
from askd_bench.models.protocol import Features
from askd_bench.models.whisper.decoder import WhisperDecoder, decode_greedily
from askd_bench.models.whisper.encoder import allow_short_context
from askd_bench.models.whisper.padded_conv import compute_padding_once
from askd_bench.models.whisper.parts import WhisperParts, whisper_parts
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Transcription


def load(checkpoint: Checkpoint, options: ModelOptions) -> "WhisperTranscriber":
    """Load a Whisper checkpoint.

    Raises:
        UserError: its parts cannot be read or do not fit each other.
    """
    device, dtype = set_up(options)
    model = checkpoint.load_weights(WhisperForConditionalGeneration)
    parts = whisper_parts(checkpoint, model.generation_config, options)
    card = checkpoint.card(
        model,
        dtype=dtype,
        device=device,
        macs=parts.macs_per_second,
        language=options.language,
        task=options.task,
        num_beams=options.num_beams,
        temperature=0.0,
        timestamps=False,
        **parts.decoding,
    )
    return WhisperTranscriber(model.to(device=device, dtype=dtype).eval(), parts, card, num_beams=options.num_beams)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch after the encoder: its spectrograms, which of them fit the window, and the states of each of those (None with beams)."""

    features: Sequence[Features]
    fitting: tuple[int, ...]
    states: list[torch.Tensor] | None


class WhisperTranscriber:
    """Transcribes with a `WhisperForConditionalGeneration`.

    Clips within the model's window are decoded in a batch, without timestamps: greedily by our own loop, with beams by `generate`. Longer
    clips go one by one through transformers' long-form decoding (timestamps on, no temperature fallback). Language and task are always set:
    without them a multilingual checkpoint may loop or translate.

    With an audio context (see `AudioContext`) the spectrograms of clips within the window are short, and so are the encoder's states. Those
    of a batch are padded for the decoder, which does not look at padding. Windows of longer clips are encoded whole.

    Confidences are those of the decoded path; with beams there is none to be had in one pass, and words carry None.
    """

    def __init__(self, model: WhisperForConditionalGeneration, parts: WhisperParts, card: ModelCard, *, num_beams: int) -> None:
        self.card = card
        self.window_s: float | None = parts.window_s
        self.frontend = parts.frontend
        self.encoder_key = _encoder_key(model, card, self.frontend) if num_beams == 1 else None
        self._model, self._parts, self._settings, self._num_beams = model, parts, parts.settings, num_beams
        self._decoder = WhisperDecoder(model)
        if parts.context is not None:
            allow_short_context(model.model.encoder, parts.context.rows)
        compute_padding_once(model.model.encoder)

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each spectrogram; see `Transcriber`."""
        return self.decode(self.encode(features))

    @torch.inference_mode()
    def encode(self, features: Sequence[Features]) -> Encoded:
        """Run the encoder over the spectrograms that fit the window; see `SharesEncoder`."""
        fitting = tuple(i for i, feature in enumerate(features) if feature.shape[1] <= self._parts.window_frames)
        if not fitting or self._num_beams > 1:
            return Encoded(features, fitting, None)
        states: dict[int, torch.Tensor] = {}
        for group in self._encoded_together(features, fitting):
            states.update(zip(group, self._encoder_states(features, group), strict=True))
        return Encoded(features, fitting, [states[i] for i in fitting])

    @torch.inference_mode()
    def decode(self, encoded: Encoded) -> list[Transcription]:
        """Return one transcription for each spectrogram of an encoded batch."""
        results: dict[int, Transcription] = {}
        if encoded.states is not None:
            states = pad_sequence(encoded.states, batch_first=True)
            records = decode_greedily(self._decoder, states, self._settings, padding=_padding(encoded.states))
            results.update(zip(encoded.fitting, map(self._transcription, records), strict=True))
        else:
            for group in of_equal_length(encoded.features, encoded.fitting):
                results.update(zip(group, self._search(encoded.features, group), strict=True))
        for i, feature in enumerate(encoded.features):
            if i not in results:
                results[i] = self._transcribe_long(torch.from_numpy(feature)[None])
        return [results[i] for i in range(len(encoded.features))]

    def _encoded_together(self, features: Sequence[Features], chosen: Sequence[int]) -> Iterable[Sequence[int]]:
        """Return groups of equal length.

        A CPU is faster clip by clip: activations of one stay in its cache, those of 16 do not. A clip's states hang on no other's then.
        """
        return [[i] for i in chosen] if self._model.device.type == "cpu" else of_equal_length(features, chosen)

    def _encoder_states(self, features: Sequence[Features], group: Sequence[int]) -> torch.Tensor:
        states: torch.Tensor = self._model.model.encoder(self._batch(features, group)).last_hidden_state
        return states

    def _search(self, features: Sequence[Features], group: Sequence[int]) -> list[Transcription]:
        """Return what beam search finds; `generate` would pad short spectrograms, and so is given the encoder's states."""
        if self._parts.context is None:
            sequences = self._generate(self._batch(features, group), num_beams=self._num_beams)
        else:
            states = BaseModelOutput(self._encoder_states(features, group))
            sequences = self._generate(None, num_beams=self._num_beams, encoder_outputs=states)
        texts = [self._parts.text([token for token in row if token < self._settings.end]) for row in sequences.tolist()]
        return [Transcription(text=text) for text in texts]

    def _batch(self, features: Sequence[Features], chosen: Sequence[int]) -> torch.Tensor:
        """Return spectrograms as one tensor on the device; on a GPU the copy overlaps with what it is computing."""
        batch = torch.from_numpy(np.stack([features[i] for i in chosen]))
        if self._model.device.type == "cuda":
            batch = batch.pin_memory()
        return batch.to(self._model.device, non_blocking=True).to(self._model.dtype)

    @torch.inference_mode()
    def _transcribe_long(self, features: torch.Tensor) -> Transcription:
        features = features.to(self._model.device, self._model.dtype)
        recorder = _Recorder()
        mask = torch.ones(features.shape[0], features.shape[-1], dtype=torch.long, device=features.device)
        result = self._generate(
            features,
            num_beams=self._num_beams,
            attention_mask=mask,
            return_timestamps=True,
            return_segments=True,
            condition_on_prev_tokens=False,
            logits_processor=[recorder] if self._num_beams == 1 else [],
        )
        segments = result["segments"][0]
        if self._num_beams == 1:
            return self._transcription(recorder.select(segments, end=self._settings.end), long_form=True)
        kept = [token for segment in segments for token in segment["tokens"].tolist() if token < self._settings.end]
        return Transcription(text=self._parts.text(kept), long_form=True)

    def _generate(self, features: torch.Tensor | None, **options: object) -> Any:
        """Return what `generate` does: ids as a tensor, or a dict of segments when those were asked for."""
        return self._model.generate(features, generation_config=self._parts.generation, **self._parts.language_and_task, **options)

    def _transcription(self, record: TokenConfidences, *, long_form: bool = False) -> Transcription:
        return self._parts.transcription(record, dtype=self.card.dtype, long_form=long_form)


def _padding(states: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """Return which of the states of a batch are padding, bool, shape (batch, longest); None where they are of equal length."""
    lengths = [len(one) for one in states]
    if len(set(lengths)) == 1:
        return None
    device = states[0].device
    return torch.arange(max(lengths), device=device) >= torch.tensor(lengths, device=device)[:, None]


class _Recorder(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Last in `generate`'s chain of processors: notes what greedy search is about to choose, and how sure of it the model is."""

    def __init__(self) -> None:
        self._windows: list[TokenConfidences] = []
        self._prompt_length = self._length = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        length = input_ids.shape[1]
        if not self._windows or length <= self._length:  # back at the prompt: the next window
            self._windows.append(TokenConfidences())
            self._prompt_length = length
        self._length = length
        chosen = scores.argmax(-1)
        append(self._windows[-1], int(chosen[0]), score_choice(scores, chosen)[0].tolist())
        return scores

    def select(self, segments: Sequence[Mapping[str, Any]], *, end: int) -> TokenConfidences:
        """Return the record of the text tokens of the segments that long-form decoding kept.

        An unfinished segment at the end of a window is dropped and decoded again in the next one: each segment says where in its window
        it stands, and stands in a later window than the one before it unless it follows it in the same.
        """
        selected, number, following = TokenConfidences(), 0, 0
        for segment in segments:
            tokens, start = segment["tokens"].tolist(), segment["idxs"][0] - self._prompt_length
            number += start < following
            while self._windows[number].tokens[start : start + len(tokens)] != tokens:
                number += 1
            following = start + len(tokens)
            # neither timestamps nor other special tokens
            selected.extend(self._windows[number], [i for i, token in enumerate(tokens, start) if token < end])
        return selected


def _encoder_key(model: WhisperForConditionalGeneration, card: ModelCard, frontend: LogMel) -> str:
    """Return the same digest for models whose encoder gives the same states, bit for bit."""
    filters = hashlib.sha256(frontend.mel_filters.tobytes()).hexdigest()
    spectrogram = (filters, frontend.n_fft, frontend.hop_length, frontend.window_samples, frontend.context)
    settings = (card.dtype, card.device, card.threads, spectrogram)
    structure = sorted((name, value) for name, value in model.config.to_dict().items() if name.startswith("encoder_"))
    return hashlib.sha256(
        repr((weights_sha256(model.model.encoder), settings, structure, model.config.activation_function)).encode()
    ).hexdigest()
