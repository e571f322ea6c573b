"""`evaluate`: figures of texts, whoever recognised them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import pandas as pd

from askd_bench.arguments import wrong_type
from askd_bench.errors import UserError
from askd_bench.metrics import calibration, hallucination, loop_free, selective, word_errors
from askd_bench.metrics.bootstrap import clusters_of, resample
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.scoring import Scored, score
from askd_bench.metrics.summary import BINNED_RESAMPLES
from askd_bench.text import DEFAULT_NORMALISER
from askd_bench.types import Row, Word

_OF_AUDIO = "invented_words_per_minute"


@dataclass(frozen=True)
class Evaluation(Mapping[str, Estimate]):
    """Figures by name, each with `value`, `low` and `high` (its 95 % interval), `n`, `unit`, and the `reason` where one is None.

    Attributes:
        estimates: name -> figure; METRICS.md defines each.
        normalizer: of the texts.
        scored: what they were computed from.
    """

    estimates: Mapping[str, Estimate]
    normalizer: str
    scored: Scored

    def __getitem__(self, name: str) -> Estimate:
        return self.estimates[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    def table(self) -> pd.DataFrame:
        """Return a row a figure: `metric, value, low, high, n, unit, reason`."""
        return pd.DataFrame([{"metric": name, **one.as_dict()} for name, one in self.items()])

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, na_rep="–")


def evaluate(
    references: str | Sequence[str],
    hypotheses: str | Sequence[str | None] | None,
    confidences: Any = None,
    *,
    speakers: Sequence[str] | None = None,
    normalizer: str = DEFAULT_NORMALISER,
) -> Evaluation:
    """Return the figures of hypotheses: word and character errors, what was invented, and calibration where there are confidences.

    Args:
        references: what was said, one text an utterance; one alone may come without a list.
        hypotheses: what was recognised, in the same order; None where there is nothing, which enters no rate (an empty text does).
        confidences: for each utterance one number, or one for each of its hypothesis' words (separated by white space); all in [0, 1],
            None where unknown.
        speakers: who speaks in each; from ten speakers up the intervals are over speakers, otherwise over utterances.
        normalizer: of both texts.

    Raises:
        UserError: lengths differ, something is of another type, or a confidence is outside [0, 1].
    """
    if isinstance(references, str):
        references, hypotheses, confidences = [references], [hypotheses], None if confidences is None else [confidences]  # type: ignore[list-item]
    said, heard = _listed("references", references), _listed("hypotheses", hypotheses)
    voices = [None] * len(said) if speakers is None else _listed("speakers", speakers)
    sure = [None] * len(said) if confidences is None else _listed("confidences", confidences)
    for name, values in (("hypotheses", heard), ("speakers", voices), ("confidences", sure)):
        if len(values) != len(said):
            raise UserError(f"{name}: there are {len(values)}, and {len(said)} references (allowed: one for each)")
    if not said:
        raise UserError("references: there are none (allowed: one or more)")
    scored = score(map(_row, range(len(said)), said, heard, voices, sure), normalizer=normalizer)
    return Evaluation(dict(_estimates(scored)), normalizer, scored)


def _estimates(scored: Scored) -> Iterator[tuple[str, Estimate]]:
    clusters = clusters_of(scored)
    statistics = {**word_errors.statistics(scored), **loop_free.capped(scored), **hallucination.statistics(scored)}
    resampled = resample(statistics, clusters)
    for metric in (*word_errors.METRICS, loop_free.WER_CAPPED, *hallucination.METRICS):
        if metric.name != _OF_AUDIO:
            yield metric.name, metric.estimate(resampled)
    for level in ("word", "utterance"):
        if len(calibration.items_of(scored, level).correct):
            resampled = resample(calibration.statistics(scored, level), clusters, resamples=BINNED_RESAMPLES)
            yield from ((metric.name, metric.estimate(resampled)) for metric in calibration.metrics(level))
            yield from selective.estimates(scored, level, resampled).items()


def _row(number: int, reference: object, hypothesis: object, speaker: object, confidence: object) -> Row:
    """Return the row of an utterance; a confidence of the whole utterance is stored as that of its one token."""
    said = _text(f"references[{number}]", reference)
    heard = None if hypothesis is None else _text(f"hypotheses[{number}]", hypothesis)
    name = f"confidences[{number}]"
    of_words = not (confidence is None or isinstance(confidence, Real)) and heard is not None
    sure = None if of_words else _confidence(name, confidence)
    return Row(
        condition="all",
        utterance=f"{number:012}",
        reference=said,
        hypothesis=heard,
        duration_s=0.0,
        speaker=None if speaker is None else _text(f"speakers[{number}]", speaker),
        words=tuple(_words(name, heard or "", confidence)) if of_words else (),
        token_logprobs=() if sure is None else (math.log(sure) if sure else -math.inf,),
        error="no hypothesis" if heard is None else None,
    )


def _words(name: str, hypothesis: str, confidences: object) -> Iterator[Word]:
    words, sure = hypothesis.split(), _listed(name, confidences)
    if len(words) != len(sure):
        raise UserError(f"{name}: there are {len(sure)}, and {len(words)} words in {hypothesis[:40]!r} (allowed: one for each)")
    for place, (word, confidence) in enumerate(zip(words, sure, strict=True)):
        yield Word(word, _confidence(f"{name}[{place}]", confidence))


def _confidence(name: str, value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, Real):
        raise wrong_type(name, value, "a number in [0, 1], or None")
    number = float(value)
    if math.isnan(number):
        return None
    if not 0 <= number <= 1:
        raise UserError(f"{name}: {number:g} is out of range (allowed: 0 to 1)")
    return number


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, value, "text")
    return value


def _listed(name: str, values: object) -> list[object]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise wrong_type(name, values, "a list")
    return list(values)
