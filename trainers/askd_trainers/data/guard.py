"""Refuses to train on what a suite tests on: a speaker or a recording in both would make the result worthless."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from askd_bench.corpora import list_corpora, open_corpus
from askd_bench.errors import UserError
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.suites import bundled_suites, load_suite
from askd_bench.types import Utterance
from askd_trainers.data.examples import CLEAN, audio_bytes


class AudioHashes:
    """sha256 of decoded audio (16 kHz, int16), so that another container of the same recording is found too; remembered on disk.

    Args:
        memory: a JSON file: sha256 of the encoded bytes -> sha256 of the samples.
    """

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self._known: dict[str, str] = {}
        if memory.is_file():
            try:
                self._known = json.loads(memory.read_text())
            except (OSError, ValueError):
                self._known = {}

    def of(self, utterance: Utterance) -> str:
        """Return the hash of one utterance's audio."""
        encoded = hashlib.sha256(audio_bytes(utterance)).hexdigest()
        if encoded not in self._known:
            self._known[encoded] = render(utterance, CLEAN, suite="", version=0, scene=Scene()).sha256
        return self._known[encoded]

    def save(self) -> None:
        """Remember for the next run, where there is room: a full disk costs time only."""
        temporary = None
        try:
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            # its own name: other runs may save at the same time
            handle, temporary = tempfile.mkstemp(dir=self.memory.parent, suffix=".tmp")
            with os.fdopen(handle, "w") as file:
                json.dump(self._known, file)
            os.replace(temporary, self.memory)
        except OSError:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)


def corpora_of_suites(suites: Sequence[str] | None) -> list[tuple[str, Iterable[Utterance]]]:
    """Return name and utterances of every corpus that the suites test on.

    None stands for all bundled suites, as far as their corpora are bundled too: what would have to be fetched is checked when asked for.
    """
    names = {corpus for suite in (bundled_suites() if suites is None else suites) for corpus in load_suite(suite).corpora}
    if suites is None:
        names &= {entry.name for entry in list_corpora() if entry.kind == "bundled"}
    return [(name, open_corpus(name)) for name in sorted(names)]


def refuse_overlap(training: Sequence[Utterance], tests: Iterable[tuple[str, Iterable[Utterance]]], hashes: AudioHashes) -> None:
    """Check that training and test data are disjoint.

    Args:
        training: what is to be trained on.
        tests: name of a suite or corpus -> its utterances; only those with split "test" count.
        hashes: where audio hashes come from.

    Raises:
        UserError: a speaker or a recording is in both; the message names it.
    """
    speakers = {u.speaker.casefold(): u.speaker for u in training if u.speaker}
    recordings = {hashes.of(u): u.id for u in training}
    for name, utterances in tests:
        for utterance in utterances:
            if utterance.split != "test":
                continue
            if utterance.speaker and utterance.speaker.casefold() in speakers:
                raise UserError(f"data.train: speaker {utterance.speaker!r} is in the test split of {name!r}; train on other speakers")
            shared = recordings.get(hashes.of(utterance))
            if shared is not None:
                raise UserError(f"data.train: utterance {shared!r} is the same recording as {utterance.id!r} in the test split of {name!r}")
    hashes.save()
