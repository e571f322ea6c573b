"""Every metric by name, of one result and of comparisons: what it means, its unit and which way is better."""

from askd_bench.metrics import inheritance, summary
from askd_bench.metrics.metric import Metric

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*summary.METRICS, *inheritance.METRICS, *inheritance.VS_CONTROL)}
"""Name -> metric, in the order in which they are listed."""
