"""The Whisper family on CTranslate2: `ctranslate2:FOLDER`, an export as faster-whisper uses it, in any of its types."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, WhisperFeatureExtractor

from askd_bench.errors import UserError
from askd_bench.log import LOG
from askd_bench.models.audio_context import CONFIG_FIELD
from askd_bench.models.checkpoint import Checkpoint, one_line
from askd_bench.models.decoding.confidence import TokenConfidences, append, score_choice
from askd_bench.models.decoding.long_form import decode_sequentially
from askd_bench.models.exports.ctranslate2_file import read_model_file, whisper_config
from askd_bench.models.exports.shared import (
    choose_runtime_device,
    export_card,
    export_folder,
    import_runtime,
    require_file,
    set_threads,
    transcribe_fitting,
)
from askd_bench.models.protocol import Features
from askd_bench.models.whisper.parts import WhisperParts, whisper_parts
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Transcription

_RUNTIME = "CTranslate2"
_EXPORT = "an export by ct2-transformers-converter"
_WHOLE = "one made with --copy_files tokenizer.json preprocessor_config.json, or with these files of the checkpoint put beside model.bin"
_SCORED_TOGETHER = 64


def load(model: str, options: ModelOptions) -> "CTranslate2Whisper":
    """Load an export of a Whisper checkpoint.

    `dtype="auto"` computes in the type the export is stored in, or in the nearest one that the processor has; any other is computed in
    whatever the export is stored in. The card says which it came to, e.g. "int8_float32": weights in int8, all else in float32.
    `weights_sha256` is of the bytes of model.bin.

    A short audio context is a short spectrogram, which meets the first rows of the position embedding. `askd-train export` keeps the
    checkpoint's `audio_context` in the export's config.json; CTranslate2's own converter leaves it out.

    Args:
        model: `ctranslate2:FOLDER`; in it model.bin, config.json, the vocabulary, tokenizer.json, and preprocessor_config.json where the
            spectrogram is not the usual one.
        options: see `ModelOptions`.

    Raises:
        UserError: the package or a file is missing or unreadable, or an option asks for what the runtime cannot do.
    """
    [ctranslate2] = import_runtime(model, "faster-whisper", "ctranslate2")
    folder = export_folder(model)
    weights = require_file(model, folder, "model.bin", _EXPORT)
    require_file(model, folder, "tokenizer.json", _WHOLE)
    kind, index = choose_runtime_device(options.device, runtime=_RUNTIME, cuda_devices=ctranslate2.get_cuda_device_count())
    computable = ctranslate2.get_supported_compute_types(kind, index)
    if options.dtype not in ("auto", *computable):
        allowed = ", ".join(["auto", *sorted({"float32", "float16", "bfloat16"} & set(computable))])
        raise UserError(f"dtype: {options.dtype!r} is not computed by {_RUNTIME} on this {kind} (allowed: {allowed})")
    try:
        stored = read_model_file(weights)
        config = whisper_config(stored)
        kept = json.loads((folder / "config.json").read_text())
        generation = GenerationConfig(suppress_tokens=kept.get("suppress_ids"), begin_suppress_tokens=kept.get("suppress_ids_begin"))
        setattr(config, CONFIG_FIELD, kept.get(CONFIG_FIELD))
    except Exception as error:
        raise UserError(f"model: {model!r} cannot be loaded: {one_line(error)}") from None
    checkpoint = Checkpoint(model, str(folder), None, folder.resolve().name, config, trust_remote_code=False)
    extractor = None if (folder / "preprocessor_config.json").is_file() else WhisperFeatureExtractor(feature_size=config.num_mel_bins)
    parts = whisper_parts(checkpoint, generation, options, extractor=extractor)
    if parts.context is not None and parts.context.rows != "first":
        raise UserError(f"audio_context: rows {parts.context.rows!r} cannot be had from {_RUNTIME} (allowed: 'first')")
    ctranslate2.set_log_level(logging.ERROR)  # it warns of a type it has to replace; we do so ourselves
    threads = set_threads(options)
    try:
        loaded = ctranslate2.models.Whisper(
            str(folder),
            device=kind,
            device_index=index,
            compute_type="default" if options.dtype == "auto" else options.dtype,
            intra_threads=threads,
        )
    except Exception as error:
        raise UserError(f"model: {model!r} cannot be loaded: {one_line(error)}") from None
    if options.dtype == "auto":
        LOG.info(f"dtype auto: {loaded.compute_type} on {kind}; the export is stored in {stored.weights_dtype}")
    card = export_card(
        model,
        folder,
        config,
        parts,
        options,
        runtime=f"ctranslate2 {ctranslate2.__version__}",
        dtype=loaded.compute_type,
        device=kind,
        threads=threads,
        weights_bytes=stored.weights_bytes,
        weights_sha256=_sha256(weights),
    )
    return CTranslate2Whisper(ctranslate2, loaded, parts, card, vocabulary=config.vocab_size, num_beams=options.num_beams)


class CTranslate2Whisper:
    """Transcribes with a `ctranslate2.models.Whisper`.

    Clips longer than the window go one by one, window after window, as transformers' long-form decoding takes them.
    Confidences of greedy decoding are taken from the logits of every step, which the runtime keeps until a batch is done: 0.2 MB a token
    at Whisper's vocabulary, at most 93 MB an utterance. With beams words carry none, as in the transformers adapter.
    """

    def __init__(self, runtime: Any, model: Any, parts: WhisperParts, card: ModelCard, *, vocabulary: int, num_beams: int) -> None:
        self.card = card
        self.window_s: float | None = parts.window_s
        self.frontend = parts.frontend
        self._runtime, self._model, self._parts, self._vocabulary, self._num_beams = runtime, model, parts, vocabulary, num_beams

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each spectrogram; see `Transcriber`."""
        return transcribe_fitting(features, self._parts, self._decode, self._decode_longer)

    def _decode(self, batch: NDArray[np.float32]) -> list[Transcription]:
        return [self._transcription(record) for record in self._generate(batch, self._parts.settings.prompt)]

    def _decode_longer(self, features: Features) -> Transcription:
        settings = self._parts.settings
        *prompt, no_timestamps = settings.prompt
        decoded = decode_sequentially(
            features,
            self._parts.window_frames,
            end=settings.end,
            first_timestamp=no_timestamps + 1,
            decode=lambda window: self._generate(window, prompt)[0],
        )
        return self._transcription(decoded, long_form=True)

    def _generate(self, batch: NDArray[np.float32], prompt: Sequence[int]) -> list[TokenConfidences]:
        """Return what is decoded of each window; with beams the tokens alone."""
        settings = self._parts.settings
        results = self._model.generate(
            self._runtime.StorageView.from_array(batch),
            [list(prompt)] * len(batch),
            beam_size=self._num_beams,
            # it generates half of `max_length`, leaving the other half to a prompt of earlier text
            max_length=2 * (settings.max_length - len(prompt)),
            suppress_tokens=list(settings.suppressed),
            suppress_blank=bool(settings.suppressed_first),
            return_logits_vocab=self._num_beams == 1,
        )
        if self._num_beams > 1:
            return [TokenConfidences(tokens=result.sequences_ids[0]) for result in results]
        return [self._record(result.sequences_ids[0], result.logits[0]) for result in results]

    def _transcription(self, record: TokenConfidences, *, long_form: bool = False) -> Transcription:
        if self._num_beams > 1:
            return Transcription(text=self._parts.text(record.tokens), long_form=long_form)
        return self._parts.transcription(record, dtype=self.card.dtype, long_form=long_form)

    def _record(self, tokens: list[int], steps: list[Any]) -> TokenConfidences:
        """Return the confidences of chosen tokens, given the logits of each step, the end's included."""
        record = TokenConfidences()
        for start in range(0, len(tokens), _SCORED_TOGETHER):
            chosen = tokens[start : start + _SCORED_TOGETHER]
            logits = np.stack([self._array(step) for step in steps[start : start + len(chosen)]])
            # a vocabulary padded for the GPU ends in entries that are no tokens; suppressed tokens are at the lowest number: no share
            scores = score_choice(torch.from_numpy(logits[:, : self._vocabulary]), torch.tensor(chosen))
            for token, values in zip(chosen, scores.tolist(), strict=True):
                append(record, token, values)
        return record

    def _array(self, view: Any) -> NDArray[np.float32]:
        if view.dtype != self._runtime.DataType.float32:
            view = view.to(self._runtime.DataType.float32)
        return np.asarray(view if view.device == "cpu" else view.to_device(self._runtime.Device.cpu))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
