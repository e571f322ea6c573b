"""The Whisper family on ONNX Runtime: `onnx:FOLDER`, an export in optimum's layout, decoded by our own loop."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, PretrainedConfig, WhisperConfig
from transformers.generation.logits_process import WhisperTimeStampLogitsProcessor

from askd_bench.errors import UserError
from askd_bench.log import LOG
from askd_bench.models.audio_context import AudioContext
from askd_bench.models.checkpoint import one_line, open_checkpoint
from askd_bench.models.decoding.confidence import TokenConfidences
from askd_bench.models.decoding.greedy import GreedySettings, Rules, decode_steps
from askd_bench.models.decoding.long_form import decode_sequentially
from askd_bench.models.exports.onnx_files import find_onnx_files, inspect_onnx_files
from askd_bench.models.exports.shared import (
    choose_runtime_device,
    export_card,
    export_folder,
    import_runtime,
    set_threads,
    transcribe_fitting,
)
from askd_bench.models.protocol import Features
from askd_bench.models.whisper.parts import WhisperParts, whisper_parts
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Transcription

_RUNTIME = "ONNX Runtime"
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_PAST, _PRESENT = "past_key_values.", "present."
_INPUTS = ("input_ids", "encoder_hidden_states", "use_cache_branch", "cache_position")

Arrays = dict[str, NDArray[Any]]


def load(model: str, options: ModelOptions) -> "OnnxWhisper":
    """Load an ONNX export of a Whisper checkpoint.

    An export computes in the types it was exported in; the card's `dtype` is that of most of its weights, e.g. "int8" after dynamic
    quantisation. `weights_bytes` and `weights_sha256` are of the files a decoding needs, with their external data: an export whose decoder
    is not merged holds it twice.

    Args:
        model: `onnx:FOLDER`; in it what optimum writes: encoder_model.onnx, decoder_model_merged.onnx or decoder_model.onnx and
            decoder_with_past_model.onnx, config.json, generation_config.json, preprocessor_config.json and the tokenizer.
        options: see `ModelOptions`.

    Raises:
        UserError: a package or a file is missing or unreadable, or an option asks for what the runtime cannot do.
    """
    onnx, onnxruntime = import_runtime(model, "onnx", "onnx", "onnxruntime")
    folder = export_folder(model)
    options.must_be_default("num_beams", model="an ONNX export, which is decoded greedily")
    files = find_onnx_files(model, folder)
    checkpoint = replace(open_checkpoint(str(folder)), argument=model)
    if not isinstance(checkpoint.config, WhisperConfig):
        raise UserError(f"model: {model!r} is an export of a {checkpoint.config.model_type!r} model (allowed: of Whisper models)")
    has_settings = (folder / "generation_config.json").is_file()
    generation = checkpoint.load_part(GenerationConfig) if has_settings else GenerationConfig.from_model_config(checkpoint.config)
    parts = whisper_parts(checkpoint, generation, options)
    device, index = choose_runtime_device(options.device, runtime=_RUNTIME, cuda_devices=_cuda_devices(onnxruntime))
    threads = set_threads(options)
    try:
        stored = inspect_onnx_files(files, onnx)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        settings.log_severity_level = 3  # errors
        provider = ("CUDAExecutionProvider", {"device_id": index}) if device == "cuda" else ("CPUExecutionProvider", {})
        sessions = {file: onnxruntime.InferenceSession(str(file), settings, providers=[provider]) for file in files}
    except Exception as error:  # protobuf and the runtime have kinds of their own, derived from no common one
        raise UserError(f"model: {model!r} cannot be loaded: {one_line(error)}") from None
    encoder, first, following = (sessions[file] for file in (files.encoder, files.first, files.following))
    if provider[0] not in encoder.get_providers():
        raise UserError(f"device: {options.device!r} cannot be used by {_RUNTIME} here (allowed: cpu)")
    _check_shapes(model, encoder, parts, checkpoint.config)
    _check_inputs(model, first, following)
    if parts.context is not None:
        _check_context(model, encoder, first, parts.context, checkpoint.config)
    if options.dtype not in ("auto", stored.dtype):
        allowed = "auto, float32" if stored.dtype == "float32" else f"auto, which is {stored.dtype}"
        raise UserError(f"dtype: {options.dtype!r} cannot be set for an ONNX export, which has its types built in (allowed: {allowed})")
    if options.dtype == "auto":
        LOG.info(f"dtype auto: {stored.dtype} on {device}, in which the export is stored")
    card = export_card(
        model,
        folder,
        checkpoint.config,
        parts,
        options,
        runtime=f"onnxruntime {onnxruntime.__version__}",
        dtype=stored.dtype,
        device=device,
        threads=threads,
        weights_bytes=stored.num_bytes,
        weights_sha256=stored.sha256,
    )
    return OnnxWhisper(encoder, first, following, parts, card, checkpoint.config)


class OnnxWhisper:
    """Transcribes with sessions of ONNX Runtime: the encoder's, the decoder's for the prompt, and the decoder's for each further token.

    Clips longer than the window go one by one, window after window, as transformers' long-form decoding takes them.
    """

    def __init__(self, encoder: Any, first: Any, following: Any, parts: WhisperParts, card: ModelCard, config: PretrainedConfig) -> None:
        self.card = card
        self.window_s: float | None = parts.window_s
        self.frontend = parts.frontend
        self._encoder, self._first, self._following, self._parts, self._config = encoder, first, following, parts, config

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each spectrogram; see `Transcriber`."""
        return transcribe_fitting(features, self._parts, self._decode, self._decode_longer)

    def _decode(self, batch: NDArray[np.float32]) -> list[Transcription]:
        return [self._parts.transcription(record, dtype=self.card.dtype) for record in self._steps(batch, self._parts.settings)]

    def _decode_longer(self, features: Features) -> Transcription:
        *prompt, no_timestamps = self._parts.settings.prompt
        settings = replace(self._parts.settings, prompt=tuple(prompt))
        rules = WhisperTimeStampLogitsProcessor(self._parts.generation, begin_index=len(prompt))
        record = decode_sequentially(
            features,
            self._parts.window_frames,
            end=settings.end,
            first_timestamp=no_timestamps + 1,
            decode=lambda window: self._steps(window, settings, rules)[0],
        )
        return self._parts.transcription(record, dtype=self.card.dtype, long_form=True)

    def _steps(self, batch: NDArray[np.float32], settings: GreedySettings, rules: Rules | None = None) -> list[TokenConfidences]:
        [features] = self._encoder.get_inputs()
        states = _run(self._encoder, ["last_hidden_state"], {features.name: batch.astype(_TYPES[features.type], copy=False)})
        steps = _OnnxSteps(self._first, self._following, states["last_hidden_state"], self._config)
        return decode_steps(steps, len(batch), settings, rules=rules)


class _OnnxSteps:
    """A `StepDecoder` over the decoder's sessions; keys and values of the past go from each run's outputs to the next one's inputs."""

    def __init__(self, first: Any, following: Any, states: NDArray[Any], config: PretrainedConfig) -> None:
        self._first, self._following, self._states = first, following, states
        self._past: Arrays = {}
        self._length = 0
        heads = config.decoder_attention_heads
        self._empty = (heads, 0, config.d_model // heads)

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        session = self._following if self._past else self._first
        new = self._length + tokens.shape[1]
        given: Arrays = {
            "input_ids": tokens.numpy(),
            "encoder_hidden_states": self._states,
            "use_cache_branch": np.array([bool(self._past)]),
            "cache_position": np.arange(self._length, new),
            **self._past,
        }
        feeds = {item.name: self._fed(given.get(item.name), item) for item in session.get_inputs()}
        names = [item.name for item in session.get_outputs() if item.name == "logits" or item.name.startswith(_PRESENT)]
        if self._past:  # those of the encoder's states never change; a merged decoder's later ones are empty
            names = [name for name in names if ".encoder." not in name]
        outputs = _run(session, names, feeds)
        logits = torch.from_numpy(np.ascontiguousarray(outputs.pop("logits")[:, -1])).float()
        self._past |= {_PAST + name.removeprefix(_PRESENT): value for name, value in outputs.items()}
        self._length = new
        return logits

    def keep(self, rows: list[int]) -> None:
        self._states = self._states[rows]
        self._past = {name: value[rows] for name, value in self._past.items()}

    def _fed(self, value: NDArray[Any] | None, item: Any) -> NDArray[Any]:
        """Return what a session is fed for an input, given what there is for it."""
        if value is None:  # a merged decoder asks for a past where there is none yet, and makes nothing of it
            shape = (len(self._states), *self._empty)
            value = np.zeros([size if isinstance(size, int) else free for size, free in zip(item.shape, shape, strict=True)], np.float32)
        return value.astype(_TYPES[item.type], copy=False) if item.type in _TYPES else value


def _run(session: Any, names: list[str], feeds: Arrays) -> Arrays:
    return dict(zip(names, session.run(names, feeds), strict=True))


def _cuda_devices(onnxruntime: Any) -> int:
    """Return how many GPUs the runtime may use; it names its provider even where there is none."""
    return torch.cuda.device_count() if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else 0


def _check_shapes(model: str, encoder: Any, parts: WhisperParts, config: PretrainedConfig) -> None:
    """Refuse an encoder for other spectrograms, or for batches of one size."""
    for item in encoder.get_inputs():
        fixed = [size if isinstance(size, int) else None for size in item.shape]
        if item.name != "input_features" or item.type not in _TYPES or len(fixed) != 3:
            raise UserError(f"model: {model!r} has an encoder that asks for {item.name} of {item.type} (allowed: input_features of floats)")
        bands, frames = config.num_mel_bins, parts.window_frames
        if fixed[0] is not None or fixed[1] not in (None, bands) or fixed[2] not in (None, frames):
            raise UserError(f"model: {model!r} has an encoder for inputs of shape {item.shape} (allowed: any batch, {bands}, {frames})")


def _check_context(model: str, encoder: Any, first: Any, context: AudioContext, config: PretrainedConfig) -> None:
    """Refuse a short audio context where the encoder adds all rows of the position embedding; a free axis does not tell."""
    [item] = encoder.get_inputs()
    states = next((one.shape[1] for one in first.get_inputs() if one.name == "encoder_hidden_states"), None)
    frames = 2 * context.positions(0, config.max_source_positions - 1)
    short = np.zeros((1, config.num_mel_bins, max(frames, 2)), _TYPES[item.type])
    try:
        _run(encoder, ["last_hidden_state"], {item.name: short})
        takes_it = not isinstance(states, int) and context.rows == "first"
    except Exception:  # the runtime's own kinds
        takes_it = False
    if not takes_it:
        raise UserError(
            f"audio_context: {str(context)!r} cannot be set for {model!r}, whose graph is of one length (allowed: full; or an export whose "
            "encoder takes fewer frames and adds the first rows of the position embedding)"
        )


def _check_inputs(model: str, first: Any, following: Any) -> None:
    """Refuse decoders that ask for what we do not have, or give back no past."""
    for session in (first, following):
        unknown = [item.name for item in session.get_inputs() if item.name not in _INPUTS and not item.name.startswith(_PAST)]
        if unknown:
            raise UserError(f"model: {model!r} has a decoder that asks for {', '.join(unknown)} (allowed: {', '.join(_INPUTS)}, {_PAST}*)")
    wanted = {item.name for item in following.get_inputs() if item.name.startswith(_PAST)}
    given = {_PAST + item.name.removeprefix(_PRESENT) for item in first.get_outputs() if item.name.startswith(_PRESENT)}
    if not wanted or wanted - given:
        raise UserError(f"model: {model!r} has a decoder without a past (allowed: one exported with it, as optimum does by default)")
