"""From corpora to examples: which utterances are trained on, how they sound, and what the model is asked to predict."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from askd_bench.audio import audio_duration_s, read_utterance
from askd_bench.corpora import open_corpus
from askd_bench.errors import AudioError, UserError
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.suites import Condition, load_suite
from askd_bench.types import SAMPLING_RATE, Samples, Utterance
from askd_trainers.recipe import Data

TALKERS = 50
"""Utterances that babble is made of, the same for every example of a run."""

CLEAN = Condition(id="clean")

BUILT = "data/training/manifest.jsonl"
"""The corpus that the bundled recipes train on: too large to be bundled itself."""


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance as it sounds in training: clean (`variant` 0) or under a condition, always the same way for the same seed."""

    utterance: Utterance
    labels: tuple[int, ...]
    variant: int = 0
    condition: Condition = CLEAN
    seed: int = 0
    talkers: tuple[Utterance, ...] = ()

    @property
    def id(self) -> str:
        """What errors call it."""
        return f"{self.utterance.id}#{self.variant}:{self.condition.id}" if self.variant else self.utterance.id

    @property
    def clean(self) -> "Example":
        """The utterance itself."""
        return Example(self.utterance, self.labels)

    def samples(self) -> Samples:
        """Decode and perturb, by the same renderer as in evaluation."""
        scene = Scene(speaker=self.utterance.speaker, talkers=self.talkers)
        return render(self.utterance, self.condition, suite=f"training-{self.seed}", version=self.variant, scene=scene).samples

    def audio_key(self) -> str:
        """Return the hash of what the audio depends on, without decoding it."""
        digest = hashlib.sha256(audio_bytes(self.utterance))
        if self.condition.chain:
            voices = [talker.id for talker in self.talkers]
            digest.update(repr((self.condition.chain, self.seed, self.utterance.id, self.variant, self.condition.id, voices)).encode())
        return digest.hexdigest()


def audio_bytes(utterance: Utterance) -> bytes:
    """Return the encoded audio; `AudioError` names a file that cannot be read."""
    if isinstance(utterance.audio, bytes):
        return utterance.audio
    try:
        return utterance.audio.read_bytes()
    except OSError as error:
        raise AudioError(f"{utterance.audio}: cannot be read: {error.strerror}") from error


def read_utterances(specs: Sequence[str], *, split: str | None, limit: int | None, audio_folder: Path) -> list[Utterance]:
    """Return the utterances of corpora: those of `split`, or `limit` of them, in the corpora's order.

    The choice is random but always the same, so that it is equal for all arms and seeds, and a larger one holds the smaller.

    A streamed corpus is read once; its audio goes to files in `audio_folder`, named by their hash, so that memory holds none of it.

    Raises:
        UserError: a corpus cannot be opened, an id occurs twice, or nothing is left.
    """
    if BUILT in specs and not Path(BUILT).is_file():
        raise UserError(f"data.train: {BUILT} is not there; python tools/build_corpora training --out data/training builds it")
    utterances = [_on_disk(u, audio_folder) for spec in specs for u in open_corpus(spec) if split in (None, u.split)]
    ids = [u.id for u in utterances]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise UserError(f"data: utterance id {twice!r} occurs in more than one of {', '.join(specs)}")
    if not utterances:
        raise UserError(f"data: {', '.join(specs)} has no utterance{f' of split {split!r}' if split else ''}")
    if limit is not None and limit < len(utterances):
        chosen = np.sort(np.random.default_rng(0).permutation(len(utterances))[:limit])
        utterances = [utterances[i] for i in chosen]
    return utterances


def _on_disk(utterance: Utterance, folder: Path) -> Utterance:
    if isinstance(utterance.audio, Path):
        return utterance
    file = folder / hashlib.sha256(utterance.audio).hexdigest()
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as part:
            part.write(utterance.audio)
        os.replace(temporary, file)
    return replace(utterance, audio=file)


def usable(utterances: Iterable[Utterance], *, max_duration_s: float) -> tuple[list[Utterance], dict[str, int]]:
    """Return the utterances that can be trained on, and how many were left out and why.

    Raises:
        AudioError: a file is missing or unreadable.
    """
    kept: list[Utterance] = []
    dropped = {"longer than the window": 0, "empty reference": 0}
    for utterance in utterances:
        duration = utterance.duration_s
        if duration is None:
            duration = audio_duration_s(utterance.audio)
        if duration is None:
            duration = len(read_utterance(utterance)) / SAMPLING_RATE
        if duration > max_duration_s:
            dropped["longer than the window"] += 1
        elif not utterance.reference.strip():
            dropped["empty reference"] += 1
        else:
            kept.append(replace(utterance, duration_s=duration))
    return kept, {reason: count for reason, count in dropped.items() if count}


def make_examples(utterances: Sequence[Utterance], data: Data, labels: Callable[[str], list[int]], seed: int) -> list[Example]:
    """Return the clean utterances, then `data.variants` copies of each under conditions drawn from `data.suite`, where that is given.

    Raises:
        UserError: the suite or a condition is unknown, or none of the conditions perturbs.
    """
    examples = [Example(u, tuple(labels(u.reference))) for u in utterances]
    if data.suite is None:
        return examples
    conditions = [c for c in load_suite(data.suite).select(data.conditions or None) if c.chain]
    if not conditions:
        raise UserError(f"data.suite: {data.suite!r} has no condition that perturbs speech")
    rng = np.random.default_rng(seed)
    pool = tuple(utterances[i] for i in rng.permutation(len(utterances))[:TALKERS])
    perturbed = [
        replace(example, variant=variant, condition=conditions[int(rng.integers(len(conditions)))], seed=seed, talkers=pool)
        for variant in range(1, data.variants + 1)
        for example in examples
    ]
    return examples + perturbed


def fingerprint(examples: Sequence[Example]) -> str:
    """Return the sha256 of what is trained on: audio, perturbation and labels of every example, in order."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr((example.id, example.utterance.speaker, example.audio_key(), example.labels)).encode())
    return digest.hexdigest()


def describe(examples: Sequence[Example], dropped: dict[str, int]) -> dict[str, Any]:
    """Return what the data are: count, hours, speakers, sha256, and what was left out."""
    clean = [e for e in examples if e.variant == 0]
    return {
        "examples": len(examples),
        "utterances": len(clean),
        "hours": round(sum(e.utterance.duration_s or 0.0 for e in clean) / 3600, 3),
        "speakers": sorted({e.utterance.speaker for e in clean if e.utterance.speaker}),
        "left_out": dropped,
        "sha256": fingerprint(examples),
    }
