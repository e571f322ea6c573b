"""The listening gallery: a few utterances under every condition, what each model wrote, word by word, and how sure it was."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from askd_bench.errors import UserError
from askd_bench.metrics.utterance import MarkedWord, mark
from askd_bench.report.page.audio import Clip, clips
from askd_bench.report.page.sections import Entry, Section
from askd_bench.types import Row

DEFAULT_SIZE = 6
LONGEST_S = 15.0
"""Clips up to this length are chosen from, so that the page stays small; a corpus of longer ones only gives its shortest."""

_RULE = "askd-bench/gallery/1"
_SHOWN_INSERTIONS = 8
_STEPS = ((0.7, "sure"), (0.5, "middling"), (0.0, "unsure"))


@dataclass(frozen=True, slots=True)
class Token:
    """One step of an alignment, as it is shown: kind, word written, word said, class of confidence, and a sentence about it."""

    kind: str
    hypothesis: str
    reference: str
    sureness: str
    about: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What one model wrote: runs of tokens (long runs of insertions are folded), or the error; and what stands in the way of trust."""

    model: str
    style: int
    runs: tuple[tuple[bool, tuple[Token, ...]], ...]
    errors: str
    failure: str
    warning: str


@dataclass(frozen=True, slots=True)
class Under:
    """An utterance under one condition: its audio, what was realised, and what each model wrote."""

    condition: str
    clip: Clip
    realised: str
    checked: bool
    heard: tuple[Heard, ...]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One utterance."""

    utterance: str
    reference: str
    about: str
    under: tuple[Under, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The exhibits of a section, how they were chosen, and the problems of its audio."""

    exhibits: tuple[Exhibit, ...]
    chosen: str
    problems: tuple[str, ...]


def gallery(section: Section, *, size: int, seed: int, normalizer: str, noise_dir: Path | None) -> Gallery:
    """Return the gallery of a section; with size 0 an empty one.

    The choice never hangs on what a model wrote: utterances that every model heard, in the order of a hash of seed and id, the speakers
    taking turns.
    """
    if size < 0:
        raise UserError(f"gallery: {size} is out of range (allowed: 0 for none, or more)")
    chosen = _choice(section, size, seed)
    if not chosen:
        return Gallery((), "", ())
    rows = [_rows(entry, set(chosen)) for entry in section.entries]
    rendered, reason = clips(section, chosen, noise_dir=noise_dir)
    exhibits = tuple(_exhibit(section, utterance, rows, rendered, reason, normalizer) for utterance in chosen)
    warnings = [f"{one.utterance}: {h.model}: {h.warning}" for one in exhibits for u in one.under for h in u.heard if h.warning]
    problems = ([f"No audio: {reason}"] if reason else []) + (
        [f"{len(warnings)} renderings differ from what a model heard, first {warnings[0]}"] if warnings else []
    )
    how = (
        f"{len(chosen)} of {len(set(section.entries[0].scored.utterance))} utterances, chosen by a hash of their ids (seed {seed}), "
        f"speakers taking turns, not by any result; clips of up to {LONGEST_S:g} s go first."
    )
    return Gallery(exhibits, how, tuple(problems))


def _choice(section: Section, size: int, seed: int) -> list[str]:
    common: set[str] | None = None
    about: dict[str, tuple[float, str]] = {}
    for entry in section.entries:
        scored = entry.scored
        names = scored.utterance.tolist()
        common = set(names) if common is None else common & set(names)
        for name, seconds, speaker in zip(names, scored.duration_s.tolist(), scored.speaker.tolist(), strict=True):
            about[name] = (max(seconds - LONGEST_S, 0.0), speaker or name)
    by_hash = sorted(common or (), key=lambda name: hashlib.sha256("\0".join((_RULE, str(seed), name)).encode("utf-8", "replace")).digest())
    turns: Counter[str] = Counter()
    order: list[tuple[float, int, str]] = []
    for name in sorted(by_hash, key=lambda name: about[name][0]):  # stable: by hash among those that are short enough
        too_long, speaker = about[name]
        turns[speaker] += 1
        order.append((too_long, turns[speaker], name))
    return [name for *_, name in sorted(order, key=lambda one: one[:2])[:size]]


def _rows(entry: Entry, wanted: set[str]) -> dict[tuple[str, str], Row]:
    return {(row.condition, row.utterance): row for row in entry.result.rows() if row.utterance in wanted}


def _exhibit(
    section: Section,
    utterance: str,
    rows: list[dict[tuple[str, str], Row]],
    rendered: Mapping[tuple[str, str], Clip],
    reason: str,
    normalizer: str,
) -> Exhibit:
    under = []
    for condition in section.conditions:
        own = [
            (entry, table[condition, utterance])
            for entry, table in zip(section.entries, rows, strict=True)
            if (condition, utterance) in table
        ]
        if not own:
            continue
        clip = rendered.get((condition, utterance)) or Clip(None, None, reason or "this recording is no longer in the corpus")
        heard = tuple(_heard(entry, row, clip, normalizer) for entry, row in own)
        checked = clip.sha256 is not None and all(row.audio_sha256 == clip.sha256 for _, row in own)
        under.append(Under(condition, clip, _realised(own[0][1]), checked, heard))
    first = next(table[key] for table in rows for key in table if key[1] == utterance)
    about = [
        f"{first.duration_s:.1f} s",
        *([f"speaker {first.speaker}"] if first.speaker else []),
        *([f"group {first.group}"] if first.group else []),
    ]
    return Exhibit(utterance, first.reference, ", ".join(about), tuple(under))


def _heard(entry: Entry, row: Row, clip: Clip, normalizer: str) -> Heard:
    warning = ""
    if clip.sha256 is not None and row.audio_sha256 is None:
        warning = "the row has no hash to check this audio against"
    elif clip.sha256 is not None and row.audio_sha256 != clip.sha256:
        warning = "not the audio this model heard: the hash differs"
    if row.hypothesis is None:
        return Heard(entry.name, entry.style, (), "", row.error or "no hypothesis", warning)
    words = mark(row, normalizer=normalizer)
    kinds = [word.kind for word in words]
    wrong = len(kinds) - kinds.count("hit")
    said = len(kinds) - kinds.count("insertion")
    return Heard(
        entry.name,
        entry.style,
        tuple(_runs(words)),
        f"{wrong} {'error' if wrong == 1 else 'errors'}, {said} {'word' if said == 1 else 'words'}",
        "",
        warning,
    )


def _runs(words: Iterable[MarkedWord]) -> Iterator[tuple[bool, tuple[Token, ...]]]:
    """Yield tokens in runs; True: fold this one, the rest of many insertions in a row."""
    for inserted, group in groupby(words, key=lambda word: word.kind == "insertion"):
        tokens = tuple(_token(word) for word in group)
        if inserted and len(tokens) > _SHOWN_INSERTIONS + 2:
            yield False, tokens[:_SHOWN_INSERTIONS]
            yield True, tokens[_SHOWN_INSERTIONS:]
        else:
            yield False, tokens


def _token(word: MarkedWord) -> Token:
    sure = "" if word.confidence is None else f"confidence {word.confidence:.2f}"
    about = {
        "hit": sure,
        "substitution": f"wrong, {word.reference} was said" + (f", {sure}" if sure else ""),
        "deletion": "left out",
        "insertion": "not said" + (f", {sure}" if sure else ""),
    }[word.kind]
    return Token(word.kind, word.hypothesis or "", word.reference or "", _sureness(word), about)


def _sureness(word: MarkedWord) -> str:
    """Return the class a wrong word is coloured by: above .7 it counts as a confident error."""
    if word.kind in ("hit", "deletion"):
        return ""
    if word.confidence is None:
        return "unknown"
    return next((name for above, name in _STEPS if word.confidence > above), "unsure")


def _realised(row: Row) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.realised.items())
