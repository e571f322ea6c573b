"""Encoder-decoder models on transformers other than Whisper, through `generate`: Moonshine, Speech2Text, SpeechT5 and their kind."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSpeechSeq2Seq, AutoTokenizer, GenerationConfig, LogitsProcessor, PretrainedConfig

from askd_bench.errors import UserError
from askd_bench.models.checkpoint import Checkpoint
from askd_bench.models.decoding.confidence import TokenConfidences, append, score_choice
from askd_bench.models.decoding.text_tokens import TextTokens
from askd_bench.models.devices import set_up
from askd_bench.models.features.audio_inputs import AudioInputs
from askd_bench.models.protocol import Features
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import SAMPLING_RATE, Transcription

MODEL_TYPES = ("moonshine", "moonshine_streaming", "speech_to_text", "speecht5", "speech-encoder-decoder")
"""Those that transcribe when given audio and nothing else. The others of their class in transformers are prompted with text, as language
models are, or make sound."""

LONGEST_TOKENS = 256
"""New tokens, where a checkpoint sets no length of its own; as transformers' pipeline for speech recognition has it."""

_NO_DECODING_SETTINGS = ("_from_model_config", "transformers_version", "use_cache", "output_attentions", "output_hidden_states")
_MOONSHINE_RATES = {"en": 6.5, "es": 6.5}
_OTHER_MOONSHINE_RATE = 13.0


def load(checkpoint: Checkpoint, options: ModelOptions) -> "Seq2SeqTranscriber":
    """Load an encoder-decoder checkpoint.

    Raises:
        UserError: its parts cannot be read, it is of a type that is not among `MODEL_TYPES`, or an option is set that it does not take.
    """
    kind = checkpoint.config.model_type
    if kind not in MODEL_TYPES:
        raise UserError(
            f"model: {checkpoint.argument!r} is a {kind!r} checkpoint, which does not transcribe from audio alone "
            f"(allowed: whisper, {', '.join(MODEL_TYPES)}, CTC models)"
        )
    names = ("task",) if kind.startswith("moonshine") else ("language", "task")
    options.must_be_default(*names, model=f"a {kind!r} model, which writes what it was trained on")
    options.must_be_default("audio_context", model=f"a {kind!r} model, which encodes no more than the clip")
    device, dtype = set_up(options)
    model: Any = checkpoint.load_weights(AutoModelForSpeechSeq2Seq, spare="masked_spec_embed")
    inputs = AudioInputs(checkpoint, device=device, dtype=dtype)
    rate = _MOONSHINE_RATES.get(options.language, _OTHER_MOONSHINE_RATE) if kind.startswith("moonshine") else None
    generation = _generation_config(model.generation_config, checkpoint.config, num_beams=options.num_beams)
    tokens = TextTokens(checkpoint.load_part(AutoTokenizer), special=_ends(generation))
    decoding = {"language": options.language, "task": options.task, "temperature": 0.0, "tokens_per_second": rate}
    card = checkpoint.card(model, dtype=dtype, device=device, macs=None, **decoding, **_settings(generation))
    return Seq2SeqTranscriber(model.to(device=device, dtype=dtype).eval(), tokens, inputs, card, generation, tokens_per_second=rate)


class Seq2SeqTranscriber:
    """Transcribes with a `...ForConditionalGeneration` (or `...ForSpeechToText`, or `SpeechEncoderDecoderModel`) of transformers.

    Clips are decoded one by one, whatever their length and in one piece: the encoders of these models see the padding of a batch, under a
    mask too (normalisation over the whole of a padded waveform, convolutions), so that a text would depend on what is decoded beside it.
    A checkpoint's own generation settings hold, such as forced first tokens and lengths, except that nothing is sampled.

    Moonshine may repeat itself without end, and gets at most so many tokens a second of audio: 6.5 in English and Spanish
    (https://huggingface.co/UsefulSensors/moonshine-tiny, "to avoid hallucination loops"), 13 in other languages, whose words are of more
    tokens (https://github.com/moonshine-ai/moonshine, `max_tokens_per_second`).

    Confidences are those of the decoded path; with beams there is none to be had in one pass, and there are no words.
    """

    window_s: float | None = 0.0

    def __init__(
        self,
        model: Any,
        tokens: TextTokens,
        inputs: AudioInputs,
        card: ModelCard,
        generation: GenerationConfig,
        *,
        tokens_per_second: float | None,
    ) -> None:
        self.card = card
        self.frontend = inputs.frontend
        self._model, self._tokens, self._inputs = model, tokens, inputs
        self._generation, self._tokens_per_second = generation, tokens_per_second

    def transcribe(self, features: Sequence[Features]) -> list[Transcription]:
        """Return one transcription for each clip; see `Transcriber`."""
        return [self._decode(clip) for clip in features]

    @torch.inference_mode()
    def _decode(self, clip: Features) -> Transcription:
        inputs, mask = self._inputs([clip])
        generation = self._generation
        if self._tokens_per_second is not None:
            generation = copy.deepcopy(generation)
            generation.max_new_tokens = None
            generation.max_length = max(2, int(len(clip) * self._tokens_per_second / SAMPLING_RATE))  # with the start token
        recorder = _Recorder()
        greedy = generation.num_beams == 1
        sequences = self._model.generate(
            inputs, attention_mask=mask, generation_config=generation, logits_processor=[recorder] if greedy else []
        )
        if greedy:
            return self._tokens.transcription(recorder.record, dtype=self.card.dtype)
        return Transcription(text=self._tokens.text(sequences[0].tolist()))


class _Recorder(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Last in `generate`'s chain of processors: notes what greedy search is about to choose for one clip, and how sure the model is."""

    def __init__(self) -> None:
        self.record = TokenConfidences()

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chosen = scores.argmax(-1)
        append(self.record, int(chosen[0]), score_choice(scores, chosen)[0].tolist())
        return scores


def _generation_config(own: GenerationConfig, config: PretrainedConfig, *, num_beams: int) -> GenerationConfig:
    """Return the checkpoint's generation settings with that many beams, nothing sampled, and a length."""
    generation = copy.deepcopy(own)
    generation.num_beams, generation.do_sample, generation.num_return_sequences = num_beams, False, 1
    if generation.max_length is None and generation.max_new_tokens is None:
        decoder = config.get_text_config(decoder=True)
        positions = [getattr(decoder, name, None) for name in ("max_target_positions", "max_text_positions", "max_position_embeddings")]
        generation.max_length = min([LONGEST_TOKENS, *(value for value in positions if value)])
    return generation


def _ends(generation: GenerationConfig) -> list[int]:
    """Return the tokens that begin, end or fill a sequence."""
    marks = (generation.eos_token_id, generation.pad_token_id, generation.bos_token_id, generation.decoder_start_token_id)
    return [token for mark in marks for token in (mark if isinstance(mark, list) else [mark]) if token is not None]


def _settings(generation: GenerationConfig) -> Mapping[str, str | int | float | bool | None]:
    """Return the generation settings that are not transformers' own defaults, as a model card holds them."""
    kept = {name: value for name, value in generation.to_diff_dict().items() if name not in _NO_DECODING_SETTINGS}
    kept["num_beams"] = generation.num_beams
    return {name: value if isinstance(value, str | int | float | bool | None) else str(value) for name, value in kept.items()}
