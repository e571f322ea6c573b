"""CTC students (wav2vec 2.0, HuBERT, WavLM and their kin): the same arms, with the divergence frame by frame."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCTC, AutoProcessor

from askd_bench.errors import UserError
from askd_bench.types import SAMPLING_RATE, Samples
from askd_trainers.families.base import IGNORED, Batch, Family, Models
from askd_trainers.recipe import BaseRecipe
from askd_trainers.students.layers import ctc_student
from askd_trainers.students.locate import locate


class CtcFamily(Family):
    """CTC models; their positions are output frames.

    The hard loss is CTC's over the label tokens; the divergence compares teacher and student at every output frame that holds audio
    (framewise KL; Takashima et al. 2018 and others found it to work best where both models have their spikes at about the same frames,
    which a student copied from its teacher does).

    Args:
        processor: feature extractor and character tokenizer.
    """

    model_types = None
    unused_parameters = True  # wav2vec 2.0's mask embedding
    window_s = 30.0

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer

    @classmethod
    def load_models(cls, recipe: BaseRecipe) -> Models:
        """Return family, student and teacher; see `Family`."""
        teacher = cls.load(locate(recipe.teacher))
        processor = AutoProcessor.from_pretrained(locate(recipe.start), trust_remote_code=False)
        start = recipe.student.checkpoint
        student = ctc_student(teacher, encoder_layers=recipe.student.encoder_layers) if start is None else cls.load(locate(start))
        return Models(cls(processor), student, teacher)

    def frozen_encoder(self, model: Any, cache: Any, *, bf16: bool) -> None:
        """Return None: a CTC model is its encoder, and no states are kept."""

    def forward_with_states(self, model: Any, batch: Batch) -> NoReturn:
        """Raise: there is no decoder whose states could be compared."""
        raise NotImplementedError("a CTC model has no decoder states")

    @staticmethod
    def load(checkpoint: str) -> Any:
        """Return the model of a checkpoint in float32."""
        return AutoModelForCTC.from_pretrained(checkpoint, dtype=torch.float32, trust_remote_code=False)

    def labels(self, text: str) -> list[int]:
        """Return the tokens of the text, in the case the vocabulary has."""
        upper = any(token.isalpha() and token.isupper() and len(token) == 1 for token in self.tokenizer.get_vocab())
        tokens: list[int] = self.tokenizer(" ".join((text.upper() if upper else text.lower()).split())).input_ids
        return tokens

    def check_labels(self, model: Any, labels: Sequence[int], utterance: str) -> None:
        """Refuse empty labels: CTC has nothing to align."""
        if not labels:
            raise UserError(f"data: utterance {utterance!r} has no token of the vocabulary")

    def features(self, samples: Samples) -> NDArray[np.float32]:
        """Return the normalised waveform (samples,)."""
        values = self.processor.feature_extractor(samples, sampling_rate=SAMPLING_RATE).input_values[0]
        return np.asarray(values, np.float32)

    def collate_labels(self, labels: Sequence[Sequence[int]]) -> Batch:
        """Return `labels` (batch, length)."""
        targets = torch.full((len(labels), max(map(len, labels))), IGNORED)
        for row, tokens in enumerate(labels):
            targets[row, : len(tokens)] = torch.tensor(tokens)
        return {"labels": targets}

    def collate_features(self, features: Sequence[NDArray[np.float32]]) -> Batch:
        """Return `features` (batch, samples), padded, and `lengths` (batch,)."""
        lengths = torch.tensor([len(array) for array in features])
        padded = [functional.pad(torch.from_numpy(array), (0, int(lengths.max()) - len(array))) for array in features]
        return {"features": torch.stack(padded), "lengths": lengths}

    def counts(self, model: Any, batch: Batch) -> tuple[int, int]:
        """Return the number of label tokens and of frames with audio."""
        lengths = batch["lengths"] if "lengths" in batch else batch["student_lengths"]
        return int((batch["labels"] != IGNORED).sum()), int(self._frames(model, lengths).sum())

    def forward(self, model: Any, batch: Batch) -> Tensor:
        """Return logits (batch, frames, vocabulary)."""
        features = batch["features"]
        mask = torch.arange(features.shape[1], device=features.device) < batch["lengths"][:, None]
        logits: Tensor = model(features, attention_mask=mask.long()).logits
        return logits

    def packed(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the logits of frames that hold audio."""
        frames = self._frames(model, batch["lengths"])
        return logits[torch.arange(logits.shape[1], device=logits.device) < frames[:, None]]

    def hard_loss(self, model: Any, logits: Tensor, batch: Batch) -> Tensor:
        """Return the summed CTC loss."""
        labels = batch["labels"]
        lengths = (labels != IGNORED).sum(dim=1)
        log_p = functional.log_softmax(logits.float(), dim=-1).transpose(0, 1)
        frames = self._frames(model, batch["lengths"])
        return functional.ctc_loss(
            log_p, labels[labels != IGNORED], frames, lengths, blank=model.config.pad_token_id, reduction="sum", zero_infinity=False
        )

    @torch.no_grad()
    def transcribe(self, model: Any, batch: Batch) -> list[str]:
        """Return greedy transcripts: best token a frame, repeats merged, blanks dropped."""
        best = self.forward(model, batch).argmax(dim=-1)
        frames = self._frames(model, batch["lengths"]).tolist()
        return [self.tokenizer.decode(row[:count]) for row, count in zip(best, frames, strict=True)]

    @staticmethod
    def _frames(model: Any, lengths: Tensor) -> Tensor:
        frames: Tensor = model._get_feat_extract_output_lengths(lengths).long()
        return frames
