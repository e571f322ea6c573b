"""Every metric by name: what it means, its unit and which way is better."""

from askd_bench.metrics import calibration, hallucination, inheritance, robustness, selective, speed, word_errors
from askd_bench.metrics.metric import Metric

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *word_errors.METRICS,
        *robustness.METRICS,
        *hallucination.METRICS,
        *calibration.METRICS,
        *selective.METRICS,
        *inheritance.METRICS,
        *inheritance.VS_CONTROL,
        *speed.METRICS,
    )
}
"""Name -> metric, in the order in which they are listed."""
