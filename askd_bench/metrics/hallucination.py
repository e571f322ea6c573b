"""What the model wrote that nobody said.

Conventions:
    - `insertion_rate`: inserted words (normalised, in the minimal alignment) per reference word.
    - `hallucination_rate`: share of utterances whose hypothesis is not empty and shares no word with the reference (normalised, as sets of
      words). A one-word answer to a one-word utterance that is merely misheard counts too: read it beside the mean length.
    - `invented_words_per_minute`: hypothesis words per minute of audio over the utterances whose reference is empty (`silence` conditions).
    - `loops_per_1000_words`: repeated 5-grams of the raw hypothesis, within an utterance, beyond those of its reference, per 1,000 raw
      hypothesis words. Distil-Whisper (Gandhi et al. 2023, section 7) counts duplicates over all predictions concatenated, which grows with
      the corpus; ours does not.
    - `compression_ratio`: UTF-8 bytes of the raw hypotheses over their zlib-compressed bytes, pooled; `compressible_rate`: share of
      utterances where that ratio exceeds 2.4, the threshold above which Whisper's own decoder treats a segment as repetitive.
    - `bracketed_per_1000_words`: raw words inside [..], (..), <..>, *..* or between notes. Most normalisers delete these; here they count.
    - `length_ratio`: hypothesis words per reference word (normalised).
    - Utterances without hypothesis are left out.
"""

import numpy as np

from askd_bench.metrics.metric import Metric, Statistics, ratio_of
from askd_bench.metrics.scoring import Scored

COMPRESSIBLE = 2.4
"""Compression ratio above which a text is repetitive: `compression_ratio_threshold` of openai/whisper's `transcribe`."""


def statistics(scored: Scored) -> Statistics:
    """Return what the metrics of this module add up."""
    done = ~scored.failed
    silent = done & (scored.reference_words == 0)
    return {
        "done": done,
        "reference_words": scored.reference_words * done,
        "insertions": scored.insertions,
        "hypothesis_words": scored.hypothesis_words,
        "disjoint": scored.disjoint & done,
        "silent_words": scored.hypothesis_words * silent,
        "silent_minutes": scored.duration_s * silent / 60,
        "silent_utterances": silent,
        "loops": scored.loops,
        "raw_words": scored.raw_words,
        "bracketed_words": scored.bracketed_words,
        "text_bytes": scored.text_bytes,
        "compressed_bytes": scored.compressed_bytes,
        "compressible": scored.text_bytes > COMPRESSIBLE * np.maximum(scored.compressed_bytes, 1),
    }


_NO_REFERENCE = (("reference_words", 1, "no reference words"),)
_NO_HYPOTHESIS = (("raw_words", 1, "no hypothesis words"),)
_NOTHING_DONE = (("done", 1, "no utterance has a hypothesis"),)

METRICS = (
    Metric(
        name="insertion_rate",
        label="ins. %",
        long_label="insertions %",
        factor=100,
        meaning="inserted words per reference word",
        unit="errors per reference word",
        better="lower",
        count="reference_words",
        formula=ratio_of("insertions", "reference_words"),
        needs=_NO_REFERENCE,
    ),
    Metric(
        name="hallucination_rate",
        label="halluc. %",
        factor=100,
        meaning="share of utterances whose hypothesis shares no word with the reference",
        unit="share of utterances",
        better="lower",
        count="done",
        formula=ratio_of("disjoint", "done"),
        needs=_NOTHING_DONE,
    ),
    Metric(
        name="invented_words_per_minute",
        label="words/min",
        long_label="invented words a minute",
        digits=2,
        long_digits=1,
        meaning="words written per minute of audio in which nothing is said (empty references)",
        unit="words per minute",
        better="lower",
        count="silent_utterances",
        formula=ratio_of("silent_words", "silent_minutes"),
        needs=(("silent_utterances", 1, "no utterance with an empty reference"),),
    ),
    Metric(
        name="loops_per_1000_words",
        label="loops ‰",
        meaning="repeated 5-grams within an utterance, beyond the reference's own, per 1,000 hypothesis words",
        unit="per 1,000 words",
        better="lower",
        count="raw_words",
        formula=ratio_of("loops", "raw_words", factor=1000),
        needs=_NO_HYPOTHESIS,
    ),
    Metric(
        name="bracketed_per_1000_words",
        label="bracketed ‰",
        meaning="words in brackets, asterisks or notes, per 1,000 hypothesis words",
        unit="per 1,000 words",
        better="lower",
        count="raw_words",
        formula=ratio_of("bracketed_words", "raw_words", factor=1000),
        needs=_NO_HYPOTHESIS,
    ),
    Metric(
        name="compression_ratio",
        label="compression",
        digits=2,
        meaning="bytes of the hypotheses over their zlib-compressed bytes: high when text repeats itself",
        unit="ratio",
        better="neither",
        count="raw_words",
        formula=ratio_of("text_bytes", "compressed_bytes"),
        needs=_NO_HYPOTHESIS,
    ),
    Metric(
        name="compressible_rate",
        label="compressible %",
        factor=100,
        meaning="share of utterances whose hypothesis compresses better than 2.4 to 1",
        unit="share of utterances",
        better="lower",
        count="done",
        formula=ratio_of("compressible", "done"),
        needs=_NOTHING_DONE,
    ),
    Metric(
        name="length_ratio",
        label="length ratio",
        digits=2,
        meaning="hypothesis words per reference word",
        unit="words per reference word",
        better="neither",
        count="reference_words",
        formula=ratio_of("hypothesis_words", "reference_words"),
        needs=_NO_REFERENCE,
    ),
)
