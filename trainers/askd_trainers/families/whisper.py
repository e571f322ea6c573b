"""The Whisper family: decoder logits on label positions only, over an encoder that runs once for student and teacher."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import WhisperConfig, WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from askd_bench.errors import UserError
from askd_bench.models.audio_context import CONFIG_FIELD, AudioContext, from_config
from askd_bench.models.decoding.greedy import GreedySettings
from askd_bench.models.features.log_mel import LogMel
from askd_bench.models.whisper.decoder import WhisperDecoder, decode_greedily
from askd_bench.models.whisper.encoder import allow_short_context
from askd_bench.types import SAMPLING_RATE, Samples
from askd_trainers.data.encoder_states import FrozenEncoder, StateCache
from askd_trainers.families.base import IGNORED, Batch, Family, Models
from askd_trainers.families.cross_attention import absorb_cross_attention
from askd_trainers.objective.functions import cross_entropy
from askd_trainers.recipe import BaseRecipe
from askd_trainers.students.layers import whisper_student
from askd_trainers.students.locate import locate

MULTILINGUAL = 51_865
"""Words of a multilingual Whisper's vocabulary, at least; English-only ones have fewer."""


def whisper_frontend(processor: WhisperProcessor, config: WhisperConfig) -> LogMel:
    """Return the log-mel front end for a model's window (its encoder halves the frame rate)."""
    extractor = processor.feature_extractor
    return LogMel(
        mel_filters=np.asarray(extractor.mel_filters, np.float32),
        n_fft=extractor.n_fft,
        hop_length=extractor.hop_length,
        window_samples=config.max_source_positions * 2 * extractor.hop_length,
    )


class PackedWhisper(WhisperForConditionalGeneration):  # type: ignore[misc]
    """Whisper whose `forward` can give logits on chosen positions only, so that padding and prompt never meet the vocabulary.

    It can stop after the encoder too: devices and precision are arranged around `forward`, and what goes past it misses them.
    """

    def forward(self, *args: Any, chosen: Tensor | None = None, encoded: Tensor | None = None, states: bool = False, **kwargs: Any) -> Any:
        """Return logits (positions, vocabulary) where `chosen` (batch, length) is true; without it, what Whisper returns.

        With `states`, logits and the decoder's states at these positions, those of its embeddings first: (layers + 1, positions, d_model).

        With features `encoded` (batch, bins, frames): the encoder's states of them, and nothing else.
        """
        if encoded is not None:
            return self.model.encoder(encoded).last_hidden_state
        if chosen is None:
            return super().forward(*args, **kwargs)
        output = self.model(*args, use_cache=False, output_hidden_states=states, **kwargs)
        logits = self.proj_out(output.last_hidden_state[chosen])
        return (logits, torch.stack([layer[chosen] for layer in output.decoder_hidden_states])) if states else logits


class WhisperFamily(Family):
    """Whisper; its positions are label tokens. Padding and the prompt, which decoding forces anyway, count for nothing.

    Args:
        processor: features, text and prompt.
        config: of the student: its window, and by its vocabulary whether it is multilingual.
        language, task: for multilingual checkpoints; None is "en".
        audio_context: of the student; None for all positions.

    Raises:
        UserError: the language is unknown, or the checkpoint is English-only and asked for more.
    """

    model_types = ("whisper",)

    def __init__(
        self,
        processor: WhisperProcessor,
        config: WhisperConfig,
        *,
        language: str | None = None,
        task: str = "transcribe",
        audio_context: AudioContext | None = None,
    ) -> None:
        self.processor = processor
        self.audio_context = audio_context
        self.tokenizer = processor.tokenizer
        if config.vocab_size >= MULTILINGUAL:
            self.tokenizer.set_prefix_tokens(language=language or "en", task=task, predict_timestamps=False)
        elif language not in (None, "en") or task != "transcribe":
            raise UserError(
                f"data.language: {language!r}, data.task: {task!r} cannot be set for an English-only model (allowed: 'en', 'transcribe')"
            )
        try:
            self.prompt: list[int] = list(self.tokenizer.prefix_tokens)
        except ValueError as error:
            raise UserError(f"data.language: {language!r} is unknown to Whisper (allowed: a code such as 'en' or 'de')") from error
        self.frontend = whisper_frontend(processor, config)
        self.window_s = self.frontend.window_samples / SAMPLING_RATE

    @classmethod
    def load_models(cls, recipe: BaseRecipe) -> Models:
        """Return family, student and teacher; see `Family`."""
        teacher = cls.load(locate(recipe.teacher))
        processor = WhisperProcessor.from_pretrained(locate(recipe.start), trust_remote_code=False)
        start = recipe.student.checkpoint
        copied = recipe.student.model_dump(include={"decoder_layers", "encoder_layers", "window_seconds"})
        student = whisper_student(teacher, **copied) if start is None else cls.load(locate(start))
        wanted = recipe.student.audio_context
        context = from_config(student.config) if wanted is None else AudioContext(**wanted.model_dump())
        if context is not None:
            setattr(student.config, CONFIG_FIELD, context.to_config())
        family = cls(processor, student.config, language=recipe.data.language, task=recipe.data.task, audio_context=context)
        for model in (student, teacher):
            family.prepare(model)
        return Models(family, student, teacher)

    @staticmethod
    def load(checkpoint: str) -> PackedWhisper:
        """Return the model of a checkpoint in float32."""
        model: PackedWhisper = PackedWhisper.from_pretrained(checkpoint, dtype=torch.float32, trust_remote_code=False)
        return model

    def prepare(self, model: PackedWhisper) -> None:
        """Give a model the faster cross-attention, and an encoder that takes short spectrograms."""
        absorb_cross_attention(model.model.decoder)
        allow_short_context(model.model.encoder, self.audio_context.rows if self.audio_context else "first")

    def frozen_encoder(self, model: Any, cache: StateCache | None, *, bf16: bool) -> FrozenEncoder | None:
        """Return the encoder at full context; None for a model with an audio context, whose states are cheap and of the batch's length.

        Raises:
            UserError: the model's audio context is not the student's: their states would be of different lengths.
        """
        context = from_config(model.config)
        if context is None:
            return FrozenEncoder(model.model.encoder, whisper_frontend(self.processor, model.config), cache, bf16=bf16)
        if context != self.audio_context:
            raise UserError(f"teacher: its audio context {context} is not the student's, {self.audio_context} (allowed: the same, or none)")
        return None

    def labels(self, text: str) -> list[int]:
        """Return the tokens to predict: the text with a space before it, as Whisper itself writes, and the end token."""
        tokens: list[int] = self.tokenizer(" " + " ".join(text.split()), add_special_tokens=False).input_ids
        return [*tokens, self.tokenizer.eos_token_id]

    def check_labels(self, model: Any, labels: Sequence[int], utterance: str) -> None:
        """Refuse labels that are longer than the model has positions for."""
        room = model.config.max_target_positions - len(self.prompt) + 1
        if len(labels) > room:
            raise UserError(f"data: utterance {utterance!r} has {len(labels)} label tokens, more than the model's {room} positions")

    def features(self, samples: Samples) -> NDArray[np.float32]:
        """Return the student's log-mel features (bins, frames): of the whole window, or of the clip's audio context."""
        features = self.frontend(samples)
        if self.audio_context is None:
            return features
        return features[:, : 2 * self.audio_context.positions(len(samples), features.shape[1] // 2)]

    def collate_labels(self, labels: Sequence[Sequence[int]]) -> Batch:
        """Return `decoder_input_ids` and `labels`, both (batch, length): each position's label is the input of the next."""
        length = max(map(len, labels)) + len(self.prompt) - 1
        inputs = torch.full((len(labels), length), self.tokenizer.eos_token_id)
        targets = torch.full((len(labels), length), IGNORED)
        for row, tokens in enumerate(labels):
            whole = [*self.prompt, *tokens]
            inputs[row, : len(whole) - 1] = torch.tensor(whole[:-1])
            targets[row, len(self.prompt) - 1 : len(whole) - 1] = torch.tensor(tokens)
        return {"decoder_input_ids": inputs, "labels": targets}

    def collate_features(self, features: Sequence[NDArray[np.float32]]) -> Batch:
        """Return `features` (batch, bins, frames): of the longest audio context in the batch, the others padded with silence.

        A spectrogram's lowest value is that of silence: 8 below its highest, which is where the padding of a window lies.
        """
        frames = max(array.shape[1] for array in features)
        padded = [np.pad(array, ((0, 0), (0, frames - array.shape[1])), constant_values=array.min()) for array in features]
        return {"features": torch.from_numpy(np.stack(padded))}

    def counts(self, model: Any, batch: Batch) -> tuple[int, int]:
        """Return over how many items the hard loss and the divergences are means: here both are label positions."""
        count = int((batch["labels"] != IGNORED).sum())
        return count, count

    def forward(self, model: Any, batch: Batch) -> Tensor:
        """Return logits (positions, vocabulary); without states in the batch the model's own encoder runs, with gradients."""
        logits: Tensor = model(**self._inputs(batch))
        return logits

    def forward_with_states(self, model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits (positions, vocabulary), and the decoder's states (layers + 1, positions, d_model)."""
        logits, states = model(**self._inputs(batch), states=True)
        return logits, states

    @staticmethod
    def _inputs(batch: Batch) -> dict[str, Any]:
        states = batch.get("states")
        source = {"input_features": batch["features"]} if states is None else {"encoder_outputs": BaseModelOutput(states)}
        return {**source, "decoder_input_ids": batch["decoder_input_ids"], "chosen": batch["labels"] != IGNORED}

    def packed(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return what the divergences compare."""
        return logits

    def hard_loss(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the summed cross-entropy against the labels."""
        labels = batch["labels"]
        return cross_entropy(logits, labels[labels != IGNORED]).sum()

    @torch.no_grad()
    def transcribe(self, model: Any, batch: Batch) -> list[str]:
        """Return greedy transcripts."""
        states = batch.get("states")
        if states is None:
            states = model.model.encoder(batch["features"]).last_hidden_state
        generation = model.generation_config
        settings = GreedySettings(
            prompt=tuple(self.prompt),
            suppressed=tuple(generation.suppress_tokens or ()),
            suppressed_first=tuple(generation.begin_suppress_tokens or ()),
            end=self.tokenizer.eos_token_id,
            # A model that loops is stopped: no reference here has more than a third of the positions.
            max_length=min(model.config.max_target_positions, 2 * batch["labels"].shape[1] + 32),
        )
        records = decode_greedily(WhisperDecoder(model), states, settings)
        return [self.tokenizer.decode(record.tokens, skip_special_tokens=True) for record in records]
