r"""How many words and characters are wrong.

Conventions:
    - Counts are pooled over utterances before they are divided: a corpus' rate is never a mean of utterances' rates.
    - Normalised text (named normaliser); minimal edit alignment with unit costs, the same as jiwer's.
    - With hits $H$, substitutions $S$, deletions $D$, insertions $I$ and $N = H + S + D$ reference words:
      WER $= (S + D + I) / N$; CER the same on characters, spaces included; MER $= (S + D + I) / (H + S + D + I)$;
      WIL $= 1 - H^2 / (N \cdot (H + S + I))$ (Morris, Maier & Green 2004).
    - Without reference words there is no rate: None, not 0 and not a count (jiwer 4 returns the number of insertions there). Insertions on
      empty references do count in the pooled rate, and apart in `hallucination`.
    - Utterances without a hypothesis (errors of the run) are left out, and their number is shown; `wer_failed_deleted` is the sensitivity:
      the WER had each of them counted as all words deleted.
"""

import numpy as np

from askd_bench.metrics.bootstrap import Array, Sums, ratio
from askd_bench.metrics.metric import Metric, Statistics, ratio_of
from askd_bench.metrics.scoring import Scored
from askd_bench.types import ErrorCounts

_NO_WORDS = (("reference_words", 1, "no reference words"),)
_NO_CHARS = (("reference_chars", 1, "no reference characters"),)


def statistics(scored: Scored) -> Statistics:
    """Return what the metrics of this module add up."""
    done = ~scored.failed
    return {
        "utterances": np.ones(len(scored)),
        "failed": scored.failed,
        "hits": scored.hits,
        "substitutions": scored.substitutions,
        "deletions": scored.deletions,
        "insertions": scored.insertions,
        "reference_words": scored.reference_words * done,
        "failed_words": scored.reference_words * scored.failed,
        "char_errors": scored.char_substitutions + scored.char_deletions + scored.char_insertions,
        "reference_chars": scored.reference_chars * done,
        "exact": (scored.errors == 0) & done,
        "done": done,
    }


def word_counts(scored: Scored) -> ErrorCounts:
    """Return the pooled word counts, utterances without hypothesis left out."""
    return ErrorCounts(*(int(x.sum()) for x in (scored.hits, scored.substitutions, scored.deletions, scored.insertions)))


def char_counts(scored: Scored) -> ErrorCounts:
    """Return the pooled character counts, utterances without hypothesis left out."""
    return ErrorCounts(
        *(int(x.sum()) for x in (scored.char_hits, scored.char_substitutions, scored.char_deletions, scored.char_insertions))
    )


def _errors(sums: Sums) -> Array:
    return sums["substitutions"] + sums["deletions"] + sums["insertions"]


def _information_lost(sums: Sums) -> Array:
    hypothesis_words = sums["hits"] + sums["substitutions"] + sums["insertions"]
    # nothing recognised at all: everything is lost
    return np.where(hypothesis_words == 0, 1.0, 1 - ratio(sums["hits"] ** 2, sums["reference_words"] * hypothesis_words))


METRICS = (
    Metric(
        name="wer",
        label="WER %",
        factor=100,
        interval=True,
        priority=0,
        meaning="word error rate: substitutions, deletions and insertions per reference word, pooled",
        unit="errors per reference word",
        better="lower",
        count="reference_words",
        formula=lambda sums: ratio(_errors(sums), sums["reference_words"]),
        needs=_NO_WORDS,
    ),
    Metric(
        name="wer_failed_deleted",
        label="WER % with failed",
        factor=100,
        meaning="word error rate had every utterance without a hypothesis lost all its words",
        unit="errors per reference word",
        better="lower",
        count="utterances",
        formula=lambda sums: ratio(_errors(sums) + sums["failed_words"], sums["reference_words"] + sums["failed_words"]),
    ),
    Metric(
        name="cer",
        label="CER %",
        factor=100,
        priority=3,
        meaning="character error rate, spaces included, pooled",
        unit="errors per reference character",
        better="lower",
        count="reference_chars",
        formula=ratio_of("char_errors", "reference_chars"),
        needs=_NO_CHARS,
    ),
    Metric(
        name="mer",
        label="MER %",
        factor=100,
        meaning="match error rate: errors per aligned position, in [0, 1]",
        unit="errors per aligned position",
        better="lower",
        count="reference_words",
        formula=lambda sums: ratio(_errors(sums), sums["hits"] + _errors(sums)),
        needs=_NO_WORDS,
    ),
    Metric(
        name="wil",
        label="WIL %",
        factor=100,
        meaning="word information lost, in [0, 1]",
        unit="share",
        better="lower",
        count="reference_words",
        formula=_information_lost,
        needs=_NO_WORDS,
    ),
    Metric(
        name="substitution_rate",
        label="sub. %",
        factor=100,
        meaning="substituted words per reference word",
        unit="errors per reference word",
        better="lower",
        count="reference_words",
        formula=ratio_of("substitutions", "reference_words"),
        needs=_NO_WORDS,
    ),
    Metric(
        name="deletion_rate",
        label="del. %",
        long_label="deletions %",
        factor=100,
        meaning="reference words without a counterpart, per reference word",
        unit="errors per reference word",
        better="lower",
        count="reference_words",
        formula=ratio_of("deletions", "reference_words"),
        needs=_NO_WORDS,
    ),
    Metric(
        name="sentence_error_rate",
        label="wrong utt. %",
        factor=100,
        meaning="share of utterances with at least one word error",
        unit="share of utterances",
        better="lower",
        count="done",
        formula=lambda sums: 1 - ratio(sums["exact"], sums["done"]),
    ),
)
WER = METRICS[0]
