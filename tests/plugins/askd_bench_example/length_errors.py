"""A metric: a module with `METRICS`, and the statistics that they add up over utterances."""

import numpy as np

from askd_bench.metrics.metric import Metric, Statistics, ratio_of
from askd_bench.metrics.scoring import Scored


def statistics(scored: Scored) -> Statistics:
    """Return one number an utterance, for each name that a formula uses."""
    done = ~scored.failed
    return {"done": done, "wrong_length": done & (scored.hypothesis_words != scored.reference_words), "utterances": np.ones(len(scored))}


METRICS = (
    Metric(
        name="length_error_rate",
        meaning="share of utterances with more or fewer words than were said",
        unit="share of utterances",
        better="lower",
        count="done",
        formula=ratio_of("wrong_length", "done"),
        needs=(("done", 1, "no utterance has a hypothesis"),),
    ),
)
