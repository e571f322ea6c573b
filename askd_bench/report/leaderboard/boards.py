"""Who heard the very same audio: result directories gathered into boards, the only places where models stand side by side."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from askd_bench.metrics import calibration, hallucination, loop_free, robustness, speed, word_errors
from askd_bench.metrics.scoring import Scored, score
from askd_bench.metrics.systems import Aligned, align_systems
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.results import Result
from askd_bench.rows import Key
from askd_bench.signature import Signature
from askd_bench.types import Row

Arrays = Mapping[str, NDArray[np.generic]]
"""Statistic -> shape (num_utterances,) or (num_utterances, bins)."""

_SUITES = ("clean", "noisy", "far-field", "telephony", "calls", "accents", "distortion", "silence", "srb", "own-noise")
CORE = ("clean", "noisy", "far-field", "telephony", "accents")
"""Suites, of any version, that an overall rank rests on; the others have ranks of their own."""

OTHERWISE = 0.01
"""Share of the anchor's clips that a model may have heard with other bits: processors without AVX-512 render a few clips otherwise."""

_WORD_STATISTICS = ("word_items", "word_wrong_above_0.7", "word_width_count", "word_width_confidence", "word_width_correct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What the figures of one model on one board add up, utterances sorted by condition and id.

    Attributes:
        plain: of word errors, hallucination and speed. words: of word calibration.
        degraded: word errors beside those on the same utterance in the baseline condition; zero in that condition itself.
    """

    plain: Arrays
    degraded: Arrays
    words: Arrays


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """Models that heard the very same audio of one suite and corpus; test utterances only.

    Attributes:
        suite: label, e.g. `noisy-v1`. corpus: name. baseline: id of the condition the others are compared with.
        conditions: ids, in the suite's order.
        results: model -> its result. signatures: model -> its signature.
        aligned: all models on the same references, in the order of `results`.
        audio: str, shape (num_utterances,), the hash of what was heard; "" where a recording could not be read.
        statistics: model -> what its figures add up.
        left_out: clips that some of these models heard with other bits than the rest; in none of the figures.
    """

    suite: str
    corpus: str
    baseline: str
    conditions: tuple[str, ...]
    results: Mapping[str, Result]
    signatures: Mapping[str, Signature]
    aligned: Aligned
    audio: NDArray[np.str_]
    statistics: Mapping[str, Statistics]
    left_out: int

    @property
    def models(self) -> list[str]:
        """The models, in the order of `aligned`."""
        return list(self.results)

    @property
    def has_words(self) -> bool:
        """Whether anything is said on it: without reference words there is no error rate."""
        return len(self.aligned.reference) > 0

    @property
    def has_shifts(self) -> bool:
        """Whether there is a condition besides the baseline."""
        return len(self.conditions) > 1


def model_of(result: Result) -> str:
    """Return the model's name: its folder's."""
    return result.path.parents[1].name


def anchor_of(results: Iterable[Result]) -> str | None:
    """Return the model whose audio decides: the benchmark's default, else the one with most results, the first by name among equals."""
    names = [model_of(result) for result in results]
    return min(names, key=lambda name: (name != DEFAULT_MODEL, -names.count(name), name), default=None)


def read_boards(results: Sequence[Result]) -> Iterator[Board]:
    """Yield the boards of all results, suite by suite and corpus by corpus; the one with the anchor comes first.

    On each suite and corpus the anchor's rows decide (without it, those of the model with most rows): every model that has all of them,
    with equal audio hashes and references, is on that board, cut to these rows. So is a model of whose rows up to `OTHERWISE` have another
    hash, and these clips are left out for all. The models left over make boards of their own, likewise.

    Raises:
        UserError: a row that is none.
    """
    anchor = anchor_of(results)
    groups: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        groups[result.path.parent.name, result.path.name].append(result)
    for suite, corpus in sorted(groups, key=_order):
        rows = {model_of(result): (result, dict(_lean(result.rows()))) for result in groups[suite, corpus]}
        rows = {model: (result, table) for model, (result, table) in rows.items() if table}
        while rows:
            yardstick = min(rows, key=lambda name: (name != anchor, -len(rows[name][1]), name))
            wanted = _heard(rows[yardstick][1])
            otherwise = {name: _otherwise(wanted, _heard(table)) for name, (_, table) in rows.items()}
            taken = {name: rows.pop(name) for name, keys in otherwise.items() if keys is not None}
            left_out = set().union(*(otherwise[name] or () for name in taken))
            yield _board(suite, corpus, yardstick, sorted(wanted.keys() - left_out), taken, left_out=len(left_out))


def core(boards: Sequence[Board]) -> list[Board]:
    """Return the boards of `CORE` suites; all of them where there are none, as for suites of one's own."""
    return [board for board in boards if board.suite.rpartition("-v")[0] in CORE] or list(boards)


def _order(group: tuple[str, str]) -> tuple[int, str, str]:
    suite, corpus = group
    name = suite.rpartition("-v")[0]
    return _SUITES.index(name) if name in _SUITES else len(_SUITES), suite, corpus


def _lean(rows: Iterable[Row]) -> Iterator[tuple[Key, Row]]:
    """Yield the test rows without what no figure here needs: a board holds the rows of all its models at once."""
    for row in rows:
        if row.split == "test":
            yield (row.condition, row.utterance), replace(row, tempered_logprobs={}, token_entropies=(), realised={})


def _heard(rows: Mapping[Key, Row]) -> dict[Key, tuple[str | None, str]]:
    return {key: (row.audio_sha256, row.reference) for key, row in rows.items()}


def _otherwise(wanted: Mapping[Key, tuple[str | None, str]], heard: Mapping[Key, tuple[str | None, str]]) -> set[Key] | None:
    """Return the few clips that were heard with other bits, or None where a model has not heard the rest."""
    differing = {key for key, value in wanted.items() if heard.get(key) != value}
    same_clips = all(key in heard and heard[key][1] == wanted[key][1] and heard[key][0] for key in differing)
    return differing if same_clips and len(differing) <= OTHERWISE * len(wanted) else None


def _board(
    suite: str,
    corpus: str,
    yardstick: str,
    keys: Sequence[Key],
    taken: Mapping[str, tuple[Result, Mapping[Key, Row]]],
    *,
    left_out: int,
) -> Board:
    signatures = {name: result.signature() for name, (result, _) in taken.items()}
    signature = signatures[yardstick]
    baseline, heard = signature.suite.baseline, {condition for condition, _ in keys}
    conditions = tuple(condition for condition in signature.conditions if condition in heard)
    tables = [[table[key] for key in keys] for _, table in taken.values()]
    return Board(
        suite=suite,
        corpus=corpus,
        baseline=baseline,
        conditions=conditions,
        results={name: result for name, (result, _) in taken.items()},
        signatures=signatures,
        aligned=align_systems(tables, names=list(taken)),
        audio=np.array([row.audio_sha256 or "" for row in tables[0]], np.str_),
        statistics={name: _statistics(score(rows), baseline, conditions) for name, rows in zip(taken, tables, strict=True)},
        left_out=left_out,
    )


def _statistics(scored: Scored, baseline: str, conditions: Sequence[str]) -> Statistics:
    parts = [robustness.statistics(scored, condition, clean=baseline) for condition in conditions if condition != baseline]
    words = calibration.statistics(scored)
    return Statistics(
        plain={
            **word_errors.statistics(scored),
            **loop_free.capped(scored),
            **hallucination.statistics(scored),
            **speed.statistics(scored),
        },
        degraded={name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]} if parts else {},
        words={name: words[name] for name in _WORD_STATISTICS},
    )
