"""Longer utterances out of short ones: a student trained on two seconds at a time repeats itself on ten.

Utterances of one speaker are laid one after another, with pauses, up to a length; the text is theirs, one after another. Concatenation of
utterances as augmentation for long speech: e.g. Lin et al., "Random Utterance Concatenation Based Data Augmentation for Improving
Short-video Speech Recognition" (Interspeech 2023, arXiv 2210.15876); here no utterance is cut, and speakers are not mixed.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from askd_bench.audio import read_utterance
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_bench.files import write_whole
from askd_bench.types import SAMPLING_RATE, Utterance
from askd_trainers.data.examples import Example, usable
from askd_trainers.data.windows import Window, lay, length_in_samples, pack
from askd_trainers.data.windows import alone as windows_of_one
from askd_trainers.files import MANIFEST, write_manifest

_ENDS = (".", "!", "?", "…", ",", ";", ":", "-", '"', "'")


@dataclass(frozen=True)
class Joined:
    """How many utterances were made, of how many, and how long they are together; how many stayed alone or were left out."""

    made: int
    used: int
    left: int
    seconds: float


def join_utterances(
    corpus: str,
    out: Path,
    *,
    longest_s: float = 10.0,
    pause_s: tuple[float, float] = (0.1, 0.6),
    alone: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Joined:
    """Write a corpus of longer utterances, each of two or more of one speaker and split, to a new folder.

    Utterances without a speaker, longer than `longest_s`, without text, or that nothing fitted beside are left out: train on both corpora,
    or on what is made with some `alone`.

    Args:
        corpus: as `askd-bench run --corpus` takes it.
        out: a folder without a corpus: `audio/*.flac` (16 kHz, 16 bits) and, when all is there, `manifest.jsonl`.
        longest_s: of what is joined, seconds, above 0 and at most 30.
        pause_s: the shortest and the longest pause between two, seconds.
        alone: share of the utterances, 0 to 1, that are written by themselves too.
        seed: decides order, pauses and who is alone.
        progress: is told how many are written, and of how many.

    Raises:
        AudioError: a recording cannot be decoded.
        UserError: an argument out of range, a corpus that cannot be opened, nothing to join, or a folder that holds a corpus.
    """
    if not 0 < longest_s <= 30:
        raise UserError(f"longest: {longest_s:g} s is out of range (allowed: above 0, at most 30)")
    if not 0 <= pause_s[0] <= pause_s[1] <= longest_s:
        raise UserError(
            f"pause: {pause_s[0]:g} to {pause_s[1]:g} s is out of range (allowed: two lengths from 0 to {longest_s:g}, the shorter first)"
        )
    if not 0 <= alone <= 1:
        raise UserError(f"alone: {alone:g} is out of range (allowed: a share, 0 to 1)")
    if (out / MANIFEST).exists():
        raise UserError(f"out: {out} holds a corpus; choose another folder")
    everything = list(open_corpus(corpus))
    measured = [_measured(utterance) for utterance in everything if utterance.speaker]
    utterances, _ = usable(measured, max_duration_s=longest_s)
    joined = _laid_out(utterances, longest_s, pause_s, alone, seed)
    if not joined:
        raise UserError(f"corpus: {corpus!r} has no two utterances of one speaker that fit into {longest_s:g} s")
    rows, seconds = [], 0.0
    try:
        (out / "audio").mkdir(parents=True, exist_ok=True)
        for number, (window, own) in enumerate(joined):
            samples = lay(window, own)
            name = f"joined-{number:05}"
            write_whole(out / "audio" / f"{name}.flac", _flac(samples), argument="out")
            parts = [own[piece.utterance].utterance for piece in window]
            seconds += len(samples) / SAMPLING_RATE
            rows.append(_row(name, parts, len(samples)))
            if progress is not None:
                progress(number + 1, len(joined))
    except OSError as error:
        raise UserError(f"out: {out} cannot be written: {error.strerror or error}") from error
    write_manifest(out, rows)
    used = len({own[piece.utterance].id for window, own in joined for piece in window})
    return Joined(len(joined), used, len(everything) - used, seconds)


def _measured(utterance: Utterance) -> Utterance:
    """Return the utterance with its length as decoded: records are rounded, and may be off."""
    samples = read_utterance(utterance)
    return replace(utterance, duration_s=len(samples) / SAMPLING_RATE)


def _laid_out(
    utterances: Sequence[Utterance], longest_s: float, pause_s: tuple[float, float], alone: float, seed: int
) -> list[tuple[Window, list[Example]]]:
    """Return windows of more than one utterance, then those of one alone, with the utterances that they number."""
    by_voice: defaultdict[tuple[str, str], list[Example]] = defaultdict(list)
    for utterance in utterances:
        by_voice[str(utterance.speaker), utterance.split].append(Example(utterance, ()))
    rng = np.random.default_rng(seed)
    pause = (round(pause_s[0] * SAMPLING_RATE), round(pause_s[1] * SAMPLING_RATE))
    joined = []
    voices = [own for _, own in sorted(by_voice.items())]
    for own in voices:
        lengths = [length_in_samples(example) for example in own]
        joined += [(window, own) for window in pack(lengths, round(longest_s * SAMPLING_RATE), pause=pause, rng=rng) if len(window) > 1]
    if not joined:
        return []
    for own in voices:
        joined += [(window, own) for window in windows_of_one(rng.permutation(len(own))[: round(alone * len(own))].tolist())]
    return joined


def _row(name: str, parts: Sequence[Utterance], length: int) -> dict[str, object]:
    groups = {part.group for part in parts}
    return {
        "id": name,
        "audio_filepath": f"audio/{name}.flac",
        "text": joined_text([part.reference for part in parts]),
        "duration": round(length / SAMPLING_RATE, 3),
        "speaker": parts[0].speaker,
        **({"group": parts[0].group} if len(groups) == 1 and parts[0].group else {}),
        "split": parts[0].split,
        "joined": [part.id for part in parts],
    }


def joined_text(texts: Sequence[str]) -> str:
    """Return texts one after another; one that ends without punctuation gets a full stop before the next.

    >>> joined_text(["It doesn't seem to open", "What now?", "Hm."])
    "It doesn't seem to open. What now? Hm."
    """
    *before, last = (text.strip() for text in texts)
    return " ".join([*(text if text.endswith(_ENDS) else f"{text}." for text in before), last])


def _flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()
